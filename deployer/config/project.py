"""The project that a deployment belongs to: its name, as in Docker Compose, and the one that a folder suggests."""

from __future__ import annotations

import os
import re
from pathlib import Path

from deployer.errors import InvalidValue

PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
MAX_LENGTH = 63
FALLBACK_PROJECT = "default"
"""The project of a folder whose name has no character that a project's name may have."""


def check_project(name: object) -> str:
    """The name itself. Raises InvalidValue for what cannot be part of container and folder names."""
    if isinstance(name, str) and PROJECT.fullmatch(name):
        return name
    shown = repr(name if not isinstance(name, str) or len(name) <= 40 else f"{name[:37]}...")
    raise InvalidValue(
        f"project name {shown} is not allowed: 1 to {MAX_LENGTH} lower case letters, digits, '_' and '-', the first "
        "a letter or digit",
        hint='for example project = "shop" in deployer.toml, --project shop or DEPLOYER_PROJECT=shop',
    )


def default_project(folder: Path) -> str:
    """The project that a folder's name suggests: in lower case, without the characters that are not allowed."""
    name = os.path.basename(os.path.abspath(folder)).lower()  # noqa: PTH100, PTH119 - a link keeps its own name
    allowed = re.sub(r"[^a-z0-9_-]", "", name).lstrip("_-")
    return allowed[:MAX_LENGTH] or FALLBACK_PROJECT
