"""Names that the modules of this engine share: containers, labels, and paths inside a container."""

from __future__ import annotations

LABEL = "deployer."
PROJECT = f"{LABEL}project"
MODELS_MOUNT = "/models"
CONTENTS = f"{LABEL}contents."
"""What the labels of an image with the models inside begin with."""


def container_name(project: str, name: str, env: str, release: str | None = None, role: str = "candidate") -> str:
    """Return `deployer-PROJECT.ENV-NAME` for the serving container, with role and release appended for another one.

    A project's name has no dot, so the names of two projects differ. Without a project it is `deployer-ENV-NAME`, as
    made before there were projects.
    """
    base = f"deployer-{project}.{env}-{name}" if project else f"deployer-{env}-{name}"
    return f"{base}-{role}-{release}" if release else base


def gateway_name(project: str, name: str, env: str) -> str:
    """Return the name of the accepted gateway's container; the generation is appended for another one."""
    return f"{container_name(project, name, env)}-gateway"
