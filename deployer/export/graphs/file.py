"""A TensorFlow 1 graph: a frozen GraphDef (`.pb`), or a checkpoint with its graph (`.meta`)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deployer.errors import BrokenModel, ExportFailed, ModelError, SourceNotFound
from deployer.export import missing_files, op_libraries
from deployer.export.base import ExportRequest, Saved
from deployer.export.digest import file_digest, tree_digest
from deployer.export.golden import source_answers
from deployer.export.graphs import sessions
from deployer.export.runtime import disk_full, reason, tensorflow
from deployer.results.progress import Phase, Progress
from deployer.savedmodel import lfs_pointers
from deployer.savedmodel.layout import PB_FILE

KIND = "graph"
SUPPORTED_OPTIONS = frozenset({"graph_inputs", "graph_outputs"})
SUFFIXES = frozenset({".pb", ".meta"})
NAMED = re.compile(r"(?P<name>[A-Za-z0-9.][A-Za-z0-9_.-]*)=(?P<tensor>[A-Za-z0-9.][A-Za-z0-9_./>\\-]*(:[0-9]{1,4})?)")
MAX_SUGGESTIONS = 8


def matches(source: str) -> bool:
    """Return whether the suffix is that of a graph."""
    return "\0" not in source and Path(source).suffix.lower() in SUFFIXES and not Path(source).is_dir()


def location(source: str) -> str:
    """Return the absolute path. Raises SourceNotFound."""
    path = Path(source)
    if not path.is_file():
        raise missing_files.file_not_found(source, SUFFIXES)
    if path.name == PB_FILE:
        raise SourceNotFound(
            f"{source} is a part of a SavedModel", hint=f"give its directory: {shlex.quote(str(path.parent))}"
        )
    return str(path.resolve())


def digest(request: ExportRequest) -> str:
    """Return the sha256 of the graph, and of the checkpoint if it has one."""
    path = Path(location(request.source))
    return tree_digest(path.parent, _parts(path)) if path.suffix == ".meta" else file_digest(path)


def _parts(meta: Path) -> Iterator[Path]:
    """Yield the `.meta` file, its index and its shards. Raises BrokenModel."""
    shard = re.compile(rf"{re.escape(meta.stem)}\.data-\d{{5}}-of-\d{{5}}")
    parts = (meta, _index(meta), *(path for path in meta.parent.iterdir() if shard.fullmatch(path.name)))
    lfs_pointers.check(parts)
    yield from parts


def _index(meta: Path) -> Path:
    """Return the checkpoint's index. Raises BrokenModel if it is missing."""
    index = meta.with_suffix(".index")
    if not index.is_file():
        raise BrokenModel(
            f"{meta} has no {index.name} beside it", hint="copy the whole checkpoint: .meta, .index, .data-*"
        )
    return index


def save(request: ExportRequest, target: Path, progress: Progress) -> Saved:
    """Load the graph into a session, and write the signature that the options define."""
    path = Path(location(request.source))
    if path.suffix == ".meta":
        _index(path)
    v1 = tensorflow().compat.v1
    progress(Phase(f"loading the graph {path.name}"))
    with tensorflow().Graph().as_default() as graph, v1.Session(graph=graph) as session:
        _load(path, session)
        inputs = _tensors(graph, request.graph_inputs, "--graph-input")
        outputs = _tensors(graph, request.graph_outputs, "--graph-output")
        if not outputs:
            raise ExportFailed(f"{path.name} does not say which of its tensors are asked for", hint=_choice(graph))
        progress(Phase("saving it as a SavedModel"))
        sessions.write(session, inputs, outputs, target)
        sessions.initialise(session)
        source_answers.run_source(target, sessions.calls(session, inputs, outputs), request)
    return Saved()


def _load(path: Path, session: Any) -> None:
    try:
        _import(path, session)
    except ModelError:
        raise
    except Exception as error:
        if disk_full(error):
            raise
        op = op_libraries.unknown_op(error)
        if op is None or not op_libraries.import_op_library(op):
            raise _load_failure(path, error, op) from error
        _load(path, session)


def _import(path: Path, session: Any) -> None:
    tf = tensorflow()
    if path.suffix == ".meta":
        restored = tf.compat.v1.train.import_meta_graph(str(path), clear_devices=True)
        if restored is not None:
            restored.restore(session, str(path.with_suffix("")))
    else:
        tf.import_graph_def(_graph_def(path), name="")


def _graph_def(path: Path) -> Any:
    graph = tensorflow().compat.v1.GraphDef.FromString(path.read_bytes())
    if not graph.node:
        raise BrokenModel(f"{path} holds no graph", hint="a frozen GraphDef has at least one node")
    return graph


def _load_failure(path: Path, error: Exception, op: str | None) -> ModelError:
    if op:
        return ExportFailed(
            f"{path.name} uses the op {op!r}, which TensorFlow {tensorflow().__version__} does not know",
            hint="a custom op cannot be served by a stock server; tf.contrib ops need the graph to be built again",
        )
    return BrokenModel(f"{path} cannot be loaded: {reason(error)}", hint="it may be cut short: copy or save it again")


def _tensors(graph: Any, texts: tuple[str, ...], flag: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        match = NAMED.fullmatch(text)
        if match is None:
            raise ExportFailed(
                f"{flag} {text[:80]!r} is not of the form name=tensor", hint=f"for example: {flag} x=x:0"
            )
        if match["name"] in found:
            raise ExportFailed(f"{flag} names {match['name']!r} twice")
        found[match["name"]] = _tensor(graph, match["tensor"], flag)
    return found


def _tensor(graph: Any, name: str, flag: str) -> Any:
    try:
        return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
    except (KeyError, ValueError) as error:
        raise ExportFailed(f"{flag}: the graph has no tensor {name!r}", hint=_choice(graph)) from error


def _choice(graph: Any) -> str:
    """Suggest tensors to name: placeholders, and tensors that no other op consumes."""
    operations = graph.get_operations()
    placeholders = [f"{one.name}:0" for one in operations if one.type in ("Placeholder", "PlaceholderWithDefault")]
    unused_outputs = [
        f"{one.name}:0" for one in operations if one.outputs and not one.outputs[0].consumers() and one.inputs
    ]
    return (
        f"--graph-input NAME=TENSOR of {', '.join(placeholders[:MAX_SUGGESTIONS]) or 'nothing that can be fed'}; "
        f"--graph-output NAME=TENSOR such as {', '.join(unused_outputs[-MAX_SUGGESTIONS:]) or 'none'}"
    )
