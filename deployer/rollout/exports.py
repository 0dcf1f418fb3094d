"""From a source to a version in the store, with its golden answers; unless a version holds the same already."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.client.sample_request import DEFAULT
from deployer.results.model import Model, SavedModelInfo, Source, check_name, check_version
from deployer.results.versions import ExportResult
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.notices.collect import collect_notices
from deployer.rollout.targets import name_for, next_version, own_version
from deployer.rollout.workspace import Progress
from deployer.savedmodel import equality, reader
from deployer.savedmodel.layout import MANIFEST_FILE
from deployer.store.manifest import file_digests
from deployer.store.store import Stage, Store
from deployer.verification import batchable

if TYPE_CHECKING:
    from deployer.export import ExportRequest

ONLY_RUNNING_TELLS = "only running it tells whether it changed"


def export_into(
    store: Store, source: str, options: ExportOptions, progress: Progress, served: Callable[[str], int] = lambda _: 0
) -> ExportResult:
    """Export `source` into the store; `served` tells the highest version of a model that a server has.

    Raises ModelError, InvalidValue, ExtraMissing.
    """
    from deployer import export as exporter

    name = check_name(name_for(source) if options.name is None else options.name)
    if options.version is not None:
        store.check_free(name, check_version(options.version))
    request = options.request(source)
    origin = exporter.identify(request)
    known = _comparable(store, name, options)
    for version in known:
        if _unchanged(version, origin):
            return ExportResult(version, created=False)
    return _export(store, name, request, options, origin, known, progress, served)


def find_exported(store: Store, source: str, options: ExportOptions) -> Model | str:
    """The version that holds the source already; otherwise why an export would come first."""
    from deployer import export as exporter

    origin = exporter.identify(options.request(source))
    known = _comparable(store, name_for(source) if options.name is None else options.name, options)
    if known and origin.digest is None:
        return ONLY_RUNNING_TELLS
    return next((version for version in known if _unchanged(version, origin)), _why_missing(known, origin, options))


def _why_missing(known: tuple[Model, ...], origin: Source, options: ExportOptions) -> str:
    """Why no version will do: the store has nothing of the source, or it was exported in another way."""
    same = [version for version in known if origin.content is not None and version.source.content == origin.content]
    if not same:
        return "the store does not have it"
    differs = "other options"
    if options.warmup_sizes or same[0].golden.warmup > 1:
        differs = "other options, or its warm-up was made for other batch sizes"
    return f"the source is that of {same[0].name}:{same[0].version}, which was exported with {differs}"


def _comparable(store: Store, name: str, options: ExportOptions) -> tuple[Model, ...]:
    """The versions that may hold a source already, the newest first; none when one is to be made in any case."""
    return () if options.force or options.version is not None else tuple(store.newest_first(name))


def _unchanged(known: Model, origin: Source) -> bool:
    return origin.digest is not None and known.source.digest == origin.digest


def _made_the_same(known: Model, origin: Source, stage: Stage) -> bool:
    """Whether running the source made what the known version holds, asked for in the same way."""
    files = file_digests(known.path)
    if not files or known.source.options not in (None, origin.options):
        return False
    return equality.same(known.path, files, stage.folder, stage.hashes.all())


def _why_new(known: tuple[Model, ...], origin: Source, stage: Stage) -> Iterator[str]:
    """Why code that was exported before makes another version: nobody asked for one."""
    before = next((model for model in known if model.source.location == origin.location), None)
    if origin.digest is not None or before is None:
        return
    which = f"{before.name}:{before.version}"
    if before.source.options != origin.options:
        yield f"a new version: other options or examples were given than for {which}"
        return
    files = file_digests(before.path)
    if not files or not equality.differs_in_weights_alone(before.path, files, stage.folder, stage.hashes.all()):
        yield f"a new version: its content differs from {which}"
        return
    code = Path(origin.location.rpartition(":")[0])
    is_older = code.is_file() and code.stat().st_mtime <= (before.path / MANIFEST_FILE).stat().st_mtime
    unchanged = f", though {code.name} has not changed since" if is_older else ""
    yield (
        f"a new version: its weights differ from those of {which}{unchanged}. Where the source makes other weights "
        "each time it is loaded, --weights FILE or a model saved to a file keeps them"
    )


def _export(  # noqa: PLR0913, PLR0917 - one story, told once
    store: Store,
    name: str,
    request: ExportRequest,
    options: ExportOptions,
    origin: Source,
    known: tuple[Model, ...],
    progress: Progress,
    served: Callable[[str], int],
) -> ExportResult:
    from deployer.export import child

    with collect_notices() as notices, store.stage(name) as stage, child.exporting(request) as exporter:
        saved = exporter.save(request, stage.folder, progress)
        origin = dataclasses.replace(origin, keras=saved.keras)
        info = reader.read(stage.folder)
        notes = (*saved.notes, *_without_default(info))
        notices.extend((*notes, *batchable.fixed(info.signatures)))
        stage.hashes.begin()
        for version in known if origin.digest is None else ():
            if _made_the_same(version, origin, stage):
                return ExportResult(version, created=False, notices=tuple(notices))
        notices.extend(_why_new(known, origin, stage))
        golden = dataclasses.replace(exporter.prove(stage.folder, request, progress), rewritten=saved.rewritten)
        own = own_version(request.source) if saved.version is None else saved.version
        number = options.version or next_version(store, name, request.source, own, served(name))
        renumbered = _renumbered(own, number, options)
        notices.extend(renumbered)
        progress(f"storing {info.size_bytes / 1e6:,.1f} MB as {name}:{number}")
        model = store.publish(stage, origin, golden, number, (*notes, *renumbered))
        return ExportResult(model, created=True, notices=tuple(notices))


def _without_default(info: SavedModelInfo) -> tuple[str, ...]:
    """A note where a request that names no signature has no answer."""
    names = [signature.name for signature in info.signatures]
    if DEFAULT in names or not names:
        return ()
    return (
        f"there is no signature {DEFAULT}: every request has to name one of {', '.join(names)}; an export with "
        f"--default-signature {names[0]} serves that one to requests that name none",
    )


def _renumbered(own: int, number: int, options: ExportOptions) -> tuple[str, ...]:
    """A note where a version folder does not keep its number, and nothing was asked for."""
    if options.version is not None or own in (0, number):
        return ()
    return (f"version {own} of the source is version {number} here: a new version has the highest number",)
