"""`saved_model.pbtxt`: read as TensorFlow Serving reads it, and refused where it is hostile or something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.files import as_text, copy_model

from deployer.errors import BrokenModel
from deployer.savedmodel import pbtxt, reader
from deployer.savedmodel.layout import is_saved_model


@pytest.mark.parametrize("name", ["half_plus_two", "several", "types", "odd"])
def test_text_declares_what_the_binary_file_does(tmp_path: Path, name: str) -> None:
    directory = copy_model(tmp_path / "m", name)
    before = reader.read(directory)
    after = reader.read(as_text(directory))
    assert after.signatures == before.signatures
    assert after.fingerprint == before.fingerprint
    assert after.size_bytes > before.size_bytes
    assert is_saved_model(directory)
    assert reader.newest_version(directory) is None


def test_the_binary_file_wins_where_both_are_there(tmp_path: Path) -> None:
    directory = copy_model(tmp_path / "m")
    (directory / "saved_model.pbtxt").write_text("nonsense")
    assert reader.read(directory) == reader.read(copy_model(tmp_path / "n"))


def in_functions(depth: int) -> str:
    """An attribute of a function may hold a function, and so on."""
    inner = "attr { key: 'f' value { func { " * depth + "name: 'x'" + " } } }" * depth
    return f"meta_graphs {{ graph_def {{ node {{ name: 'n' op: 'o' {inner} }} }} }}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no graph"),
        ("saved_model_schema_version: 1\n", "holds no graph"),
        ("node {\n  name: 'x'\n  op: 'Placeholder'\n}\n", "GraphDef"),
        ('type: "Pose"\ninput_stream: "IMAGE:image"\nnode {\n  calculator: "Flow"\n}\n', "MediaPipe"),
        ("meta_info_def {\n}\n", "MetaGraphDef"),
        ("meta_graphs {\n  meta_info_def {\n    tags: 'serve'\n", "is not a SavedModel: line"),
        ("<html>", "is not a SavedModel"),
        (in_functions(60), "nested deeper"),
        (in_functions(20_000), "nested deeper"),
        ("meta_graphs { meta_info_def { stripped_op_list " + "{ op " * 20_000, "is not a SavedModel"),
    ],
)
def test_what_is_no_saved_model_as_text_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "saved_model.pbtxt").write_text(text)
    with pytest.raises(BrokenModel, match=told) as caught:
        reader.read(tmp_path)
    assert caught.value.hint


def test_bytes_that_are_no_text_and_text_without_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "saved_model.pbtxt"
    path.write_bytes(b"\xff\xfe\0")
    with pytest.raises(BrokenModel, match="no text"):
        reader.read(tmp_path)
    monkeypatch.setattr(pbtxt, "MAX_BYTES", 2)
    with pytest.raises(BrokenModel, match="too large for text"):
        reader.read(tmp_path)
