"""Files that desktops and archivers leave in folders, and that no model has."""

from __future__ import annotations

from pathlib import PurePath

NAMES = frozenset({".DS_Store", "__MACOSX", "Thumbs.db", "desktop.ini", ".AppleDouble"})
RESOURCE_FORK = "._"
"""What macOS puts before the name of a file, for a second file that holds its attributes."""


def is_junk(path: PurePath) -> bool:
    """Whether a path inside a model, or a folder on the way, is such a file."""
    return any(part in NAMES or part.startswith(RESOURCE_FORK) for part in path.parts)
