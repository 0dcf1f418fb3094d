"""What all modules of this engine call things: containers, labels, and what is fixed inside a container."""

from __future__ import annotations

LABEL = "deployer."
PROJECT = f"{LABEL}project"
MODELS_MOUNT = "/models"


def container_name(project: str, name: str, env: str, release: str | None = None, role: str = "candidate") -> str:
    """`deployer-PROJECT.ENV-NAME` for the one that serves, with role and release behind it for another.

    No project's name has a dot, so those of two projects differ. Without a project it is `deployer-ENV-NAME`: what
    releases of this tool before projects made.
    """
    base = f"deployer-{project}.{env}-{name}" if project else f"deployer-{env}-{name}"
    return f"{base}-{role}-{release}" if release else base
