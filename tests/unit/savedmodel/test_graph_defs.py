"""GraphDefs are walked without TensorFlow, into every function that a node may call, however deep they are nested."""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format

from deployer.export.golden.graph_walk import walk_signature
from deployer.savedmodel import graph_defs
from deployer.savedmodel.messages import message_class

DEEP = 3000
CALLS = """
node { name: "by_attribute" op: "If" attr { key: "then_branch" value { func { name: "then" } } } }
node { name: "by_list" op: "Case"
       attr { key: "branches" value { list { func { name: "one" } func { name: "two" } } } } }
node { name: "by_op" op: "old" }
node { name: "aside" op: "NoOp" }
"""


def meta_graph(nodes: str, functions: dict[str, str]) -> Any:
    """A MetaGraphDef whose only signature asks for the tensor `by_op:0`."""
    library = "".join(
        f'function {{ signature {{ name: "{name}" }} node_def {{ name: "in" op: "{op}" }} }}'
        for name, op in functions.items()
    )
    message = message_class("tensorflow.MetaGraphDef")()
    text_format.Parse(f"graph_def {{ {nodes} library {{ {library} }} }}", message)
    message.signature_def["serving_default"].outputs["y"].name = "by_op:0"
    return message


def test_tensors_and_control_dependencies_come_from_nodes() -> None:
    assert [graph_defs.node_name(name) for name in ("a", "a:1", "^a")] == ["a", "a", "a"]


def test_functions_are_called_by_attributes_by_lists_and_by_their_names() -> None:
    functions = {"then": "A", "one": "B", "two": "C", "old": "D", "unused": "E"}
    graph = meta_graph(CALLS, functions).graph_def
    assert {node.op for node in graph_defs.reachable_nodes(graph)} == {"If", "Case", "old", "NoOp", "A", "B", "C", "D"}


def test_behind_an_output_is_what_it_hangs_on() -> None:
    graph = meta_graph(CALLS, {"then": "A", "old": "D"})
    walk = walk_signature(graph, graph.signature_def["serving_default"])
    assert {node.op for node, _ in walk.visited} == {"old", "D"}


def test_functions_may_be_nested_deeper_than_python_calls() -> None:
    chain = {f"f{place}": f"f{place + 1}" for place in range(DEEP)} | {f"f{DEEP}": "PyFunc"}
    graph = meta_graph('node { name: "by_op" op: "f0" }', chain)
    assert "PyFunc" in {node.op for node in graph_defs.reachable_nodes(graph.graph_def)}
    walk = walk_signature(graph, graph.signature_def["serving_default"])
    assert "PyFunc" in {node.op for node, _ in walk.visited}
