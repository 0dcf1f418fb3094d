"""A file or folder that has the name of a stored model, and is not what that model was exported from any more."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from deployer.errors import DeployerError, UsageError
from deployer.results.model import Model
from deployer.rollout.export_options import ExportOptions
from deployer.savedmodel.layout import MANIFEST_FILE
from deployer.store.manifest import FOREIGN, digest_of_files
from deployer.store.store import Store


def check_ambiguous(name: str, store: Store, options: ExportOptions) -> None:
    """Refuse a bare name that means a stored model and a source here, which differ. Raises UsageError."""
    if told := describe_change(name, store, options):
        newest = store.get(name)
        raise UsageError(
            f"{name!r} could mean two models: {told}",
            hint=f"{_way(f'./{name}', newest, options)} takes what is here; deployer up {name}:{newest.version} the "
            "stored version",
        )


def notices(names: Iterable[str], store: Store, options: ExportOptions) -> tuple[str, ...]:
    """What is said where a name can mean nothing but the stored model: a source that has changed is not looked at."""
    found = []
    for name in names:
        if said := describe_change(name, store, options):
            found.append(f"{said}: {_way(f'./{name}', store.get(name), options)} takes it")
        elif source := _changed_source(name, store, options):
            newest = store.get(name)
            taken = f"{_way(str(source), newest, options)} takes it"
            found.append(f"{source} has changed since {name}:{newest.version} was exported: {taken}")
    return tuple(found)


def _way(place: str, newest: Model, options: ExportOptions) -> str:
    """What exports a source to the model's name. The options of an earlier export are known by their digest alone: no
    command leaves them out.
    """
    from deployer import export as exporter

    if newest.source.options not in (None, exporter.identify(options.request(place)).options):
        return f"an export of {place} with the options that {newest.name}:{newest.version} was exported with"
    name = "" if place == f"./{newest.name}" else f" --name {newest.name}"
    return f"deployer up {shlex.quote(place)}{name}"


def _changed_source(name: str, store: Store, options: ExportOptions) -> Path | None:
    """The file or folder that the newest version was exported from, when it is another now. Nothing is read of one
    whose dates are older than the version.
    """
    newest = store.newest(name)
    if newest is None or newest.source.digest is None:
        return None
    place = Path(newest.source.location)
    if not place.exists() or _latest(place) <= (newest.path / MANIFEST_FILE).stat().st_mtime:
        return None
    return None if _same(place, newest, options) else place


def describe_change(name: str, store: Store, options: ExportOptions) -> str:
    """That the source of this name in the working directory is not what the newest stored version was made of, as a
    sentence; empty where there is none, or it is the same. `options` are those that an export here would have.
    """
    place = Path(name)
    if not place.exists() or place.resolve().is_relative_to(store.root.resolve()):
        return ""
    newest = store.newest(name)
    if newest is None or _same(place, newest, options):
        return ""
    what = "folder" if place.is_dir() else "file"
    if newest.source.kind == FOREIGN:
        return f"the {what} ./{name} is another than {name}:{newest.version}"
    return f"the {what} ./{name} has changed since {name}:{newest.version} was exported"


def _same(place: Path, newest: Model, options: ExportOptions) -> bool:
    """What is no source of a model cannot be meant: then the name is free of doubt."""
    from deployer import export as exporter

    try:
        origin = exporter.identify(options.request(str(place) if place.is_absolute() else f"./{place}"))
        if newest.source.kind == FOREIGN:
            return digest_of_files(place) == newest.digest
    except (DeployerError, OSError):
        return True
    if origin.digest in (None, newest.source.digest):
        return True
    if newest.source.content is not None:
        return origin.content == newest.source.content
    # Options that shaped the export are part of its digest. Where they were others and its bytes
    # have no digest of their own, only dates can be compared.
    return origin.options != newest.source.options and _latest(place) <= (newest.path / MANIFEST_FILE).stat().st_mtime


def _latest(place: Path) -> float:
    """When anything of it was changed, replaced or renamed last."""
    changes = [place.stat().st_ctime]
    for folder, folders, files in os.walk(place):
        changes += [os.lstat(Path(folder, name)).st_ctime for name in (*folders, *files)]
    return max(changes)
