"""Read the files of user examples into one of a few forms, before the signature is known."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from deployer.errors import GoldenError
from deployer.savedmodel import lfs_pointers
from deployer.verification import golden

MAX_EXAMPLES = 32
MAX_FILE_BYTES = 1 << 29
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Content:
    """The content of a file in one of five forms.

    `cells` are rows of text by column; `found` includes examples that were dropped.
    """

    signature: str | None = None
    rows: Sequence[Any] | None = None
    columns: Any = None
    features: Sequence[Any] | None = None
    cells: Sequence[Mapping[str, str]] | None = None
    serialized: Sequence[bytes] | None = None
    images: Sequence[Path] | None = None
    found: int = 0


def content(path: Path) -> Content:
    """Return the content of a file or a directory of images. Raises GoldenError, BrokenModel for a Git LFS pointer."""
    lfs_pointers.check(image_files(path)[:MAX_EXAMPLES] if path.is_dir() else (path,))
    try:
        return _directory(path) if path.is_dir() else _file(path)
    except (OSError, ValueError, RecursionError, csv.Error, zipfile.BadZipFile) as error:
        raise GoldenError(f"{path} cannot be read: {error or type(error).__name__}") from error


def _file(path: Path) -> Content:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise GoldenError(f"{path}: examples are read from {', '.join(READERS)}, and from directories of images")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise GoldenError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MB: {MAX_EXAMPLES} examples are enough")
    return reader(path)


def image_files(directory: Path) -> list[Path]:
    """Return the JPEG and PNG files in a directory tree, sorted."""
    return sorted(path for path in directory.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def _directory(directory: Path) -> Content:
    images = image_files(directory)
    if not images:
        raise GoldenError(f"{directory} holds no images ({', '.join(IMAGE_SUFFIXES)})")
    if sum(path.stat().st_size for path in images[:MAX_EXAMPLES]) > MAX_FILE_BYTES:
        raise GoldenError(f"the images of {directory} are larger than {MAX_FILE_BYTES >> 20} MB")
    return Content(images=images[:MAX_EXAMPLES], found=len(images))


def _json(path: Path) -> Content:
    value = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(value, list):
        return Content(rows=value, found=len(value))
    if not isinstance(value, dict):
        raise GoldenError(f'{path} holds {type(value).__name__}, not {{"instances": [...]}} or {{"inputs": {{...}}}}')
    name = value.pop("signature_name", None)
    for key in ("instances", "examples"):
        if set(value) == {key} and isinstance(value[key], list):
            form = "rows" if key == "instances" else "features"
            return Content(signature=name, found=len(value[key]), **{form: value[key]})
    return Content(signature=name, columns=value["inputs"] if set(value) == {"inputs"} else value)


def _json_lines(path: Path) -> Content:
    with path.open(encoding="utf-8") as file:
        rows = [_line(path, number, line) for number, line in enumerate(file, 1) if line.strip()]
    return Content(rows=rows, found=len(rows))


def _line(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise GoldenError(f"{path}, line {number} is no JSON: {error}") from error


def _csv(path: Path) -> Content:
    """Read a table; its header names the inputs, or the features of a tf.Example."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        names = list(reader.fieldnames or ())
        if len(set(names)) != len(names) or not all(names):
            raise GoldenError(f"{path}: the header must name every column, each once; it has {names}")
        kept, found = _counted(reader)
    for number, row in enumerate(kept, 1):
        if None in row or None in row.values():
            raise GoldenError(f"{path}, example {number} has not as many cells as the header has names")
    return Content(cells=kept, found=found)


def _counted(items: Iterable[Any]) -> tuple[list[Any], int]:
    """Return the first items and the number of all."""
    iterator = iter(items)
    kept = list(islice(iterator, MAX_EXAMPLES))
    return kept, len(kept) + sum(1 for _ in iterator)


def _tfrecord(path: Path) -> Content:
    kept, found = _counted(golden.records(path))
    return Content(serialized=kept, found=found)


def _npz(path: Path) -> Content:
    """Read arrays without pickle; their unpacked size is checked first."""
    import numpy as np

    with zipfile.ZipFile(path) as archive:
        if sum(item.file_size for item in archive.infolist()) > MAX_FILE_BYTES:
            raise GoldenError(f"{path} unpacks to more than {MAX_FILE_BYTES >> 20} MB")
    with np.load(path, allow_pickle=False) as arrays:
        return Content(columns={name: arrays[name] for name in arrays.files})


READERS: Mapping[str, Callable[[Path], Content]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".npz": _npz,
    ".csv": _csv,
    ".tfrecord": _tfrecord,
    ".tfrecords": _tfrecord,
}
