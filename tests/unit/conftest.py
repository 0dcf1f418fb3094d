"""What holds for every unit test: TensorFlow is not imported."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _no_tensorflow() -> Iterator[None]:
    before = "tensorflow.python" in sys.modules
    yield
    assert before or "tensorflow.python" not in sys.modules, (
        "a unit test imported TensorFlow: it belongs to tests/integration"
    )
