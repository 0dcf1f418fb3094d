"""Runs a SavedModel as TensorFlow Serving does: the version 1 loader and a classic Session, no eager restore.

`tf.saved_model.load` refuses some pretrained models that the server serves well, and runs others by another path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from deployer.client import tf_examples
from deployer.errors import BrokenModel
from deployer.export import op_libraries
from deployer.export.golden.graph_walk import mutates_state
from deployer.export.golden.string_inputs import StringFormat, string_format
from deployer.export.runtime import disk_full, reason, tf_module
from deployer.results.model import Signature
from deployer.savedmodel import op_sets, reader

RUN_TIMEOUT_MS = 300_000
UNSTABLE_OPS = re.compile(
    r"Random|Normal|Multinomial|Stateful(?!PartitionedCall)|Shuffle|Poisson|Gamma|Timestamp|PyFunc|Candidate"
)
"""Ops whose results can differ from one load of a model to the next."""


class InputRefused(Exception):
    """TensorFlow would not run the model on these inputs; the text is its reason."""


@dataclass(frozen=True)
class DeclaredModel:
    """A SavedModel's graph, as it is written: what its signatures want, without loading it."""

    meta_graph: Any
    _formats: dict[str, StringFormat] = field(default_factory=dict, kw_only=True)

    @property
    def signatures(self) -> Mapping[str, Any]:
        """SignatureDefs by name."""
        return cast("Mapping[str, Any]", self.meta_graph.signature_def)

    def string_format(self, signature: str) -> StringFormat:
        """What the strings that a signature takes must be."""
        if signature not in self._formats:
            self._formats[signature] = string_format(self.meta_graph, self.signatures[signature])
        return self._formats[signature]

    def method(self, signature: Signature) -> str:
        """What it is asked by: its own method; predict where that hands over tf.Example messages and the graph reads
        none, as with an Estimator whose serving_input_receiver_fn takes raw tensors."""
        own = tf_examples.method_of(signature.method)
        return own if self.string_format(signature.name).examples else tf_examples.PREDICT


@dataclass(frozen=True)
class LoadedModel(DeclaredModel):
    """A loaded model in its session."""

    session: Any

    def run(self, signature: Signature, feed: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs, arrays by name. Raises Refused."""
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
        """Whether asking a signature changes what the model remembers."""
        return mutates_state(self.meta_graph, self.signatures[signature])

    def uses_half_precision(self) -> bool:
        """Whether values of half precision take part."""
        types = tf_module("tensorflow.core.framework.types_pb2")
        half_types = {types.DT_HALF, types.DT_BFLOAT16}
        return any(value.type in half_types for node in self._nodes() for value in node.attr.values())

    def may_differ_between_loads(self) -> bool:
        """Whether the graph holds an op that could answer otherwise after another load."""
        return any(UNSTABLE_OPS.search(node.op) for node in self._nodes())

    def _nodes(self) -> Iterator[Any]:
        graph = self.meta_graph.graph_def
        yield from graph.node
        for function in graph.library.function:
            yield from function.node_def


def as_array(value: Any) -> Any:
    """What TensorFlow answered, as an array. A scalar comes out of a session as a bare value; a bare `bytes` must not
    lose its trailing zeros in numpy."""
    import numpy as np

    if not isinstance(value, bytes):
        return np.asarray(value)
    array = np.empty((), dtype=object)
    array[()] = value
    return array


def declared(folder: Path) -> DeclaredModel:
    """The SavedModel's graph. Raises BrokenModel."""
    return DeclaredModel(reader.meta_graph(reader.parse(folder), reader.SERVE, folder))


@contextmanager
def loaded(folder: Path) -> Iterator[LoadedModel]:
    """The SavedModel in a fresh graph and session; what running it changes is gone with the session."""
    graph = tf_module("tensorflow.python.framework.ops").Graph()
    with graph.as_default(), tf_module("tensorflow.python.client.session").Session(graph=graph) as session:
        meta_graph = _load(session, folder)
        yield LoadedModel(meta_graph, session)


def _load(session: Any, folder: Path) -> Any:
    try:
        return (
            tf_module("tensorflow.python.saved_model.loader_impl")
            .SavedModelLoader(str(folder))
            .load(session, ["serve"])
        )
    except Exception as error:
        if disk_full(error):
            raise
        if (op := op_libraries.unknown_op(error)) and op_libraries.import_op_library(op):
            return _load(session, folder)
        raise BrokenModel(
            f"TensorFlow cannot load the SavedModel: {_load_reason(error)}", hint=_load_hint(folder)
        ) from error


def _load_reason(error: BaseException) -> str:
    """Of an unknown op only its name: what TensorFlow advises is for those who build TensorFlow."""
    op = op_libraries.unknown_op(error)
    return f"it does not know the op {op}" if op else reason(error)


def _load_hint(folder: Path) -> str | None:
    """For an op that this TensorFlow does not know, or a graph that it does not read."""
    target = op_sets.installed_target()
    graph = reader.meta_graph(reader.parse(folder), reader.SERVE, folder)
    faults = op_sets.incompatibilities(graph, target) if target else ()
    return f"{faults[0].reason}: {faults[0].remedy}" if faults else None
