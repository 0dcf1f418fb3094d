"""Sources that only the calling process has are not looked for in a child."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from deployer.export.base import ExportRequest
from deployer.export.child import _needs_this_process


@pytest.mark.parametrize(
    ("request_", "here"),
    [
        (ExportRequest("__main__:model"), True),
        (ExportRequest("trained.today:model"), True),
        (ExportRequest("trained.yesterday:model"), False),
        (ExportRequest("trained/today.py:model"), False),
        (ExportRequest("m.keras"), False),
        (ExportRequest("m.keras", custom_objects="trained.today:Layer"), True),
        (ExportRequest("m.keras", custom_objects="layers.py:Layer"), False),
        (ExportRequest("train.py:model", signatures=("score=trained.today:score",)), True),
        (ExportRequest("train.py:model", signatures=("score=score",)), False),
    ],
)
def test_a_module_that_was_imported_here_is_one(
    request_: ExportRequest, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trained.today", ModuleType("trained.today"))
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delitem(sys.modules, "tf_keras", raising=False)
    assert _needs_this_process(request_) == here


@pytest.mark.parametrize(("registered", "here"), [({}, False), ({"Custom>Layer": object}, True)])
def test_a_keras_file_may_need_what_was_registered_here(
    registered: dict[str, object], here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras = ModuleType("keras")
    keras.utils = ModuleType("utils")  # type: ignore[attr-defined]
    keras.utils.get_custom_objects = lambda: registered
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.delitem(sys.modules, "tf_keras", raising=False)
    assert _needs_this_process(ExportRequest("m.keras")) == here
    assert not _needs_this_process(ExportRequest("train.py:model"))
