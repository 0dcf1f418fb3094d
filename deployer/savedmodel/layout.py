"""Where a version's files lie, and SavedModels that lie where TensorFlow Serving does not look.

It loads `models/NAME/NUMBER/`, and nothing else. The classic mistake is a SavedModel saved into the folder of its
model, without a number.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PB_FILE = "saved_model.pb"
PBTXT_FILE = "saved_model.pbtxt"
"""The same as text. TensorFlow Serving reads it where there is no binary file."""
EXTRA = "assets.extra"
"""Beside a SavedModel's own files. TensorFlow Serving reads nothing there but the warm-up file."""
MANIFEST_FILE = Path(EXTRA) / "manifest.json"
GOLDEN_FILE = Path(EXTRA) / "golden.tfrecord"
WARMUP_FILE = Path(EXTRA) / "tf_serving_warmup_requests"
VERSION = re.compile(r"[1-9][0-9]{0,18}")
"""A version's folder in a store. TensorFlow Serving takes leading zeros, too: there `01` and `1` are one version."""


@dataclass(frozen=True)
class Misplaced:
    """A SavedModel in the wrong place: the model that it is meant for, what is wrong, and what to type."""

    name: str
    reason: str
    remedy: str


def is_saved_model(folder: Path) -> bool:
    """Whether the folder itself is a SavedModel, as against a folder of versions or something else."""
    return any((folder / name).is_file() for name in (PB_FILE, PBTXT_FILE))


def served_files(folder: Path) -> Iterator[Path]:
    """What a server loads of a SavedModel into memory: its graph, its variables, its assets."""
    yield folder / (PB_FILE if (folder / PB_FILE).is_file() else PBTXT_FILE)
    for name in ("variables", "assets"):
        yield from (path for path in sorted((folder / name).rglob("*")) if path.is_file())


def find_misplaced(root: Path) -> Iterator[Misplaced]:
    """Every SavedModel below a store's folder that no server would find."""
    if not root.is_dir():
        return
    if problem := misplaced_root(root):
        yield problem
        return
    for child in sorted(path for path in root.iterdir() if path.is_dir()):
        yield from _misplaced_below(child)


def misplaced_root(root: Path) -> Misplaced | None:
    """What is wrong with a folder that was taken for a store's and is a SavedModel, or the folder of one model."""
    if is_saved_model(root):
        return Misplaced(
            root.name,
            f"{root} is a SavedModel, and no folder of models",
            f"deployer up {_quoted(root)} --models-dir models",
        )
    children = sorted(root.iterdir()) if root.is_dir() else []
    for child in (child for child in children if VERSION.fullmatch(child.name) and is_saved_model(child)):
        return Misplaced(
            root.name,
            f"{root} holds versions of one model ({child.name}, ...), and no models",
            f"--models-dir {_quoted(root.parent)}, or models_dir in deployer.toml: the folder above the models",
        )
    return None


def _misplaced_below(child: Path) -> Iterator[Misplaced]:
    if is_saved_model(child) and not any(VERSION.fullmatch(path.name) for path in child.iterdir()):
        yield Misplaced(
            child.name,
            f"{child} is a SavedModel without a version's folder: servers look for {child}/1",
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


def _next(folder: Path) -> int:
    return max((int(path.name) for path in folder.iterdir() if VERSION.fullmatch(path.name)), default=0) + 1
