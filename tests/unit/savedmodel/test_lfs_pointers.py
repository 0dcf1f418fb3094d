"""Pointers of Git LFS, in the place of any file that is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.files import POINTER, copy_model

from deployer.errors import BrokenModel, ModelError
from deployer.export import ExportRequest, identify
from deployer.export.golden.example_files import content
from deployer.results.model import Model
from deployer.savedmodel import lfs_pointers, reader
from deployer.savedmodel.layout import GOLDEN_FILE, MANIFEST_FILE
from deployer.store import manifest
from deployer.verification import golden


def test_a_pointer_is_known_by_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "f"
    for data, is_one in (
        (POINTER, True),
        (POINTER.replace(b"git-lfs", b"hawser"), True),
        (b"", False),
        (b"version 2", False),
        (b" " + POINTER, False),
        (POINTER + b"x" * 1024, False),
    ):
        file.write_bytes(data)
        assert lfs_pointers.is_pointer(file) == is_one
    os.mkfifo(tmp_path / "pipe")
    assert not any(map(lfs_pointers.is_pointer, (tmp_path, tmp_path / "pipe", tmp_path / "nowhere", Path("a\0b"))))


@pytest.mark.parametrize(
    "name",
    [
        "saved_model.pb",
        "saved_model.pbtxt",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "assets/vocabulary.txt",
        "assets/deep/table.csv",
        "assets.extra/tf_serving_warmup_requests",
    ],
)
def test_no_file_of_a_saved_model_may_be_a_pointer(tmp_path: Path, name: str) -> None:
    directory = copy_model(tmp_path / "m")
    if name == "saved_model.pbtxt":
        (directory / "saved_model.pb").unlink()
    (directory / name).parent.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(POINTER)
    with pytest.raises(BrokenModel, match="Git LFS pointer") as caught:
        reader.read(directory)
    assert name in caught.value.message
    assert caught.value.hint == "git lfs pull"


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.zip", "m.tar.gz", "frozen.pb", "m.onnx", "m.bin"])
def test_no_source_may_be_a_pointer(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(POINTER)
    with pytest.raises(BrokenModel, match="Git LFS pointer"):
        identify(ExportRequest(str(tmp_path / name)))


@pytest.mark.parametrize("part", ["m.meta", "m.index", "m.data-00000-of-00001"])
def test_no_part_of_a_checkpoint_may_be_a_pointer(tmp_path: Path, part: str) -> None:
    for name in ("m.meta", "m.index", "m.data-00000-of-00001"):
        (tmp_path / name).write_bytes(POINTER if name == part else b"x")
    with pytest.raises(BrokenModel, match=f"{part} is a Git LFS pointer"):
        identify(ExportRequest(str(tmp_path / "m.meta")))


@pytest.mark.parametrize("option", ["examples", "weights", "custom_objects", "signatures", "source"])
def test_no_file_that_an_option_names_may_be_a_pointer(tmp_path: Path, option: str) -> None:
    (tmp_path / "code.py").write_text("raise AssertionError('not to be run')")
    pointer = tmp_path / "pointer.py"
    pointer.write_bytes(POINTER)
    given = {
        "examples": pointer,
        "weights": pointer,
        "custom_objects": f"{pointer}:Layer",
        "signatures": (f"other={pointer}:function",),
    }
    source = f"{pointer}:model" if option == "source" else f"{tmp_path / 'code.py'}:model"
    keras = tmp_path / "m.keras"
    keras.write_bytes(b"x")
    request = ExportRequest(
        str(keras) if option == "custom_objects" else source, **{key: given[key] for key in given if key == option}
    )
    with pytest.raises(BrokenModel, match="Git LFS pointer"):
        identify(request)


def test_no_image_of_the_examples_may_be_a_pointer(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "b.jpg").write_bytes(POINTER)
    with pytest.raises(ModelError, match=r"b\.jpg is a Git LFS pointer"):
        content(tmp_path)


def test_no_file_of_the_tool_itself_may_be_a_pointer(tmp_path: Path) -> None:
    directory = copy_model(tmp_path / "m")
    for file, read in ((GOLDEN_FILE, golden.read), (MANIFEST_FILE, read_manifest)):
        (directory / file).parent.mkdir(exist_ok=True)
        (directory / file).write_bytes(POINTER)
        with pytest.raises(BrokenModel, match="Git LFS pointer"):
            read(directory)


def read_manifest(directory: Path) -> Model:
    return manifest.read("m", 1, directory)
