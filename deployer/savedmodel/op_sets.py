"""Check whether a server's TensorFlow can load a graph, from a table of the ops in each release; imports no TensorFlow.

The checks are those of TensorFlow's loader: the ops of the graph and of every reachable function (unreachable functions
may hold anything, unknown attributes are ignored), the versions that a graph requires of its consumer, and the version
of XlaCallModule, which jax2tf writes. `requirements/op_sets.py` generates `op_sets.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.savedmodel.graph_defs import reachable_nodes

if TYPE_CHECKING:
    from google.protobuf.message import Message

FILE = Path(__file__).with_name("op_sets.json")
STOCK = re.compile(r"(?:[\w.:-]+/)?tensorflow/serving(?::(?P<version>\d+\.\d+)?[\w.-]*)?(?:@.*)?")
"""TensorFlow Serving's images, also behind a registry mirror; the tag may contain the version."""
MINOR = re.compile(r"\d+\.\d+")
WHEELS = ("tensorflow", "tensorflow-cpu")
XLA_CALL_MODULE = "XlaCallModule"
MUST_COMPILE = "_XlaMustCompile"
SHOWN = 5


@dataclass(frozen=True)
class Target:
    """A server's TensorFlow: display name, minor version and how to change it.

    `stock` marks the published TensorFlow Serving, which has the ops of TensorFlow Text and Decision Forests built in.
    """

    name: str
    tensorflow: str
    remedy: str
    stock: bool = False


@dataclass(frozen=True)
class Release:
    """A minor version of TensorFlow: its ops, its graph version, its oldest producer, its newest XlaCallModule."""

    tensorflow: str
    graph: int
    min_producer: int
    xla_call_module: int
    ops: frozenset[str]


@dataclass(frozen=True)
class Incompatibility:
    """The reason why a server cannot load a model, and the remedy."""

    reason: str
    remedy: str


def target_of_image(image: str) -> Target | None:
    """Return the target of a TensorFlow Serving image whose tag names the version, else None."""
    match = STOCK.fullmatch(image)
    return image_target(image, match["version"]) if match and match["version"] else None


def image_target(image: str, tensorflow: str) -> Target:
    """Return the target of an image whose TensorFlow version is known."""
    return Target(image, tensorflow, "name another docker.image", stock=bool(STOCK.fullmatch(image)))


def installed_target() -> Target | None:
    """Return the TensorFlow of this Python, which the embedded server runs; None if it is not installed."""
    import importlib.metadata

    for wheel in WHEELS:
        try:
            version = importlib.metadata.version(wheel)
        except importlib.metadata.PackageNotFoundError:
            continue
        return Target(f"TensorFlow {version}", minor(version), "install another TensorFlow")
    return None


def minor(version: str) -> str:
    """Return `2.20` for `2.20.1`; empty for text that is not a version."""
    found = MINOR.match(version)
    return found[0] if found else ""


@lru_cache(maxsize=1)
def _document() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def releases() -> tuple[Release, ...]:
    """Return every known release, oldest first."""
    found: list[Release] = []
    for raw in _document()["releases"]:
        before = found[-1].ops if found else frozenset[str]()
        ops = (before | set(raw["added"].split())) - set(raw["removed"].split())
        found.append(
            Release(raw["tensorflow"], raw["graph"], raw["min_producer"], raw["xla_call_module"], frozenset(ops))
        )
    return tuple(found)


def serving_ops() -> frozenset[str]:
    """Return the ops of TensorFlow Text and Decision Forests, which TensorFlow Serving adds to TensorFlow's."""
    return frozenset(_document()["serving"].split())


def incompatibilities(meta_graph: Message, target: Target) -> tuple[Incompatibility, ...]:
    """Return why the target cannot load the graph; empty also for a TensorFlow that is not in the table."""
    release = next((known for known in releases() if known.tensorflow == target.tensorflow), None)
    if release is None:
        return ()
    graph = meta_graph.graph_def
    nodes = list(reachable_nodes(graph))
    return (
        *_by_ops({node.op for node in nodes}, graph, release, target),
        *_by_versions(graph.versions, release, target),
        *_by_xla_call_module(nodes, release, target),
    )


def compiled_by_xla(meta_graph: Message) -> str:
    """Return which part of the graph needs XLA compilation, which TensorFlow Serving disables by default."""
    for node in reachable_nodes(meta_graph.graph_def):
        if node.op == XLA_CALL_MODULE:
            return "functions of JAX (jax2tf)"
        if node.attr[MUST_COMPILE].b:
            return "a tf.function(jit_compile=True)"
    return ""


def _by_ops(ops: set[str], graph: Message, release: Release, target: Target) -> Iterator[Incompatibility]:
    serving = serving_ops()
    known = release.ops | {function.signature.name for function in graph.library.function}
    unknown = ops - known - (serving if target.stock else frozenset())
    if serving_ops_used := unknown & serving:
        yield Incompatibility(
            f"{_list_ops(serving_ops_used)} of TensorFlow Text or Decision Forests: {target.name} does not have it",
            "serve it with tensorflow/serving, which does: --engine docker",
        )
    if newer_ops := {op for op in unknown - serving if _releases_with(op)}:
        since = _releases_with(min(newer_ops))
        yield Incompatibility(
            f"{_list_ops(newer_ops)} not known to {_describe(target)}; TensorFlow {since} knows {min(newer_ops)}",
            f"{target.remedy}, or leave it out of the served graph",
        )
    if custom_ops := {op for op in unknown - serving if not _releases_with(op)}:
        yield Incompatibility(
            f"{_list_ops(custom_ops)} known to no TensorFlow from {releases()[0].tensorflow} to "
            f"{releases()[-1].tensorflow}, so not to {target.name} either: a custom op",
            "leave it out of the served graph, or name a server image that has it linked in as docker.image",
        )


def _list_ops(ops: Iterable[str]) -> str:
    names = sorted(ops)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"the op{'s' if len(names) > 1 else ''} {', '.join(names[:SHOWN])}{more}, {'are' if names[1:] else 'is'}"


def _releases_with(op: str) -> str:
    """Return the releases that know an op, as text; empty if none does."""
    found = [release.tensorflow for release in releases() if op in release.ops]
    return found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}" if found else ""


def _describe(target: Target) -> str:
    return f"{target.name}, which is TensorFlow {target.tensorflow}" if target.stock else target.name


def _by_versions(versions: Message, release: Release, target: Target) -> Iterator[Incompatibility]:
    if versions.min_consumer > release.graph or release.graph in versions.bad_consumers:
        yield Incompatibility(
            f"its graph is for readers of version {versions.min_consumer} or newer, and {_describe(target)} reads up "
            f"to version {release.graph}",
            target.remedy,
        )
    if versions.producer < release.min_producer:
        yield Incompatibility(
            f"its graph is of version {versions.producer}, too old for {_describe(target)}", "export it again"
        )


def _by_xla_call_module(nodes: Iterable[Message], release: Release, target: Target) -> Iterator[Incompatibility]:
    version = max((node.attr["version"].i for node in nodes if node.op == XLA_CALL_MODULE), default=0)
    if version > release.xla_call_module:
        yield Incompatibility(
            f"it was made by jax2tf with XlaCallModule of version {version}, and {_describe(target)} runs up to "
            f"version {release.xla_call_module}",
            f"{target.remedy}, or convert it with an older jax",
        )
