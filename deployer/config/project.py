"""The project that a deployment belongs to. Its name defaults to the directory's, as in Docker Compose."""

from __future__ import annotations

import os
import re
from pathlib import Path

from deployer.errors import InvalidValue

PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
MAX_LENGTH = 63
# For a directory whose name has none of the allowed characters.
FALLBACK_PROJECT = "default"


def check_project(name: object) -> str:
    """Return the name. Raises InvalidValue where it cannot be a part of container and directory names."""
    if isinstance(name, str) and PROJECT.fullmatch(name):
        return name
    shown = repr(name if not isinstance(name, str) or len(name) <= 40 else f"{name[:37]}...")
    raise InvalidValue(
        f"project name {shown} is not allowed: 1 to {MAX_LENGTH} lower case letters, digits, '_' and '-', the first "
        "a letter or digit",
        hint='for example project = "shop" in deployer.toml, --project shop or DEPLOYER_PROJECT=shop',
    )


def default_project(directory: Path) -> str:
    """Return the name of a directory in lower case, without the characters that a project's name may not have."""
    name = os.path.basename(os.path.abspath(directory)).lower()  # noqa: PTH100, PTH119 - a link keeps its own name
    allowed = re.sub(r"[^a-z0-9_-]", "", name).lstrip("_-")
    return allowed[:MAX_LENGTH] or FALLBACK_PROJECT
