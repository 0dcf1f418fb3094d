"""Save a TensorFlow 1 graph in its session as a SavedModel: variables, lookup tables, assets, initialisers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from deployer.errors import ExportFailed
from deployer.export.golden.session import as_array
from deployer.export.runtime import foreign_work, tensorflow
from deployer.export.signature_writer import DEFAULT_SIGNATURE
from deployer.export.tensor_names import usable_name

TABLE_INITIALISERS = frozenset(
    "InitializeTable InitializeTableV2 InitializeTableFromTextFile InitializeTableFromTextFileV2 "
    "LookupTableImport LookupTableImportV2".split()
)
INIT_OP = "deployer_init"
FILE_TABLE_INITIALISERS = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
_NOT_READY = (
    "run tf.compat.v1.global_variables_initializer() or restore a checkpoint in the session before it is returned, "
    "and do not finalize its graph"
)


def is_session_model(thing: object) -> bool:
    """Return whether the object is `(session, {name: tensor}, {name: tensor})`."""
    session = tensorflow().compat.v1.Session
    return (
        isinstance(thing, tuple)
        and len(thing) == 3
        and isinstance(thing[0], session)
        and all(isinstance(named, Mapping) for named in thing[1:])
    )


def write(session: Any, inputs: Mapping[str, Any], outputs: Mapping[str, Any], target: Path) -> None:
    """Save the session's graph with one signature, `serving_default`. Raises ExportFailed."""
    _check(session, {**inputs}, "input")
    _check(session, {**outputs}, "output")
    if not outputs:
        raise ExportFailed("the model has no output: no request would be answered", hint="name one or more")
    v1 = tensorflow().compat.v1
    with foreign_work("the session could not be saved", hint=_NOT_READY), session.graph.as_default():
        signature = v1.saved_model.predict_signature_def(dict(inputs), dict(outputs))
        builder = v1.saved_model.Builder(str(target))
        builder.add_meta_graph_and_variables(
            session,
            [v1.saved_model.tag_constants.SERVING],
            {DEFAULT_SIGNATURE: signature},
            assets_collection=_assets(session.graph),
            main_op=_initialisers(session.graph),
            clear_devices=True,
        )
        builder.save()


def initialise(session: Any) -> None:
    """Run what a server runs after restoring the variables; a failure shows when the signature is run."""
    with suppress(Exception):
        session.run(session.graph.get_operation_by_name(INIT_OP))


def calls(
    session: Any, inputs: Mapping[str, Any], outputs: Mapping[str, Any]
) -> dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]]:
    """Return the call of the session's one signature: arrays by name in, arrays by name out."""

    def run_signature(feed: Mapping[str, Any]) -> dict[str, Any]:
        found = session.run(dict(outputs), {inputs[name]: value for name, value in feed.items()})
        return {name: as_array(value) for name, value in found.items()}

    return {DEFAULT_SIGNATURE: run_signature}


def _check(session: Any, named: Mapping[Any, object], kind: str) -> None:
    tf = tensorflow()
    for name, tensor in named.items():
        if not isinstance(name, str) or usable_name(name) != name:
            raise ExportFailed(f"{name!r} is no name for an {kind}", hint="letters, digits and '_'")
        if not isinstance(tensor, tf.Tensor) or tensor.graph is not session.graph:
            raise ExportFailed(
                f"the {kind} {name!r} is {type(tensor).__name__}, and no tensor of the session's graph",
                hint="sparse and ragged tensors cannot be served: give their dense parts, each under a name",
            )


def _initialisers(graph: Any) -> Any:
    """Return the op that a server runs after restoring the variables: it initialises local variables and tables."""
    v1 = tensorflow().compat.v1
    collected = graph.get_collection(v1.GraphKeys.TABLE_INITIALIZERS)
    found = collected or [operation for operation in graph.get_operations() if operation.type in TABLE_INITIALISERS]
    return v1.group(v1.local_variables_initializer(), *found, name=INIT_OP)


def _assets(graph: Any) -> list[Any]:
    """Return the tensors with names of vocabulary files; in a frozen graph only the tables refer to them."""
    collected = graph.get_collection(tensorflow().compat.v1.GraphKeys.ASSET_FILEPATHS)
    return collected or list({tensor.name: tensor for tensor in _file_names(graph)}.values())


def _file_names(graph: Any) -> Iterator[Any]:
    for operation in graph.get_operations():
        if operation.type in FILE_TABLE_INITIALISERS and operation.inputs[1].op.type == "Const":
            yield operation.inputs[1]
