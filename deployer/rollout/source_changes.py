"""Finds sources that have changed since their model was exported, and names that are ambiguous for it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from deployer.errors import DeployerError, UsageError
from deployer.results.model import Model
from deployer.rollout.export_options import ExportOptions
from deployer.savedmodel.layout import MANIFEST_FILE
from deployer.store.manifest import FOREIGN, compute_digest
from deployer.store.store import Store


def check_ambiguous(name: str, store: Store, options: ExportOptions, location: str = "") -> None:
    """Refuse a name that is a stored model and a source which differs from it. Raises UsageError.

    `location` are options for the commands in the hint.
    """
    if change := describe_change(name, store, options):
        newest = store.get(name)
        export = _export_command(f"./{name}", newest, options, location)
        raise UsageError(
            f"{name!r} could mean two models: {change}",
            hint=f"{export} takes what is here; deployer up {name}:{newest.version}{location} the stored version",
        )


def notices(names: Iterable[str], store: Store, options: ExportOptions, location: str = "") -> tuple[str, ...]:
    """Return a notice for each stored model whose source has changed, where the stored one is used.

    `location` are options for the commands in the notices.
    """
    texts = []
    for name in names:
        if change := describe_change(name, store, options):
            texts.append(f"{change}: {_export_command(f'./{name}', store.get(name), options, location)} takes it")
        elif source := _changed_source(name, store, options):
            newest = store.get(name)
            taken = f"{_export_command(str(source), newest, options, location)} takes it"
            texts.append(f"{source} has changed since {name}:{newest.version} was exported: {taken}")
    return tuple(texts)


def _export_command(source: str, newest: Model, options: ExportOptions, location: str) -> str:
    """Return the command that exports a source to its model."""
    from deployer import export as exporter

    # Of the options of an earlier export only the digest is known.
    if newest.source.options not in (None, exporter.identify(options.request(source)).options):
        return f"an export of {source} with the options that {newest.name}:{newest.version} was exported with"
    name = "" if source == f"./{newest.name}" else f" --name {newest.name}"
    return f"deployer up {shlex.quote(source)}{name}{location}"


def _changed_source(name: str, store: Store, options: ExportOptions) -> Path | None:
    """Return the source of the newest version if it has changed; one with older dates is not read."""
    newest = store.newest(name)
    if newest is None or newest.source.digest is None:
        return None
    path = Path(newest.source.location)
    if not path.exists() or _latest(path) <= (newest.path / MANIFEST_FILE).stat().st_mtime:
        return None
    return None if _is_same(path, newest, options) else path


def describe_change(name: str, store: Store, options: ExportOptions) -> str:
    """Return that the source `./name` differs from the newest version; empty without a source or a difference.

    `options` are those that an export of it would have.
    """
    path = Path(name)
    if not path.exists() or path.resolve().is_relative_to(store.root.resolve()):
        return ""
    newest = store.newest(name)
    if newest is None or _is_same(path, newest, options):
        return ""
    kind = "directory" if path.is_dir() else "file"
    if newest.source.kind == FOREIGN:
        return f"the {kind} ./{name} differs from {name}:{newest.version}"
    return f"the {kind} ./{name} has changed since {name}:{newest.version} was exported"


def _is_same(path: Path, newest: Model, options: ExportOptions) -> bool:
    """Return whether a path has the content of a version, or is no source of a model."""
    from deployer import export as exporter

    try:
        origin = exporter.identify(options.request(str(path) if path.is_absolute() else f"./{path}"))
        if newest.source.kind == FOREIGN:
            return compute_digest(path) == newest.digest
    except (DeployerError, OSError):
        return True
    if origin.digest in (None, newest.source.digest):
        return True
    if newest.source.content is not None:
        return origin.content == newest.source.content
    # The digest covers the options of the export. If they differ and the content has no digest of its own, only the
    # dates can be compared.
    return origin.options != newest.source.options and _latest(path) <= (newest.path / MANIFEST_FILE).stat().st_mtime


def _latest(path: Path) -> float:
    """Return the time of the last change, replacement or renaming in a path."""
    changes = [path.stat().st_ctime]
    for directory, directories, files in os.walk(path):
        changes += [os.lstat(Path(directory, name)).st_ctime for name in (*directories, *files)]
    return max(changes)
