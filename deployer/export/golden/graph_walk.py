"""Walk a graph backwards from a signature's outputs, into the functions that it calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import Message

from deployer.savedmodel.graph_defs import called_functions, node_name

MUTATING_OPS = re.compile(
    r"Assign|Resource(Scatter|Apply|SparseApply|StridedSliceAssign)|LookupTable(Insert|Remove)|(Enqueue|Dequeue|Stack)"
)
"""Ops that change the contents of a variable, a table or a queue."""


@dataclass
class Walk:
    """The nodes and functions that a signature's outputs depend on.

    `visited` pairs each node with its scope, the nodes by name in the same graph or function.
    """

    nodes: Mapping[str, Message]
    functions: Mapping[str, Message]
    visited: list[tuple[Message, Mapping[str, Message]]] = field(default_factory=list)
    called_functions: set[str] = field(default_factory=set)

    def walk_back(self, outputs: Sequence[str]) -> None:
        """Visit everything that these tensors depend on."""
        seen: set[str] = set()
        pending = [node_name(name) for name in outputs]
        while pending:
            name = pending.pop()
            if name in seen or name not in self.nodes:
                continue
            seen.add(name)
            self._visit(self.nodes[name], self.nodes)
            pending += [node_name(source) for source in self.nodes[name].input]

    def _visit(self, node: Message, scope: Mapping[str, Message]) -> None:
        pending = [(node, scope)]
        while pending:
            node, scope = pending.pop()
            self.visited.append((node, scope))
            for name in called_functions(node):
                if name not in self.called_functions and name in self.functions:
                    self.called_functions.add(name)
                    inner = {child.name: child for child in self.functions[name].node_def}
                    pending += ((child, inner) for child in inner.values())


def walk_signature(meta_graph: Message, definition: Message) -> Walk:
    """Return the walk from the outputs of a SignatureDef."""
    graph = meta_graph.graph_def
    walk = Walk(
        {node.name: node for node in graph.node},
        {visited.signature.name: visited for visited in graph.library.function},
    )
    walk.walk_back([info.name for info in definition.outputs.values()])
    return walk


def mutates_state(meta_graph: Message, definition: Message) -> bool:
    """Return whether running a SignatureDef changes the model's state."""
    return any(MUTATING_OPS.search(node.op) for node, _ in walk_signature(meta_graph, definition).visited)
