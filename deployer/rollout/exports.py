"""Exports a source to a version in the store, with its golden answers, unless a version has the same content."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.client.sample_request import DEFAULT_SIGNATURE
from deployer.results.model import Model, SavedModelInfo, Source, check_name, check_version
from deployer.results.progress import Meter, Phase, Progress
from deployer.results.versions import ExportResult
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.notices.collect import collect_notices
from deployer.rollout.targets import name_for, next_version, own_version
from deployer.savedmodel import equality, reader
from deployer.savedmodel.layout import MANIFEST_FILE
from deployer.store.manifest import recorded_digests
from deployer.store.store import Stage, Store
from deployer.verification import batchable

if TYPE_CHECKING:
    from deployer.export import ExportRequest

ONLY_RUNNING_TELLS = "only running it tells whether it changed"


def export_into(
    store: Store,
    source: str,
    options: ExportOptions,
    progress: Progress,
    highest_served: Callable[[str], int] = lambda _: 0,
) -> ExportResult:
    """Export `source` into the store, unless a version has the same content.

    `highest_served` returns the highest version of a model that a server has; the new one is higher. Raises ModelError,
    InvalidValue, ExtraMissing.
    """
    from deployer import export as exporter

    name = check_name(name_for(source) if options.name is None else options.name)
    _check_version(store, name, options)
    request = options.request(source)
    origin = exporter.identify(request)
    candidates = _candidates(store, name, options)
    for version in candidates:
        if _has_source(version, origin):
            return ExportResult(version, created=False)
    return _Export(store, name, request, options, candidates, progress, highest_served).run(origin)


@dataclass(frozen=True)
class NeededExport:
    """An export that the store does not have: why it is needed, and the digest of the source with its options."""

    cause: str
    digest: str
    """Empty if only running the source tells what it produces."""


def find_exported(store: Store, source: str, options: ExportOptions) -> Model | NeededExport:
    """Return the version that was exported from the source as it is; otherwise the export that is needed.

    Raises VersionExists for a version that an export cannot make.
    """
    from deployer import export as exporter

    name = name_for(source) if options.name is None else options.name
    _check_version(store, name, options)
    origin = exporter.identify(options.request(source))
    stored = tuple(store.newest_first(name))
    same = next((version for version in stored if _has_source(version, origin)), None)
    may_be_same = bool(stored) and origin.digest is None
    if (same or may_be_same) and _is_forced(options):
        cause = f"asked for with {'--force' if options.force else '--version'}"
    elif may_be_same:
        cause = ONLY_RUNNING_TELLS
    elif same is not None:
        return same
    else:
        cause = _why_missing(stored, origin, options)
    return NeededExport(cause, origin.digest or "")


def _check_version(store: Store, name: str, options: ExportOptions) -> None:
    """Refuse a version to make that exists. Raises VersionExists."""
    if options.version is not None:
        store.check_free(name, check_version(options.version))


def _why_missing(candidates: tuple[Model, ...], origin: Source, options: ExportOptions) -> str:
    """Return why an export is needed: no version has the source, or only with other options."""
    same = [
        version for version in candidates if origin.content is not None and version.source.content == origin.content
    ]
    if not same:
        return "the store does not have it"
    differs = "other options"
    if options.warmup_sizes or same[0].golden.warmup > 1:
        differs = "other options, or its warm-up was made for other batch sizes"
    return f"the source is that of {same[0].name}:{same[0].version}, which was exported with {differs}"


def _candidates(store: Store, name: str, options: ExportOptions) -> tuple[Model, ...]:
    """Return the versions that may have the same content, the newest first; none for a forced export."""
    return () if _is_forced(options) else tuple(store.newest_first(name))


def _is_forced(options: ExportOptions) -> bool:
    return options.force or options.version is not None


def _has_source(version: Model, origin: Source) -> bool:
    return origin.digest is not None and version.source.digest == origin.digest


@dataclass(frozen=True)
class _Export:
    """One run of an export: save the model to a stage, compare it with the store, record golden answers, publish."""

    store: Store
    name: str
    request: ExportRequest
    options: ExportOptions
    candidates: tuple[Model, ...]
    progress: Progress
    highest_served: Callable[[str], int]

    def run(self, origin: Source) -> ExportResult:
        """Export the source, and return the new version, or one that turns out to have the same content."""
        from deployer.export import child

        with (
            collect_notices() as notices,
            self.store.stage(self.name) as stage,
            child.open_exporter(self.request) as exporter,
        ):
            saved = exporter.save(self.request, stage.directory, self.progress)
            origin = dataclasses.replace(origin, keras=saved.keras)
            info = reader.read(stage.directory)
            notes = (*saved.notes, *_no_default_signature(info))
            notices.extend((*notes, *batchable.fixed(info.signatures)))
            stage.hashes.begin()
            for version in self.candidates if origin.digest is None else ():
                if _has_content(version, origin, stage):
                    return ExportResult(version, created=False, notices=tuple(notices))
            notices.extend(_why_new(self.candidates, origin, stage))
            golden = exporter.record_golden(stage.directory, self.request, self.progress)
            golden = dataclasses.replace(golden, rewritten=saved.rewritten)
            own = own_version(self.request.source) if saved.version is None else saved.version
            number = self.options.version or self._next_version(own)
            renumbered = _renumbered(own, number, self.options)
            notices.extend(renumbered)
            action = f"storing {self.name}:{number}"
            self.progress(Phase(action, 0, info.size_bytes))
            stage.hashes.all(Meter(action, self.progress, info.size_bytes).reach_bytes)
            model = self.store.publish(stage, origin, golden, number, (*notes, *renumbered))
            return ExportResult(model, created=True, notices=tuple(notices))

    def _next_version(self, own: int) -> int:
        return next_version(self.store, self.name, self.request.source, own, self.highest_served(self.name))


def _has_content(version: Model, origin: Source, stage: Stage) -> bool:
    """Return whether a version has the content of the stage, and was exported with the same options."""
    files = recorded_digests(version.path)
    if not files or version.source.options not in (None, origin.options):
        return False
    return equality.are_equal(version.path, files, stage.directory, stage.hashes.all())


def _why_new(candidates: tuple[Model, ...], origin: Source, stage: Stage) -> Iterator[str]:
    """Yield a notice on why code that was exported before makes a new version."""
    before = next((model for model in candidates if model.source.location == origin.location), None)
    if origin.digest is not None or before is None:
        return
    which = f"{before.name}:{before.version}"
    if before.source.options != origin.options:
        yield f"a new version: other options or examples were given than for {which}"
        return
    files = recorded_digests(before.path)
    if not files or not equality.differ_only_in_weights(before.path, files, stage.directory, stage.hashes.all()):
        yield f"a new version: its content differs from {which}"
        return
    code = Path(origin.location.rpartition(":")[0])
    is_older = code.is_file() and code.stat().st_mtime <= (before.path / MANIFEST_FILE).stat().st_mtime
    unchanged = f", though {code.name} has not changed since" if is_older else ""
    yield (
        f"a new version: its weights differ from those of {which}{unchanged}. Where the source makes other weights "
        "each time it is loaded, --weights FILE or a model saved to a file keeps them"
    )


def _no_default_signature(info: SavedModelInfo) -> tuple[str, ...]:
    """Return a note for a model that does not answer requests without a signature name."""
    names = [signature.name for signature in info.signatures]
    if DEFAULT_SIGNATURE in names or not names:
        return ()
    return (
        f"there is no signature {DEFAULT_SIGNATURE}: every request has to name one of {', '.join(names)}; an export "
        f"with --default-signature {names[0]} serves that one to requests that name none",
    )


def _renumbered(own: int, number: int, options: ExportOptions) -> tuple[str, ...]:
    """Return a note for a version directory that gets another number by default."""
    if options.version is not None or own in (0, number):
        return ()
    return (f"version {own} of the source is version {number} here: a new version has the highest number",)
