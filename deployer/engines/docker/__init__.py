"""Containers through the Docker SDK: `engine` is the Engine; the other modules are what it does."""
