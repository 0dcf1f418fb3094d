"""Run a SavedModel as TensorFlow Serving does: the version 1 loader and a classic Session.

`tf.saved_model.load` refuses some pretrained models that the server serves well, and runs others differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from google.protobuf.message import Message

from deployer.client import tf_examples
from deployer.errors import BrokenModel
from deployer.export import op_libraries
from deployer.export.golden.graph_walk import mutates_state
from deployer.export.golden.string_inputs import StringFormat, string_format
from deployer.export.runtime import disk_full, reason, tf_module
from deployer.results.model import Signature
from deployer.savedmodel import op_sets, reader

if TYPE_CHECKING:
    from deployer.savedmodel.tensors import Array

RUN_TIMEOUT_MS = 300_000
UNSTABLE_OPS = re.compile(
    r"Random|Normal|Multinomial|Stateful(?!PartitionedCall)|Shuffle|Poisson|Gamma|Timestamp|PyFunc|Candidate"
)
"""Ops whose results can differ from one load of a model to the next."""


class InputRefused(Exception):
    """TensorFlow refused to run the model on these inputs; the text is its reason."""


@dataclass(frozen=True)
class DeclaredModel:
    """The graph of a SavedModel that is not loaded."""

    meta_graph: Message
    _formats: dict[str, StringFormat] = field(default_factory=dict, kw_only=True)

    @property
    def signatures(self) -> Mapping[str, Message]:
        """SignatureDefs by name."""
        return cast("Mapping[str, Message]", self.meta_graph.signature_def)

    def string_format(self, signature: str) -> StringFormat:
        """Return the format that a signature expects of its strings."""
        if signature not in self._formats:
            self._formats[signature] = string_format(self.meta_graph, self.signatures[signature])
        return self._formats[signature]

    def method(self, signature: Signature) -> str:
        """Return the method to call a signature with.

        It is predict if the declared method passes tf.Example messages and the graph parses none, as with an Estimator
        whose serving_input_receiver_fn takes raw tensors.
        """
        own = tf_examples.method_of(signature.method)
        return own if self.string_format(signature.name).examples else tf_examples.PREDICT


@dataclass(frozen=True)
class LoadedModel(DeclaredModel):
    """A loaded model in its session."""

    session: Any

    def run(self, signature: Signature, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs as arrays by name. Raises InputRefused."""
        errors = tf_module("tensorflow.python.framework.errors")
        definition = self.signatures[signature.name]
        fetches = {name: info.name for name, info in definition.outputs.items()}
        feeds = {definition.inputs[name].name: value for name, value in feed.items()}
        options = tf_module("tensorflow.core.protobuf.config_pb2").RunOptions(timeout_in_ms=RUN_TIMEOUT_MS)
        try:
            outputs = self.session.run(fetches, feeds, options=options)
        except (errors.OpError, ValueError, TypeError) as error:
            if disk_full(error):
                raise
            raise InputRefused(reason(error)) from error
        return {name: as_array(value) for name, value in outputs.items()}

    def mutates_state(self, signature: str) -> bool:
        """Return whether running a signature changes the model's state."""
        return mutates_state(self.meta_graph, self.signatures[signature])

    def uses_half_precision(self) -> bool:
        """Return whether the graph contains values of half precision."""
        types = tf_module("tensorflow.core.framework.types_pb2")
        half_types = {types.DT_HALF, types.DT_BFLOAT16}
        return any(value.type in half_types for node in self._nodes() for value in node.attr.values())

    def may_differ_between_loads(self) -> bool:
        """Return whether an op of the graph may give other results after another load."""
        return any(UNSTABLE_OPS.search(node.op) for node in self._nodes())

    def _nodes(self) -> Iterator[Message]:
        graph = self.meta_graph.graph_def
        yield from graph.node
        for function in graph.library.function:
            yield from function.node_def


def as_array(value: object) -> Array:
    """Return a result of TensorFlow as an array.

    A session returns scalars as bare values; NumPy would strip the trailing zeros of bare `bytes`.
    """
    import numpy as np

    if not isinstance(value, bytes):
        return np.asarray(value)
    array = np.empty((), dtype=object)
    array[()] = value
    return array


def declared(directory: Path) -> DeclaredModel:
    """Return the graph of a SavedModel. Raises BrokenModel."""
    return DeclaredModel(reader.meta_graph(reader.parse(directory), reader.SERVE, directory))


@contextmanager
def loaded(directory: Path) -> Iterator[LoadedModel]:
    """Load a SavedModel into a fresh graph and session, which are discarded on exit."""
    graph = tf_module("tensorflow.python.framework.ops").Graph()
    with graph.as_default(), tf_module("tensorflow.python.client.session").Session(graph=graph) as session:
        meta_graph = _load(session, directory)
        yield LoadedModel(meta_graph, session)


def _load(session: Any, directory: Path) -> Message:
    try:
        return (
            tf_module("tensorflow.python.saved_model.loader_impl")
            .SavedModelLoader(str(directory))
            .load(session, ["serve"])
        )
    except Exception as error:
        if disk_full(error):
            raise
        if (op := op_libraries.unknown_op(error)) and op_libraries.import_op_library(op):
            return _load(session, directory)
        raise BrokenModel(
            f"TensorFlow cannot load the SavedModel: {_load_reason(error)}", hint=_load_hint(directory)
        ) from error


def _load_reason(error: BaseException) -> str:
    """Return the reason of a load error; for an unknown op only its name, without TensorFlow's advice to developers."""
    op = op_libraries.unknown_op(error)
    return f"it does not know the op {op}" if op else reason(error)


def _load_hint(directory: Path) -> str | None:
    """Return a hint if this TensorFlow does not support an op or the version of the graph."""
    target = op_sets.installed_target()
    graph = reader.meta_graph(reader.parse(directory), reader.SERVE, directory)
    faults = op_sets.incompatibilities(graph, target) if target else ()
    return f"{faults[0].reason}: {faults[0].remedy}" if faults else None
