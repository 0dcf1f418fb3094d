"""A SavedModel in a `.tar.gz`, `.tgz`, `.tar` or `.zip`: unpacked within limits, then stored unchanged."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path, PurePosixPath

from deployer.errors import BrokenModel
from deployer.export import missing_files
from deployer.export.base import ExportRequest, Saved
from deployer.export.digest import file_digest
from deployer.export.saved_models import directory as saved_model_directory
from deployer.export.saved_models.junk_files import is_junk
from deployer.export.saved_models.unpacking import names, unpacked
from deployer.results.model import MAX_VERSION, SavedModelInfo
from deployer.results.progress import Phase, Progress
from deployer.savedmodel import reader
from deployer.savedmodel.layout import PB_FILE, PBTXT_FILE, VERSION
from deployer.savedmodel.recognise import recognise

KIND = "saved_model_archive"
SUPPORTED_OPTIONS = frozenset({"tags"})
SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
IN_ARCHIVE = "only SavedModels are taken from archives: unpack it, and give what lies in it"


def matches(source: str) -> bool:
    """Return whether the suffix is that of an archive."""
    return "\0" not in source and source.lower().endswith(SUFFIXES) and not Path(source).is_dir()


def location(source: str) -> str:
    """Return the absolute path. Raises SourceNotFound."""
    if not Path(source).is_file():
        raise missing_files.file_not_found(source, SUFFIXES)
    return str(Path(source).resolve())


def digest(request: ExportRequest) -> str:
    """Return the sha256 of the archive."""
    return file_digest(Path(location(request.source)))


def save(request: ExportRequest, target: Path, progress: Progress) -> Saved:
    """Unpack the archive and store the one SavedModel in it."""
    archive = Path(location(request.source))
    progress(Phase(f"unpacking {archive.name}"))
    with unpacked(archive, target) as directory:
        root, notes = _only_model(archive, directory)
        saved = saved_model_directory.copy_saved_model(root, request, target, progress)
        return dataclasses.replace(saved, notes=(*notes, *saved.notes), version=_version(root.name))


def read(request: ExportRequest) -> SavedModelInfo:
    """Return what the SavedModel declares, whose graph alone is unpacked. Raises BrokenModel."""
    archive = Path(location(request.source))
    with (
        tempfile.TemporaryDirectory(prefix="deployer-") as parent,
        unpacked(archive, Path(parent), lambda name: name in (PB_FILE, PBTXT_FILE)) as directory,
    ):
        root, _ = _only_model(archive, directory)
        info, _ = reader.read_incomplete(root, reader.SERVE if request.tags is None else request.tags)
        return info


def _only_model(archive: Path, directory: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the one SavedModel, or the newest version of one model, as a server would. Raises BrokenModel."""
    parents = {path.parent for name in (PB_FILE, PBTXT_FILE) for path in directory.rglob(name) if path.is_file()}
    found = sorted(path for path in parents if not is_junk(path.relative_to(directory)))
    if len(found) == 1:
        return found[0], ()
    if len({path.parent for path in found}) == 1 and all(_version(path.name) for path in found):
        newest = max(found, key=lambda path: _version(path.name))
        others = ", ".join(sorted(path.name for path in found if path != newest))
        return newest, (f"{archive.name} holds several versions: {newest.name} was taken, not {others}",)
    paths = ", ".join(str(path.relative_to(directory)) for path in found[:5])
    if found:
        raise BrokenModel(
            f"{archive} holds {len(found)} SavedModels: {paths}",
            hint="unpack it, and give the directory of one of them",
        )
    raise _no_model(archive, directory)


def _no_model(archive: Path, directory: Path) -> BrokenModel:
    """Return the error, with what the archive contains instead if that is recognised."""
    outermost = directory
    while len(children := [child for child in outermost.iterdir() if not is_junk(Path(child.name))]) == 1:
        if not children[0].is_dir():
            break
        outermost = children[0]
    recognised = recognise(outermost)
    what = f"holds no SavedModel: it is {recognised.what}" if recognised else f"holds no {PB_FILE}"
    return BrokenModel(f"{archive} {what}", hint=IN_ARCHIVE if recognised else "is it an archive of a SavedModel?")


def version_in(archive: Path) -> int:
    """Return the version number that the model would keep, from the names alone; 0 for none or a damaged archive."""
    paths = {PurePosixPath(name) for name in names(archive)}
    roots = [path.parent for path in paths if path.name in (PB_FILE, PBTXT_FILE) and not is_junk(path)]
    return max((_version(root.name) for root in roots), default=0)


def _version(name: str) -> int:
    return int(name) if VERSION.fullmatch(name) and int(name) <= MAX_VERSION else 0
