"""Whether a server would load a version: what the version's graph needs against what the server's TensorFlow knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from deployer.errors import ConfigError, UnknownOp
from deployer.results.checks import Finding
from deployer.results.model import Model
from deployer.savedmodel import op_sets, pointers, reader
from deployer.savedmodel.layout import EXTRA
from deployer.savedmodel.op_sets import Target, Unfit

CHECK = "ops"
XLA_FLAGS = ("xla_cpu_compilation_enabled", "xla_gpu_compilation_enabled")
WITH_XLA = "xla_cpu_compilation_enabled = true under [server.flags] in deployer.toml"


def unfit(model: Model, target: Target | None) -> tuple[Unfit, ...]:
    """Why the target would not load it; nothing where nothing is known of the target. Raises BrokenModel."""
    if target is None:
        return ()
    return op_sets.unfit(_graph(model), target)


def _graph(model: Model) -> Any:
    return reader.meta_graph(reader.parse(model.path), reader.SERVE, model.path)


def check(models: Sequence[Model], target: Target | None, flags: Mapping[str, object]) -> None:
    """Raises UnknownOp for the first version that the target would not load, ConfigError for one that needs a flag,
    BrokenModel for one that lacks files."""
    for model in models:
        graph = _graph(model)
        reader.check_files(model.path, graph)
        pointers.check((model.path / EXTRA,))
        for found in op_sets.unfit(graph, target) if target else ():
            raise UnknownOp(f"{model.name}:{model.version} would not load: {found.reason}", hint=found.remedy)
        if fault := wants_xla(graph, flags):
            raise ConfigError(f"{model.name}:{model.version} would answer nothing: {fault.reason}", hint=fault.remedy)


def notes(model: Model, targets: Iterable[Target | None], flags: Mapping[str, object]) -> Iterator[str]:
    """The same as lines, for a version that nobody is about to serve."""
    graph = _graph(model)
    for target in targets:
        for found in op_sets.unfit(graph, target) if target else ():
            yield f"it would not load: {found.reason} ({found.remedy})"
    if fault := wants_xla(graph, flags):
        yield f"{fault.reason} ({fault.remedy})"


def wants_xla(graph: Any, flags: Mapping[str, object]) -> Unfit | None:
    """What of a graph XLA has to compile, where the server's flags leave that off."""
    allowed = any(str(flags.get(name, "false")).lower() in ("true", "1") for name in XLA_FLAGS)
    what = "" if allowed else op_sets.compiled_by_xla(graph)
    return Unfit(f"it has {what}, and servers do not compile with XLA unless told", WITH_XLA) if what else None


def findings(target: Target | None, models: Sequence[Model]) -> Iterator[Finding]:
    """What keeps these versions from being loaded, or that nothing does."""
    if target is None:
        return
    faults = [(model, found) for model in models for found in unfit(model, target)]
    for model, found in faults:
        yield Finding(CHECK, "error", f"{model.name}:{model.version} would not load: {found.reason}", found.remedy)
    if models and not faults:
        yield Finding(CHECK, "ok", f"{target.name} knows every op of {len(models)} model{'s' if models[1:] else ''}")
