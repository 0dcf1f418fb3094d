"""Whether a server would load a version: what the version's graph needs against what the server's TensorFlow knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployer import op_sets, saved_model
from deployer.errors import UnknownOp
from deployer.model import Model
from deployer.op_sets import Target, Unfit
from deployer.report import Finding

CHECK = "ops"


def unfit(model: Model, target: Target | None) -> tuple[Unfit, ...]:
    """Why the target would not load it; nothing where nothing is known of the target. Raises BrokenModel."""
    if target is None:
        return ()
    graph = saved_model.meta_graph(saved_model.parse(model.path), saved_model.SERVE, model.path)
    return op_sets.unfit(graph, target)


def check(models: Sequence[Model], target: Target | None) -> None:
    """Raises UnknownOp for the first version that the target would not load."""
    for model in models:
        for found in unfit(model, target):
            raise UnknownOp(f"{model.name}:{model.version} would not load: {found.reason}", hint=found.remedy)


def findings(target: Target | None, models: Sequence[Model]) -> Iterator[Finding]:
    """What keeps these versions from being loaded, or that nothing does."""
    if target is None:
        return
    faults = [(model, found) for model in models for found in unfit(model, target)]
    for model, found in faults:
        yield Finding(CHECK, "error", f"{model.name}:{model.version} would not load: {found.reason}", found.remedy)
    if models and not faults:
        yield Finding(CHECK, "ok", f"{target.name} knows every op of {len(models)} model{'s' if models[1:] else ''}")
