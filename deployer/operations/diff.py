"""`diff`: compare the signatures and the answers of two versions."""

from __future__ import annotations

from pathlib import Path

from deployer.config.options import Settings
from deployer.errors import UsageError
from deployer.results.differences import DiffResult, Numbers, VersionFigures
from deployer.results.model import Model, check_name, check_version
from deployer.results.progress import Phase, Progress, no_progress
from deployer.rollout.lost_versions import suggest_recovery
from deployer.rollout.targets import name_for
from deployer.rollout.workspace import open_workspace
from deployer.savedmodel import compatibility
from deployer.store.store import Store
from deployer.system.packages import require_tensorflow


def diff(
    name: str,
    before: int,
    after: int,
    *,
    numbers: bool = True,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> DiffResult:
    """Compare two versions of a model; with `numbers`, both answer the golden questions of the first.

    Raises UsageError for a path, ModelNotFound, GoldenError, BrokenModel, ExtraMissing.
    """
    workspace = open_workspace(settings or Settings())
    store = workspace.store
    _refuse_path(name, store, before, after)
    with suggest_recovery(workspace, command=f"deployer diff {{}} {before} {after}{workspace.store_options}"):
        old, new = (store.get(check_name(name), check_version(version)) for version in (before, after))
    changes = compatibility.compare(old.info.signatures, new.info.signatures)
    measured = _numbers(old, new, progress) if numbers else Numbers()
    return DiffResult(
        name,
        _figures(old, measured.before_milliseconds),
        _figures(new, measured.after_milliseconds),
        compatibility.breaks(changes),
        changes,
        measured.distances,
        measured.refused,
    )


def _refuse_path(name: str, store: Store, before: int, after: int) -> None:
    if name in store.names() or not Path(name).exists():
        return
    model = name_for(name)
    known = model if model in store.names() else "NAME"
    versions = f"deployer versions{store.options} lists the models"
    raise UsageError(
        f"{name} is a path, and diff takes the NAME of a model in the store",
        hint=f"deployer diff {known} {before} {after}{store.options}; {versions}",
    )


def _numbers(old: Model, new: Model, progress: Progress) -> Numbers:
    from deployer.export import child

    require_tensorflow("a comparison of answers", "; --signatures compares signatures alone")
    progress(Phase(f"asking version {new.version} the golden questions of version {old.version}"))
    return child.measure(old, new)


def _figures(model: Model, milliseconds: float | None) -> VersionFigures:
    return VersionFigures(model.version, model.info.size_bytes, model.info.tensorflow, milliseconds)
