"""Reject ops that no server can run: calls back into Python that a signature needs."""

from __future__ import annotations

from pathlib import Path

from deployer.errors import ExportFailed
from deployer.export.golden.graph_walk import walk_signature
from deployer.savedmodel import reader

CALLS_PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})


def check(directory: Path) -> None:
    """Raise ExportFailed for a signature that needs `tf.py_function` or `tf.numpy_function`.

    Other parts of a training graph are ignored.
    """
    graph = reader.meta_graph(reader.parse(directory), reader.SERVE, directory)
    for name, signature in sorted(graph.signature_def.items()):
        if any(node.op in CALLS_PYTHON for node, _ in walk_signature(graph, signature).visited):
            raise ExportFailed(
                f"the signature {name} calls back into Python (tf.py_function or tf.numpy_function): "
                "no server has that code",
                hint="write it with TensorFlow ops, or do it in the client before the request",
            )
