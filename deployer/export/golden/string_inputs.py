"""What a signature does with its strings, read from the graph behind its outputs.

A string may be plain text, a serialized tf.Example with certain features, or an encoded image. Inputs that are ragged
or sparse in the owner's function came into the signature as their parts, which no client fills well: those are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.errors import MalformedTensor
from deployer.export.golden.graph_walk import walk_signature
from deployer.results.model import Shape
from deployer.savedmodel import reader, tensors
from deployer.savedmodel.graph_defs import node_name

EXAMPLE_OPS = frozenset(
    "ParseExample ParseExampleV2 ParseSingleExample ParseSequenceExample ParseSequenceExampleV2 "
    "ParseSingleSequenceExample DecodeProtoV2".split()
)
IMAGE_OPS = frozenset({"DecodeJpeg", "DecodePng", "DecodeImage", "DecodeAndCropJpeg", "DecodeBmp", "DecodeGif"})
COMPOSITES = {"RAGGED_TENSOR_SPEC": "ragged", "SPARSE_TENSOR_SPEC": "sparse"}


@dataclass(frozen=True)
class Feature:
    """A feature that a graph parses out of a tf.Example. `shape` is None where any number of values will do."""

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class StringFormat:
    """What the strings of a signature must be; all empty means text. `examples` where they are tf.Example messages,
    though which features are parsed out of them may be unknown."""

    features: tuple[Feature, ...] = ()
    images: bool = False
    composite: str | None = None
    examples: bool = False


def string_format(meta_graph: Any, definition: Any) -> StringFormat:
    """What the strings that go into a SignatureDef must be."""
    walk = walk_signature(meta_graph, definition)
    features = {feature.name: feature for node, scope in walk.visited for feature in _features(node, scope)}
    images, examples = (any(node.op in ops for node, _ in walk.visited) for ops in (IMAGE_OPS, EXAMPLE_OPS))
    composite = _composite(meta_graph, walk.called_functions)
    return StringFormat(tuple(features[name] for name in sorted(features)), images, composite, examples)


def _composite(meta_graph: Any, function_names: set[str]) -> str | None:
    """`ragged` or `sparse` when a function behind the signature takes such an argument from its caller."""
    declared = meta_graph.object_graph_def.concrete_functions
    for name in sorted(function_names & set(declared)):
        for spec, kind in COMPOSITES.items():
            if f"type_spec_class: {spec}" in str(declared[name].canonicalized_input_signature):
                return kind
    return None


def _features(node: Any, scope: Mapping[str, Any]) -> Iterator[Feature]:
    """The features of a parsing op, where its keys are constants of the graph."""
    read = {"ParseExample": _of_version_one, "ParseExampleV2": _of_version_two}.get(node.op)
    if read is None:
        return
    for key, dtype, shape in read(node, scope):
        if key is not None:
            yield Feature(key, dtype, shape)


ParsedFeatures = Iterator[tuple["str | None", str, Shape]]


def _of_version_one(node: Any, scope: Mapping[str, Any]) -> ParsedFeatures:
    """Inputs: serialized, names, one key for each sparse feature, one for each dense, one default for each dense."""
    sparse, dense = node.attr["Nsparse"].i, node.attr["Ndense"].i
    keys = [next(iter(_constant(name, scope)), None) for name in node.input[2 : 2 + sparse + dense]]
    yield from _open(keys[:sparse], node.attr["sparse_types"])
    yield from _dense(keys[sparse:], node)


def _of_version_two(node: Any, scope: Mapping[str, Any]) -> ParsedFeatures:
    """Inputs: serialized, names, sparse keys, dense keys, ragged keys, defaults: each kind of keys is one tensor."""
    sparse, dense, ragged = (_constant(name, scope) for name in node.input[2:5])
    yield from _open(sparse, node.attr["sparse_types"])
    yield from _dense(dense, node)
    yield from _open(ragged, node.attr["ragged_value_types"])


def _open(keys: Sequence[str | None], types: Any) -> ParsedFeatures:
    for key, number in zip(keys, types.list.type, strict=False):
        yield key, tensors.dtype_name(number), None


def _dense(keys: Sequence[str | None], node: Any) -> ParsedFeatures:
    types, shapes = node.attr["Tdense"].list.type, node.attr["dense_shapes"].list.shape
    for key, number, shape in zip(keys, types, shapes, strict=False):
        yield key, tensors.dtype_name(number), reader.shape_of(shape)


def _constant(tensor: str, nodes: Mapping[str, Any]) -> list[str]:
    """The texts in a constant, behind any identities; none when it is something else."""
    node = nodes.get(node_name(tensor))
    while node is not None and node.op == "Identity":
        node = nodes.get(node_name(node.input[0]))
    if node is None or node.op != "Const":
        return []
    try:
        return [value.decode(errors="replace") for value in tensors.from_proto(node.attr["value"].tensor).ravel()]
    except (MalformedTensor, AttributeError):
        return []
