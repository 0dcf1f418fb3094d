"""A SavedModel directory, stored unchanged: its files are cloned or linked, its signatures are its own.

From a base path of TensorFlow Serving, a directory of versions, the newest version is used, as the server does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from deployer.errors import ExportFailed
from deployer.export.base import ExportRequest, Saved
from deployer.export.digest import tree_digest
from deployer.export.rewriting import serve_tagged, write_binary
from deployer.export.saved_models.junk_files import is_junk
from deployer.export.saved_models.tree_copy import clone_or_copy, files_below
from deployer.results.model import SavedModelInfo
from deployer.results.progress import Meter, Phase, Progress
from deployer.savedmodel import reader
from deployer.savedmodel.layout import GOLDEN_FILE, MANIFEST_FILE, PB_FILE, PBTXT_FILE, WARMUP_FILE, is_saved_model
from deployer.server.version_names import is_number

KIND = "saved_model"
SUPPORTED_OPTIONS = frozenset({"tags"})
STORE_FILES = frozenset({MANIFEST_FILE, GOLDEN_FILE})
"""Written for every version: not copied from a directory that came from a store."""
MAX_LISTED = 5


def matches(source: str) -> bool:
    """Return whether the source is a directory."""
    return bool(source) and "\0" not in source and Path(source).is_dir()


def location(source: str) -> str:
    """Return the absolute path of the SavedModel itself."""
    return str(_root(source).resolve())


def _root(source: str) -> Path:
    return reader.newest_version(Path(source)) or Path(source)


def check(request: ExportRequest) -> None:
    """Check the SavedModel's declarations. Raises BrokenModel if it is incomplete, ExportFailed without a signature."""
    read(request)


def read(request: ExportRequest) -> SavedModelInfo:
    """Return what the SavedModel declares. Raises what `check` raises."""
    return _checked(_root(request.source), request)


def digest(request: ExportRequest) -> str:
    """Return the sha256 over names and contents of its files. Raises BrokenModel if it is incomplete."""
    root = _root(request.source)
    check(request)
    return tree_digest(root, _own_files(root))


def save(request: ExportRequest, target: Path, progress: Progress) -> Saved:
    """Copy its files into `target`; converts nothing and does not touch the source."""
    saved = copy_saved_model(_root(request.source), request, target, progress)
    return dataclasses.replace(saved, notes=(*reader.version_notes(Path(request.source)), *saved.notes))


def copy_saved_model(root: Path, request: ExportRequest, target: Path, progress: Progress) -> Saved:
    """Copy any SavedModel directory, unchanged unless other tags than `serve` were requested or the graph is text."""
    info = _checked(root, request)
    action = f"copying the SavedModel {root.name}"
    progress(Phase(action, 0, info.size_bytes))
    meter = Meter(action, progress, info.size_bytes)
    notes = [*_omitted_notes(root)]
    for path in _own_files(root):
        if request.warmup is None or path.relative_to(root) != WARMUP_FILE:
            clone_or_copy(path, target / path.relative_to(root))
            meter.add(path.stat().st_size)
        else:
            notes.append(f"left out: the warm-up file of the source (--{'' if request.warmup else 'no-'}warmup)")
    is_text = not (root / PB_FILE).is_file()
    if is_text:
        write_binary(target)
        notes.append(f"{PBTXT_FILE} is text: stored as {PB_FILE}")
    retagged = info.tags != reader.SERVE
    if retagged:
        serve_tagged(target, info.tags)
        notes.append(f"the graph tagged {{{', '.join(info.tags)}}} is stored alone, tagged {{serve}}")
    return Saved(info.keras, tuple(notes), rewritten=is_text or retagged)


def _own_files(root: Path) -> Iterator[Path]:
    """Yield the files without those of a store, of versions inside the SavedModel, and of desktop systems."""
    excluded = {child.name for child in root.iterdir() if child.name.startswith(".") or _is_version(child)}
    found = ((path, path.relative_to(root)) for path in files_below(root))
    return (
        path
        for path, relative in found
        if relative not in STORE_FILES and relative.parts[0] not in excluded and not is_junk(relative)
    )


def _omitted_notes(root: Path) -> Iterator[str]:
    """Yield notes on files that are not a part of the model."""
    places = [path.relative_to(root) for path in files_below(root)]
    junk = sorted(relative.as_posix() for relative in places if is_junk(relative))
    if junk:
        more = f" and {len(junk) - MAX_LISTED} more" if len(junk) > MAX_LISTED else ""
        yield f"left out, because no part of the model: {', '.join(junk[:MAX_LISTED])}{more}"
    if versions := sorted(child.name for child in root.iterdir() if child.is_dir() and _is_version(child)):
        yield f"left out: the versions inside the SavedModel ({', '.join(versions[:MAX_LISTED])})"


def _is_version(directory: Path) -> bool:
    return is_number(directory.name) and is_saved_model(directory)


def _checked(root: Path, request: ExportRequest) -> SavedModelInfo:
    info = reader.read(root, reader.SERVE if request.tags is None else request.tags)
    if not info.signatures:
        raise ExportFailed(
            f"{root} has no signature, so no request can reach it",
            hint="save it with signatures=..., or export it from its code: file.py:name",
        )
    return info
