"""What holds for every unit test: TensorFlow is not imported, and the machine is not searched for model servers."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from deployer.engines.embedded import processes


@pytest.fixture(scope="module", autouse=True)
def _no_tensorflow() -> Iterator[None]:
    before = "tensorflow.python" in sys.modules
    yield
    assert before or "tensorflow.python" not in sys.modules, (
        "a unit test imported TensorFlow: it belongs to tests/integration"
    )


@pytest.fixture(autouse=True)
def _no_servers_of_others(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command of a unit test starts an embedded server, and to read every process costs more than most tests."""
    if not request.node.path.name.startswith("test_processes"):
        monkeypatch.setattr(processes, "find_servers", tuple)
