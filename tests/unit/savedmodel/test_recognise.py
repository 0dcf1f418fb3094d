"""What is no source is named, with a way out."""

from __future__ import annotations

import io
import json
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.errors import BrokenModel, SourceNotFound
from deployer.export.source_kinds import KINDS, kind_of
from deployer.savedmodel import reader
from deployer.savedmodel.recognise import recognise


def zip_of(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for name in names:
            packed.writestr(name, b"x")
    return data.getvalue()


FILES = {
    "m.pt": (b"x", "PyTorch"),
    "m.PTH": (b"x", "PyTorch"),
    "pytorch.bin": (zip_of("archive/data.pkl"), "PyTorch"),
    "m.weights.bin": (zip_of("a/data.pkl"), "PyTorch"),
    "m.onnx": (b"x", "ONNX"),
    "m.tflite": (b"x", "LiteRT"),
    "no_suffix": (b"\x1c\0\0\0TFL3", "LiteRT"),
    "m.pkl": (b"x", "pickled"),
    "m.joblib": (b"x", "pickled"),
    "by_content": (b"\x80\x04\x95", "pickled"),
    "m.safetensors": (b"x", "safetensors"),
    "model.json": (json.dumps({"class_name": "Sequential", "config": {}}).encode(), "configuration of a Keras model"),
    "tfjs.json": (json.dumps({"format": "layers-model"}).encode(), "TensorFlow.js"),
    "ckpt.index": (b"x", "checkpoint"),
    "ckpt.data-00000-of-00001": (b"x", "checkpoint"),
    "m.weights.h5": (b"x", "weights"),
    "graph.pbtxt": (b"node {\n  name: 'x'\n}\n", "GraphDef"),
    "pose.pbtxt": (b'node {\n  calculator: "Flow"\n}\n', "MediaPipe"),
    "other.pbtxt": (b'name: "x"\n', "text proto"),
    "renamed": (zip_of("config.json", "metadata.json", "model.weights.h5"), "called .keras"),
    "old model": (b"\x89HDF\r\n", "called .h5"),
    "saved_model.pb": (b"x", "part of a SavedModel"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_named_by_its_name_or_its_content_and_refused_so(tmp_path: Path, name: str) -> None:
    data, what = FILES[name]
    (tmp_path / name).write_bytes(data)
    seen = recognise(tmp_path / name)
    assert seen
    assert what in f"{seen.what}; {seen.hint}"
    assert seen.hint
    if not any(kind.matches(str(tmp_path / name)) for kind in KINDS):
        with pytest.raises(SourceNotFound) as caught:
            kind_of(str(tmp_path / name))
        assert (seen.what in caught.value.message, caught.value.hint) == (True, seen.hint)


def test_a_hint_with_a_path_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "my old model"
    path.write_bytes(b"\x89HDF\r\n")
    seen = recognise(path)
    assert seen
    assert shlex.split(seen.hint)[-2:] == [str(path), f"{path}.h5"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plain.txt", b"x"),
        ("list.json", b"[]"),
        ("deep.json", b"[" * 100_000),
        ("other.json", b"{}"),
        ("broken", b"PK\x03\x04"),
    ],
)
def test_what_is_not_known_is_not_guessed(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert recognise(tmp_path / name) is None
    assert recognise(tmp_path) is None
    assert recognise(tmp_path / "nowhere") is None


def touch(*names: str) -> Callable[[Path], None]:
    def make(directory: Path) -> None:
        for name in names:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(b"x")

    return make


def keras_json(directory: Path) -> None:
    (directory / "model.json").write_bytes(FILES["model.json"][0])
    touch("model.weights.h5")(directory)


DIRECTORIES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "around a Keras file": (touch("model.keras", "history.json"), "holds model.keras", "model.keras"),
    "around an old one": (touch("net.h5"), "holds net.h5", "net.h5"),
    "unpacked": (touch("config.json", "metadata.json", "model.weights.h5"), "unpacked", "zip -r"),
    "Hugging Face": (touch("config.json", "model.safetensors", "vocab.txt"), "Hugging Face", "saved_model=True"),
    "Hugging Face, shards": (touch("config.json", "model-00001-of-00002.safetensors"), "Hugging Face", "saved_model"),
    "Hugging Face, TensorFlow": (touch("config.json", "tf_model.h5"), "Hugging Face", "saved_model"),
    "PyTorch": (touch("weights.pth"), "PyTorch", "TensorFlow"),
    "configuration and weights": (keras_json, "without its weights", "--weights"),
    "checkpoint": (touch("checkpoint", "ckpt-1.index", "ckpt-1.data-00000-of-00001"), "checkpoint", "restores"),
    "variables": (touch("variables.index", "variables.data-00000-of-00001"), "variables directory", "above it"),
}


@pytest.mark.parametrize("kind", DIRECTORIES)
def test_a_directory_that_is_no_saved_model_is_refused_by_what_it_holds(tmp_path: Path, kind: str) -> None:
    make, what, hint = DIRECTORIES[kind]
    make(tmp_path)
    with pytest.raises(BrokenModel) as caught:
        reader.read(tmp_path)
    assert what in caught.value.message
    assert hint in str(caught.value.hint)
