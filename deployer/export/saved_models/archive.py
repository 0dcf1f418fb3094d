"""A SavedModel in a `.tar.gz`, `.tgz`, `.tar` or `.zip`: unpacked with care, then taken as it is."""

from __future__ import annotations

from pathlib import Path

from deployer.errors import BrokenModel, SourceNotFound
from deployer.export.base import ExportRequest, Progress, Saved
from deployer.export.digest import file_digest
from deployer.export.saved_models import folder as saved_model_folder
from deployer.export.saved_models.unpacking import unpacked
from deployer.layout import PB_FILE

KIND = "saved_model_archive"
TAKES = frozenset({"tags"})
SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")


def matches(source: str) -> bool:
    """By its suffix."""
    return "\0" not in source and source.lower().endswith(SUFFIXES) and not Path(source).is_dir()


def location(source: str) -> str:
    """The absolute path."""
    if not Path(source).is_file():
        raise SourceNotFound(f"there is no file {source}", hint="check the path")
    return str(Path(source).resolve())


def digest(request: ExportRequest) -> str:
    """sha256 of the archive."""
    return file_digest(Path(location(request.source)))


def save(request: ExportRequest, target: Path, progress: Progress) -> Saved:
    """Unpack it beside, and take over the one SavedModel in it."""
    archive = Path(location(request.source))
    progress(f"unpacking {archive.name}")
    with unpacked(archive, target) as folder:
        return saved_model_folder.take_over(_only_model(archive, folder), request, target, progress)


def _only_model(archive: Path, folder: Path) -> Path:
    found = sorted(path.parent for path in folder.rglob(PB_FILE) if path.is_file())
    if len(found) == 1:
        return found[0]
    places = ", ".join(str(path.relative_to(folder)) for path in found[:5])
    raise BrokenModel(
        f"{archive} holds {len(found)} SavedModels: {places}" if found else f"{archive} holds no {PB_FILE}",
        hint="unpack it, and give the folder of one of them" if found else "is it an archive of a SavedModel?",
    )
