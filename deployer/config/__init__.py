"""deployer.toml: its dataclasses, reading it, and the files that are rendered from it."""
