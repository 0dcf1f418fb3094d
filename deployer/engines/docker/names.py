"""What all rooms of this engine call things: containers, labels, and what is fixed inside a container."""

from __future__ import annotations

LABEL = "deployer."
MODELS_MOUNT = "/models"


def container_name(name: str, env: str, release: str | None = None, role: str = "candidate") -> str:
    """`deployer-ENV-NAME` for the one that serves, with role and release behind it for another."""
    base = f"deployer-{env}-{name}"
    return f"{base}-{role}-{release}" if release else base
