"""Files that desktop systems and archivers leave in directories."""

from __future__ import annotations

from pathlib import PurePath

NAMES = frozenset({".DS_Store", "__MACOSX", "Thumbs.db", "desktop.ini", ".AppleDouble"})
RESOURCE_FORK = "._"
"""macOS stores a file's attributes in a second file with this prefix."""


def is_junk(path: PurePath) -> bool:
    """Return whether a path inside a model, or one of its directories, is such a file."""
    return any(part in NAMES or part.startswith(RESOURCE_FORK) for part in path.parts)
