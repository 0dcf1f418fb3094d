"""What no server can run, found in what was written: calls back into Python that a signature needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deployer import saved_model
from deployer.errors import ExportFailed

CALLS_PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})


def check(folder: Path) -> None:
    """Raises ExportFailed for a signature that needs `tf.py_function` or `tf.numpy_function`."""
    graph = saved_model.meta_graph(saved_model.parse(folder), saved_model.SERVE, folder)
    functions = {function.signature.name: function.node_def for function in graph.graph_def.library.function}
    calling = _calling_python(functions)
    nodes = {node.name: node for node in graph.graph_def.node}
    for name, signature in sorted(graph.signature_def.items()):
        for node in _needed(nodes, (info.name for info in signature.outputs.values())):
            if node.op in CALLS_PYTHON or _called(node) & calling:
                raise ExportFailed(
                    f"the signature {name} calls back into Python (tf.py_function or tf.numpy_function): "
                    "no server has that code",
                    hint="write it with TensorFlow ops, or do it in the client before the request",
                )


def _called(node: Any) -> set[str]:
    """The functions that a node may call: those in its attributes, and its op where that is a function."""
    values = list(node.attr.values())
    return {node.op, *(value.func.name for value in values), *(one.name for value in values for one in value.list.func)}


def _calling_python(functions: Mapping[str, Any]) -> set[str]:
    """The functions of the library that call Python, directly or through others."""
    found = {name for name, nodes in functions.items() if any(node.op in CALLS_PYTHON for node in nodes)}
    calls = {name: set().union(*(_called(node) for node in nodes)) for name, nodes in functions.items()}
    while more := {name for name, called in calls.items() if called & found} - found:
        found |= more
    return found


def _needed(nodes: Mapping[str, Any], outputs: Iterable[str]) -> list[Any]:
    """The nodes that the outputs depend on: what a training graph holds besides does not matter."""
    waiting = [output.partition(":")[0] for output in outputs]
    found: dict[str, Any] = {}
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in found:
            found[name] = nodes[name]
            waiting.extend(text.lstrip("^").partition(":")[0] for text in nodes[name].input)
    return list(found.values())
