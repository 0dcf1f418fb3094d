"""deployer.toml: its dataclasses, its loader, and the files that are rendered from it."""
