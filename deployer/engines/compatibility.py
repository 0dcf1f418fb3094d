"""Whether a server can load a version: the ops of the version's graph against those of the server's TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from deployer.errors import ConfigError, UnknownOp
from deployer.results.checks import Finding
from deployer.results.model import Model
from deployer.savedmodel import lfs_pointers, op_sets, reader
from deployer.savedmodel.layout import EXTRA
from deployer.savedmodel.op_sets import Incompatibility, Target

CHECK = "ops"
XLA_FLAGS = ("xla_cpu_compilation_enabled", "xla_gpu_compilation_enabled")
XLA_REMEDY = "xla_cpu_compilation_enabled = true under [server.flags] in deployer.toml"


def unfit(model: Model, target: Target | None) -> tuple[Incompatibility, ...]:
    """Return why the target would not load the version; empty if nothing is known of the target. Raise BrokenModel."""
    if target is None:
        return ()
    return op_sets.incompatibilities(_meta_graph(model), target)


def _meta_graph(model: Model) -> Any:
    return reader.meta_graph(reader.parse(model.path), reader.SERVE, model.path)


def check(models: Sequence[Model], target: Target | None, flags: Mapping[str, object]) -> None:
    """Raise UnknownOp for the first version that the target would not load.

    Raises ConfigError for a version that needs a flag, BrokenModel for one with missing files.
    """
    for model in models:
        graph = _meta_graph(model)
        reader.check_files(model.path, graph)
        lfs_pointers.check((model.path / EXTRA,))
        for problem in op_sets.incompatibilities(graph, target) if target else ():
            raise UnknownOp(f"{model.name}:{model.version} would not load: {problem.reason}", hint=problem.remedy)
        if xla := xla_problem(graph, flags):
            raise ConfigError(f"{model.name}:{model.version} would answer nothing: {xla.reason}", hint=xla.remedy)


def notes(model: Model, targets: Iterable[Target | None], flags: Mapping[str, object]) -> Iterator[str]:
    """Yield the reasons why targets would not load or answer with the version, as lines of text."""
    graph = _meta_graph(model)
    for target in targets:
        for problem in op_sets.incompatibilities(graph, target) if target else ():
            yield f"it would not load: {problem.reason} ({problem.remedy})"
    if xla := xla_problem(graph, flags):
        yield f"{xla.reason} ({xla.remedy})"


def xla_problem(graph: Any, flags: Mapping[str, object]) -> Incompatibility | None:
    """Return the part of a graph that needs XLA compilation, if the server's flags do not enable it."""
    allowed = any(str(flags.get(name, "false")).lower() in ("true", "1") for name in XLA_FLAGS)
    compiled_part = "" if allowed else op_sets.compiled_by_xla(graph)
    if not compiled_part:
        return None
    reason = f"it has {compiled_part}, and servers compile with XLA only where a flag enables it"
    return Incompatibility(reason, XLA_REMEDY)


def findings(target: Target | None, models: Sequence[Model]) -> Iterator[Finding]:
    """Yield a finding for each reason why the target would not load these versions, or one that it loads them all."""
    if target is None:
        return
    problems = [(model, problem) for model in models for problem in unfit(model, target)]
    for model, problem in problems:
        yield Finding(CHECK, "error", f"{model.name}:{model.version} would not load: {problem.reason}", problem.remedy)
    if models and not problems:
        yield Finding(CHECK, "ok", f"{target.name} knows every op of {len(models)} model{'s' if models[1:] else ''}")
