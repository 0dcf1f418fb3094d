"""Find out from the graph what a signature expects of its strings.

A string may be plain text, a serialized tf.Example with certain features, or an encoded image. Ragged and sparse inputs
of the user's function are split into parts that no client can fill sensibly: they are reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

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
    """A feature that a graph parses from a tf.Example. `shape` is None if any number of values is accepted."""

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class StringFormat:
    """The format of a signature's strings; plain text by default.

    `examples` means tf.Example messages, even if the parsed features are unknown.
    """

    features: tuple[Feature, ...] = ()
    images: bool = False
    composite: str | None = None
    examples: bool = False


def string_format(meta_graph: Message, definition: Message) -> StringFormat:
    """Return the format that a SignatureDef expects of its strings."""
    walk = walk_signature(meta_graph, definition)
    features = {feature.name: feature for node, scope in walk.visited for feature in _features(node, scope)}
    images, examples = (any(node.op in ops for node, _ in walk.visited) for ops in (IMAGE_OPS, EXAMPLE_OPS))
    composite = _composite(meta_graph, walk.called_functions)
    return StringFormat(tuple(features[name] for name in sorted(features)), images, composite, examples)


def _composite(meta_graph: Message, function_names: set[str]) -> str | None:
    """Return `ragged` or `sparse` if a function of the signature has such an argument, else None."""
    declared = meta_graph.object_graph_def.concrete_functions
    for name in sorted(function_names & set(declared)):
        for spec, kind in COMPOSITES.items():
            if f"type_spec_class: {spec}" in str(declared[name].canonicalized_input_signature):
                return kind
    return None


def _features(node: Message, scope: Mapping[str, Message]) -> Iterator[Feature]:
    """Yield the features of a parsing op whose keys are constants of the graph."""
    read = {"ParseExample": _of_version_one, "ParseExampleV2": _of_version_two}.get(node.op)
    if read is None:
        return
    for key, dtype, shape in read(node, scope):
        if key is not None:
            yield Feature(key, dtype, shape)


ParsedFeatures = Iterator[tuple["str | None", str, Shape]]


def _of_version_one(node: Message, scope: Mapping[str, Message]) -> ParsedFeatures:
    """Parse inputs: serialized, names, one key per sparse feature, one key and one default per dense feature."""
    sparse, dense = node.attr["Nsparse"].i, node.attr["Ndense"].i
    keys = [next(iter(_constant(name, scope)), None) for name in node.input[2 : 2 + sparse + dense]]
    yield from _open(keys[:sparse], node.attr["sparse_types"])
    yield from _dense(keys[sparse:], node)


def _of_version_two(node: Message, scope: Mapping[str, Message]) -> ParsedFeatures:
    """Parse inputs: serialized, names, sparse keys, dense keys, ragged keys, defaults; one tensor per kind of keys."""
    sparse, dense, ragged = (_constant(name, scope) for name in node.input[2:5])
    yield from _open(sparse, node.attr["sparse_types"])
    yield from _dense(dense, node)
    yield from _open(ragged, node.attr["ragged_value_types"])


def _open(keys: Sequence[str | None], types: Message) -> ParsedFeatures:
    for key, number in zip(keys, types.list.type, strict=False):
        yield key, tensors.dtype_name(number), None


def _dense(keys: Sequence[str | None], node: Message) -> ParsedFeatures:
    types, shapes = node.attr["Tdense"].list.type, node.attr["dense_shapes"].list.shape
    for key, number, shape in zip(keys, types, shapes, strict=False):
        yield key, tensors.dtype_name(number), reader.shape_of(shape)


def _constant(tensor: str, nodes: Mapping[str, Message]) -> list[str]:
    """Return the strings of a constant, behind any Identity ops; empty for other nodes."""
    node = nodes.get(node_name(tensor))
    while node is not None and node.op == "Identity":
        node = nodes.get(node_name(node.input[0]))
    if node is None or node.op != "Const":
        return []
    try:
        return [value.decode(errors="replace") for value in tensors.from_proto(node.attr["value"].tensor).ravel()]
    except (MalformedTensor, AttributeError):
        return []
