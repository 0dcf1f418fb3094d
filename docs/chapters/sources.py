"""Kinds of source against what was tested, from what the tests noted when they passed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from chapters.markdown import table

NOTED = Path(__file__).parents[1] / "tested.json"
ENGINES = ("embedded", "docker")
HEAD = """# Kinds of source

Written by `make tested docs` from what the tests noted; do not edit. Each row is a model that was exported, served, and
asked over REST and gRPC; the numbers were TensorFlow's own (`tests/integration/test_source_kinds.py`; Estimators, JAX
and models of others have files of their own). The Docker column is noted where `DEPLOYER_TEST_IMAGE` names an image.
Decision [13](decisions/0013-saved-models-that-exist.md) says what happens to a SavedModel that exists.

"""


def text() -> str:
    """The page."""
    return HEAD + table(("Source", "TensorFlow", "Keras", *(engine.capitalize() for engine in ENGINES)), _rows())


def _rows() -> Iterator[tuple[str, ...]]:
    """A row for each kind, with the versions that it was noted with last, and a mark for each engine."""
    noted = json.loads(NOTED.read_text(encoding="utf-8"))
    kinds = {kind: (tensorflow, keras) for kind, tensorflow, keras, _ in noted}
    served = {(kind, engine) for kind, _, _, engine in noted}
    for kind, versions in sorted(kinds.items()):
        yield kind, *versions, *("proven" if (kind, engine) in served else "" for engine in ENGINES)
