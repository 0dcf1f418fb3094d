"""The Docker engine: model servers are containers, created through the Docker SDK."""
