"""Values from documents: what was written comes back, anything else is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest

from deployer.engines.run_dir import Release
from deployer.results.model import SavedModelInfo, Signature, TensorSpec
from deployer.results.served import ServedModel
from deployer.system import documents
from deployer.system.documents import Mismatch

RELEASE = Release(
    "m", "local", "r", "serving", "now", "::1", 1, 2, 3, 4, "d", (ServedModel("m", (1, 2), (("a", 2),), ("x", "y")),), 7
)
INFO = SavedModelInfo(
    (Signature("s", "p", (TensorSpec("x", "float32", (None, 3)),), (TensorSpec("y", "string", None),)),),
    ("serve",), "2.21.0", None, "f", 5,
)  # fmt: skip


@pytest.mark.parametrize("value", [RELEASE, dataclasses.replace(RELEASE, pid=None), INFO])
def test_what_was_written_comes_back(value):
    assert documents.read(type(value), json.loads(json.dumps(dataclasses.asdict(value)))) == value


def test_what_a_later_release_added_is_left_alone_and_defaults_fill_in():
    assert documents.read(ServedModel, {"name": "m", "versions": [1], "later": {}}) == ServedModel("m", (1,))


@pytest.mark.parametrize(
    ("key", "value"),
    [("pid", "7"), ("pid", True), ("pid", 7.0), ("name", None), ("models", {}), ("models", [1]), ("models", "ab"),
     ("models", [{"name": "m", "versions": ["1"]}]), ("models", [{"name": "m"}]),
     ("models", [{"name": "m", "versions": [1], "labels": [["a"]]}])],
)  # fmt: skip
def test_another_type_is_refused(key, value):
    with pytest.raises(Mismatch):
        documents.read(Release, {**dataclasses.asdict(RELEASE), "models": [], key: value})


@pytest.mark.parametrize("raw", [None, 3, "text", [], {}, {"name": "m"}])
def test_another_shape_is_refused(raw):
    with pytest.raises(Mismatch):
        documents.read(Release, raw)
