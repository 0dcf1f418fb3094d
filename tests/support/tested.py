"""Notes which kind of source was served and proven, for the table in docs/sources.md.

`make tested` runs the tests with NOTE_TESTED set; what they note goes into docs/tested.json, one line a row.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

FILE = Path(__file__).parents[2] / "docs" / "tested.json"


def note(kind: str, engine: str, keras: str | None = None, tensorflow: str | None = None) -> None:
    """Called at the end of a test that has compared what was served with what TensorFlow says."""
    if os.environ.get("NOTE_TESTED"):
        row = [kind, tensorflow or _installed("tensorflow"), keras or "", engine]
        rows = [known for known in rows_of(FILE) if known[0] != kind or known[3] != engine]
        FILE.write_text("[\n" + ",\n".join(json.dumps(each) for each in sorted([*rows, row])) + "\n]\n")


def rows_of(file: Path) -> list[list[str]]:
    return json.loads(file.read_text()) if file.is_file() else []


def _installed(package: str) -> str:
    from importlib.metadata import version

    return version(package)
