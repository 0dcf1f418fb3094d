"""Kinds of source against what was tested, from what the tests noted when they passed."""

from __future__ import annotations

import json
from pathlib import Path

from chapters.markdown import table

NOTED = Path(__file__).parents[1] / "tested.json"
HEAD = """# Kinds of source

Written by `make tested docs` from what the tests noted; do not edit. Each row is a model that was exported, served, and
asked over REST and gRPC; the numbers were TensorFlow's own (`tests/integration/test_source_kinds.py`).
Decision [13](decisions/0013-saved-models-that-exist.md) says what happens to a SavedModel that exists.

"""


def text() -> str:
    """The page."""
    rows = json.loads(NOTED.read_text(encoding="utf-8"))
    return HEAD + table(("Source", "TensorFlow", "Keras", "Engine"), rows)
