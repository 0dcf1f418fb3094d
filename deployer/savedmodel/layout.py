"""File names inside a version, and SavedModels in directories where TensorFlow Serving does not look.

TensorFlow Serving loads `models/NAME/NUMBER/` and nothing else. The classic mistake is a SavedModel that was saved into
the model's directory, without a version number.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PB_FILE = "saved_model.pb"
PBTXT_FILE = "saved_model.pbtxt"
"""The text form. TensorFlow Serving reads it if there is no binary file."""
EXTRA = "assets.extra"
"""A directory for files of other tools. TensorFlow Serving reads only the warm-up file in it."""
MANIFEST_FILE = Path(EXTRA) / "manifest.json"
GOLDEN_FILE = Path(EXTRA) / "golden.tfrecord"
WARMUP_FILE = Path(EXTRA) / "tf_serving_warmup_requests"
VERSION = re.compile(r"[1-9][0-9]{0,18}")
"""A version directory in a store. TensorFlow Serving also accepts leading zeros: to it, `01` equals `1`."""


@dataclass(frozen=True)
class Misplaced:
    """A SavedModel in the wrong directory: the intended model name, the reason, and the command that fixes it."""

    name: str
    reason: str
    remedy: str


def is_saved_model(directory: Path) -> bool:
    """Return whether the directory itself is a SavedModel."""
    return any((directory / name).is_file() for name in (PB_FILE, PBTXT_FILE))


def served_files(directory: Path) -> Iterator[Path]:
    """Yield the files that a server loads into memory: graph, variables and assets."""
    yield directory / (PB_FILE if (directory / PB_FILE).is_file() else PBTXT_FILE)
    for name in ("variables", "assets"):
        yield from (path for path in sorted((directory / name).rglob("*")) if path.is_file())


def find_misplaced(root: Path) -> Iterator[Misplaced]:
    """Yield every SavedModel below a store's root that no server would find."""
    if not root.is_dir():
        return
    if problem := misplaced_root(root):
        yield problem
        return
    for child in sorted(path for path in root.iterdir() if path.is_dir()):
        yield from _misplaced_below(child)


def misplaced_root(root: Path) -> Misplaced | None:
    """Return the problem if a store's root is itself a SavedModel or the directory of one model, else None."""
    if is_saved_model(root):
        return Misplaced(
            root.name,
            f"{root} is a SavedModel, and no directory of models",
            f"deployer up {_quoted(root)} --models-dir models",
        )
    children = sorted(root.iterdir()) if root.is_dir() else []
    for child in (child for child in children if VERSION.fullmatch(child.name) and is_saved_model(child)):
        return Misplaced(
            root.name,
            f"{root} holds versions of one model ({child.name}, ...), and no models",
            f"--models-dir {_quoted(root.parent)}, or models_dir in deployer.toml: the directory above the models",
        )
    return None


def _misplaced_below(child: Path) -> Iterator[Misplaced]:
    if is_saved_model(child) and not any(VERSION.fullmatch(path.name) for path in child.iterdir()):
        yield Misplaced(
            child.name,
            f"{child} is a SavedModel without a version's directory: servers look for {child}/1",
            f"deployer up {_quoted(child)}, or deployer export {_quoted(child)}: it becomes version 1",
        )
    for version in sorted(path for path in child.iterdir() if is_saved_model(path)):
        if not VERSION.fullmatch(version.name) and not version.name.startswith("."):
            yield Misplaced(
                child.name,
                f"{version} is no version: its name is not a whole number from 1",
                f"mv {_quoted(version)} {_quoted(child / str(_next(child)))}",
            )


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _next(directory: Path) -> int:
    return max((int(path.name) for path in directory.iterdir() if VERSION.fullmatch(path.name)), default=0) + 1
