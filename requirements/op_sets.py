"""Writes deployer/savedmodel/op_sets.json: the ops of each TensorFlow, and those that tensorflow/serving adds.

    .venv/bin/python requirements/op_sets.py [DIRECTORY]

The wheels are unpacked into DIRECTORY, or into a temporary one (two gigabytes). No TensorFlow is imported: its shared
libraries tell their ops over the C API, each in a process of its own, whatever Python the wheel is for.
Add a line to RELEASES when a TensorFlow comes out.
"""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from deployer.savedmodel.messages import message_class

RELEASES = ("2.15.1", "2.16.2", "2.17.1", "2.18.1", "2.19.1", "2.20.0", "2.21.0")
PYTHON = "3.11"
SERVING_ADDS = (
    ("2.20.0", "tensorflow-text==2.20.1", "tensorflow_text/python/*/_*.so"),
    ("2.19.1", "tensorflow-decision-forests==1.12.0", "tensorflow_decision_forests/**/inference.so"),
)
"""What `SUPPORTED_TENSORFLOW_OPS` in TensorFlow Serving's model_servers/BUILD links in, as wheels for a TensorFlow."""
FILE = Path(__file__).parents[1] / "deployer" / "savedmodel" / "op_sets.json"


class Buffer(ctypes.Structure):
    """TF_Buffer of TensorFlow's C API."""

    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("free", ctypes.c_void_p))


def tell(tensorflow: str, *libraries: str) -> None:
    """Write the OpList that this TensorFlow has with these libraries to stdout."""
    for name in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"):
        library = ctypes.CDLL(f"{tensorflow}/tensorflow/{name}", mode=ctypes.RTLD_GLOBAL)
    for path in libraries:
        ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    library.TF_GetAllOpList.restype = ctypes.POINTER(Buffer)
    listed = library.TF_GetAllOpList().contents
    sys.stdout.buffer.write(ctypes.string_at(listed.data, listed.length))


def unpacked(requirement: str, directory: Path) -> Path:
    """Unpack the wheel of `name==version` once and return its directory."""
    home = directory / requirement
    if not home.is_dir():
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps", "--python", PYTHON]
        subprocess.run([*uv, "--target", str(home), requirement], check=True, timeout=900)
    return home


def ops_of(tensorflow: Path, libraries: tuple[Path, ...] = ()) -> frozenset[str]:
    """Return the names of its ops."""
    told = subprocess.run(
        [sys.executable, __file__, "--tell", str(tensorflow), *map(str, libraries)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    listed = message_class("tensorflow.OpList").FromString(told.stdout)
    return frozenset(op.name for op in listed.op)


def numbers_of(tensorflow: Path) -> dict[str, int]:
    """Return the version of its graphs, and of the newest XlaCallModule that it runs (jax2tf)."""
    public = tensorflow / "tensorflow" / "include" / "tensorflow" / "core" / "public"
    defined = "".join(path.read_text() for path in sorted(public.glob("*version.h")))
    xla = (tensorflow / "tensorflow" / "compiler" / "tf2xla" / "python" / "xla.py").read_text()
    return {
        "graph": _number(r"define TF_GRAPH_DEF_VERSION (\d+)", defined),
        "min_producer": _number(r"define TF_GRAPH_DEF_VERSION_MIN_PRODUCER (\d+)", defined),
        "xla_call_module": _number(r"def call_module_maximum_supported_version.*?return (\d+)", xla),
    }


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.DOTALL)
    if found is None:
        sys.exit(f"nothing in the wheel matches {pattern}")
    return int(found[1])


def document(directory: Path) -> dict[str, Any]:
    """Return the first release whole, and of each later one what it added and removed."""
    before: frozenset[str] = frozenset()
    releases = []
    for version in RELEASES:
        home = unpacked(f"tensorflow-cpu=={version}", directory)
        after = ops_of(home)
        change = {"added": " ".join(sorted(after - before)), "removed": " ".join(sorted(before - after))}
        releases.append({"tensorflow": version.rpartition(".")[0], **numbers_of(home), **change})
        before = after
    return {"releases": releases, "serving": " ".join(sorted(_added(directory)))}


def _added(directory: Path) -> set[str]:
    found: set[str] = set()
    for version, requirement, pattern in SERVING_ADDS:
        home = unpacked(f"tensorflow-cpu=={version}", directory)
        libraries = tuple(sorted(unpacked(requirement, directory).glob(pattern)))
        found |= ops_of(home, libraries) - ops_of(home)
    return found


def main(arguments: list[str]) -> None:
    """Write the file."""
    if arguments[:1] == ["--tell"]:
        tell(*arguments[1:])
        return
    with tempfile.TemporaryDirectory() as temporary:
        made = document(Path(arguments[0] if arguments else temporary).absolute())
    FILE.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {FILE.name}: {FILE.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
