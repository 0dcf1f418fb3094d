"""Traverse a GraphDef message, from tensors to nodes and from nodes to functions, without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.message import Message


def node_name(tensor: str) -> str:
    """Return the name of the node that produces a tensor or a control dependency."""
    return tensor.removeprefix("^").partition(":")[0]


def called_functions(node: Message) -> Iterator[str]:
    """Yield the names of the functions that a node may call, and its op, which may be a function too."""
    yield node.op
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (one.name for one in value.list.func)


def reachable_nodes(graph: Message) -> Iterator[Message]:
    """Yield the nodes of a GraphDef and of all functions that they may call."""
    functions = {function.signature.name: function.node_def for function in graph.library.function}
    pending, visited = [list(graph.node)], set[str]()
    while pending:
        for node in pending.pop():
            yield node
            new = {name for name in called_functions(node) if name in functions} - visited
            visited |= new
            pending.extend(list(functions[name]) for name in new)
