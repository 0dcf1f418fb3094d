"""Recognise files and directories that are not exportable sources, by their content, and say how to get a source."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

HEAD_BYTES = 1 << 16
MAX_JSON_BYTES = 1 << 26
MAX_ENTRIES = 200
NEUTRAL_SUFFIXES = frozenset({".npz", ".npy", ".ipynb"})
"""Files of these types may be in any directory and do not characterise it."""
USE_CODE = "build the model in a file of your own, and give file.py:name"


@dataclass(frozen=True)
class Recognised:
    """A recognised format: a noun phrase for an error message, and a hint."""

    what: str
    hint: str


TO_TENSORFLOW = "convert it to TensorFlow first; deployer takes a Keras file or a SavedModel"
PICKLED = Recognised("a pickled Python object, which may run any code when it is loaded", USE_CODE)
PYTORCH = Recognised("a PyTorch model", "convert it to TensorFlow first (PyTorch to ONNX to a SavedModel)")
ONNX = Recognised("an ONNX model", "convert it to a SavedModel first, with onnx2tf or onnx-tf")
TFLITE = Recognised("a LiteRT (TensorFlow Lite) model", "give the model that it was converted from")
SAFETENSORS = Recognised("a file of weights (safetensors) without a model", USE_CODE)
HUGGING_FACE = Recognised(
    "a Hugging Face model directory",
    "export it with its library: model.save_pretrained(DIRECTORY, saved_model=True), and give DIRECTORY/saved_model/1",
)
KERAS_WEIGHTS = Recognised(
    "a file of Keras weights without a model", "give the code that builds the model: file.py:function --weights FILE"
)
KERAS_JSON = Recognised(
    "the configuration of a Keras model without its weights",
    "load it in a file of your own (keras.models.model_from_json): file.py:function --weights FILE",
)
TENSORFLOW_JS = Recognised("a TensorFlow.js model", "give the model that it was converted from")
CHECKPOINT = Recognised(
    "a TensorFlow checkpoint, which holds values and no model",
    "give its .meta file where it has one; else build the model in file.py:name, which restores the checkpoint",
)
SAVED_MODEL_PART = "a part of a SavedModel"
MEDIAPIPE = Recognised("a graph of MediaPipe, which TensorFlow cannot run", "give the model that the graph runs")
GRAPH_TEXT = Recognised(
    "a TensorFlow graph (GraphDef) as text",
    "write it in binary, frozen, and export that: frozen.pb --graph-input x=x:0 --graph-output y=y:0",
)
META_GRAPH_TEXT = Recognised(
    "a MetaGraphDef as text", "give the checkpoint's binary .meta file, or save the model as a SavedModel"
)
SOURCES = (".keras", ".h5", ".hdf5", ".pb", ".meta", ".tar.gz", ".tgz", ".tar", ".zip")
BY_SUFFIX = {
    ".pt": PYTORCH,
    ".pth": PYTORCH,
    ".pt2": PYTORCH,
    ".torchscript": PYTORCH,
    ".ckpt": Recognised("a checkpoint", "a checkpoint holds values and no model: " + USE_CODE),
    ".onnx": ONNX,
    ".tflite": TFLITE,
    ".lite": TFLITE,
    ".pkl": PICKLED,
    ".pickle": PICKLED,
    ".joblib": PICKLED,
    ".safetensors": SAFETENSORS,
    ".gguf": Recognised("a GGUF language model", "TensorFlow Serving cannot serve it"),
    ".mlmodel": Recognised("a Core ML model", TO_TENSORFLOW),
    ".mlpackage": Recognised("a Core ML model", TO_TENSORFLOW),
    ".npz": Recognised("a file of NumPy arrays", "as examples: --examples FILE; for a model, " + USE_CODE),
    ".npy": Recognised("a NumPy array", USE_CODE),
    ".index": CHECKPOINT,
    ".ipynb": Recognised("a notebook", "save the model in it (model.save('model.keras')), and give that file"),
}


def recognise(path: Path) -> Recognised | None:
    """Return the format at the path, or None if it is unknown or cannot be read. Loads nothing."""
    try:
        return _directory(path) if path.is_dir() else _file(path)
    except OSError:
        return None


def sniff_text(head: str) -> Recognised | None:
    """Return the format of a text proto that is not a SavedModel, by the names of its top-level fields."""
    names = set(re.findall(r"^(\w+)\s*[:{<]", head, re.MULTILINE))
    if re.search(r"^\s*calculator:", head, re.MULTILINE) or names & {"input_stream", "output_stream", "executor"}:
        return MEDIAPIPE
    if names & {"meta_info_def", "graph_def"}:
        return META_GRAPH_TEXT
    return GRAPH_TEXT if names & {"node", "library", "versions"} else None


# A file


def _file(path: Path) -> Recognised | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return _by_name(path) or _by_suffix(path, head) or _by_content(path, head)


def _by_name(path: Path) -> Recognised | None:
    name = path.name.lower()
    if name in ("saved_model.pb", "saved_model.pbtxt"):
        return Recognised(SAVED_MODEL_PART, f"give its directory: {shlex.quote(str(path.parent))}")
    if name.endswith(".weights.h5"):
        return KERAS_WEIGHTS
    if name.endswith(SOURCES):
        command = f"deployer export {shlex.quote(str(path))}"
        return Recognised("another kind of source", f"{command} makes a SavedModel of it")
    return CHECKPOINT if re.search(r"\.data-\d{5}-of-\d{5}$", name) else None


def _by_suffix(path: Path, head: bytes) -> Recognised | None:
    suffix = path.suffix.lower()
    if suffix in (".pbtxt", ".prototxt", ".textproto"):
        return sniff_text(head.decode("utf-8", "replace")) or Recognised("a text proto that is no model", USE_CODE)
    return _json(path) if suffix == ".json" else BY_SUFFIX.get(suffix)


def _by_content(path: Path, head: bytes) -> Recognised | None:
    """Recognise files without a telling name, such as `pytorch_model.bin`."""
    if head[4:8] == b"TFL3":
        return TFLITE
    if head.startswith(b"\x80") and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return PICKLED
    if head.startswith(b"\x89HDF"):
        return Recognised("an HDF5 file", f"a Keras model must be called .h5: mv {_renamed(path, '.h5')}")
    if head.startswith(b"PK"):
        return _zip(path)
    return None


def _zip(path: Path) -> Recognised | None:
    try:
        with zipfile.ZipFile(path) as packed:
            names = packed.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    if {"config.json", "model.weights.h5"} <= set(names):
        return Recognised("a Keras file", f"it must be called .keras: mv {_renamed(path, '.keras')}")
    return PYTORCH if any(name.endswith("/data.pkl") for name in names) else None


def _renamed(path: Path, suffix: str) -> str:
    return f"{shlex.quote(str(path))} {shlex.quote(str(path.with_suffix(suffix)))}"


def _json(path: Path) -> Recognised | None:
    if path.stat().st_size > MAX_JSON_BYTES:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    if "weightsManifest" in content or content.get("format") in ("graph-model", "layers-model"):
        return TENSORFLOW_JS
    return KERAS_JSON if "class_name" in content and "config" in content else None


# A directory


def _directory(path: Path) -> Recognised | None:
    found = sorted(islice(path.iterdir(), MAX_ENTRIES))
    return _unpacked_keras(path, found) or _contains_keras(found) or _hugging_face(found) or _contains_other(found)


def _unpacked_keras(path: Path, found: list[Path]) -> Recognised | None:
    """Recognise a `.keras` file, a zip archive, that the system unpacked on download."""
    if not {"config.json", "metadata.json", "model.weights.h5"} <= {child.name for child in found}:
        return None
    target = shlex.quote(str(path.resolve().with_suffix(".packed.keras")))
    return Recognised(
        "a Keras file that was unpacked", f"pack it again: (cd {shlex.quote(str(path))} && zip -r {target} .)"
    )


def _contains_keras(found: list[Path]) -> Recognised | None:
    """Recognise a directory around a model file, such as `model.save(directory / "model.keras")` creates."""
    models = [child for child in found if _is_model_file(child)]
    if not models:
        return None
    listed = ", ".join(child.name for child in models[:3])
    return Recognised(f"a directory that holds {listed}", f"give the file: {shlex.quote(str(models[0]))}")


def _is_model_file(child: Path) -> bool:
    is_weights = child.name.endswith(".weights.h5") or child.name == "tf_model.h5"
    return child.suffix.lower() in (".keras", ".h5", ".hdf5") and child.is_file() and not is_weights


def _hugging_face(found: list[Path]) -> Recognised | None:
    names = {child.name for child in found}
    weights = {"pytorch_model.bin", "model.safetensors", "tf_model.h5", "flax_model.msgpack"}
    sharded = any(re.fullmatch(r"(pytorch_model|model)-\d{5}-of-\d{5}\.(bin|safetensors)", name) for name in names)
    return HUGGING_FACE if "config.json" in names and (names & weights or sharded) else None


def _contains_other(found: list[Path]) -> Recognised | None:
    if any(child.name == "variables.index" for child in found):
        return Recognised("the variables directory of a SavedModel", "give the directory above it")
    for child in found:
        if child.suffix.lower() not in NEUTRAL_SUFFIXES and (recognised := _file(child)):
            return Recognised(f"a directory that holds {child.name}, {recognised.what}", recognised.hint)
    return None
