"""Containers through the Docker SDK: `engine` is the Engine; the other rooms are what it does."""
