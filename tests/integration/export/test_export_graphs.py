"""Graphs of TensorFlow 1: frozen, beside a checkpoint, in a session of the user's own code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from support.exporting import Exporter
from support.source_kinds import tf1_model

from deployer.errors import BrokenModel, ExportFailed, SourceNotFound

INPUTS, OUTPUTS = ("words=words:0", "x=x"), ("id=id:0", "y=y")
SESSIONS = """
import tensorflow as tf

def uninitialised():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        y = x * tf.compat.v1.get_variable("w", initializer=2.0, use_resource=False)
        return tf.compat.v1.Session(), {"x": x}, {"y": y}

def no_output():
    with tf.Graph().as_default():
        return tf.compat.v1.Session(), {}, {}

def sparse():
    with tf.Graph().as_default():
        x = tf.compat.v1.sparse_placeholder(tf.float32, [None, 2])
        return tf.compat.v1.Session(), {"x": x}, {"y": tf.sparse.to_dense(x)}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    home = tmp_path_factory.mktemp("graphs") / "tf1"
    return home, tf1_model(home)


def graph(exporter: Exporter, source: Path, **options: Any) -> Any:
    return exporter(str(source), **{"graph_inputs": INPUTS, "graph_outputs": OUTPUTS, **options})


@pytest.mark.parametrize("source", ["frozen.pb", "model.ckpt.meta"])
def test_a_graph_keeps_its_tables_and_their_files(exporter: Exporter, model: Any, source: str) -> None:
    home, answer = model
    exported = graph(exporter, home / source)
    inputs, outputs = exported.declared()
    assert (inputs, outputs["y"]) == ({"words": "string[?]", "x": "float32[?,2]"}, "float32[?,1]")
    assert (exported.directory / "assets" / "words.txt").read_text() == "red\ngreen\n"
    found = exported.ask(answer.inputs)
    assert found["id"].tolist() == [1, -1]
    np.testing.assert_allclose(found["y"], answer.outputs["y"], rtol=1e-6)
    assert exported.summary.skipped == ()
    assert exported.summary.fidelity == "verified against the source model"


def test_a_session_is_served_and_eager_mode_comes_back(exporter: Exporter, model: Any) -> None:
    home, answer = model
    exported = exporter(f"{home}/tf1.py:session")
    assert exported.ask(answer.inputs)["id"].tolist() == [1, -1]
    assert tf.executing_eagerly()
    assert tf.Variable(1.0).numpy() == 1.0


@pytest.mark.parametrize(
    ("options", "told", "hint"),
    [
        ({"graph_outputs": ()}, "which of its tensors are asked for", "--graph-output NAME=TENSOR such as"),
        ({"graph_outputs": ("y=z:0",)}, "the graph has no tensor 'z:0'", "words:0, x:0"),
        ({"graph_outputs": ("y",)}, "is not of the form name=tensor", "--graph-output x=x:0"),
        ({"graph_inputs": ("x=x", "x=words")}, "names 'x' twice", None),
    ],
)
def test_tensors_that_are_not_there(exporter: Exporter, model: Any, options: Any, told: str, hint: str | None) -> None:
    with pytest.raises(ExportFailed, match=told) as caught:
        graph(exporter, model[0] / "frozen.pb", **options)
    assert (hint or "") in (caught.value.hint or "")


def test_files_that_are_no_graph(exporter: Exporter, model: Any, tmp_path: Path) -> None:
    (tmp_path / "text.pb").write_text("no graph")
    (tmp_path / "empty.pb").touch()
    (tmp_path / "alone.meta").write_bytes((model[0] / "model.ckpt.meta").read_bytes())
    (tmp_path / "saved_model.pb").touch()
    for name, error, told in (
        ("text.pb", BrokenModel, "cannot be loaded"),
        ("empty.pb", BrokenModel, "holds no graph"),
        ("alone.meta", BrokenModel, r"has no alone\.index"),
        ("saved_model.pb", SourceNotFound, "a part of a SavedModel"),
    ):
        with pytest.raises(error, match=told):
            graph(exporter, tmp_path / name)


def test_an_op_that_this_tensorflow_does_not_know_is_named(exporter: Exporter, tmp_path: Path) -> None:
    strange = tf.compat.v1.GraphDef()
    strange.node.add(name="y", op="FancyContribOp")
    (tmp_path / "strange.pb").write_bytes(strange.SerializeToString())
    with pytest.raises(ExportFailed, match="the op 'FancyContribOp', which TensorFlow") as caught:
        graph(exporter, tmp_path / "strange.pb")
    assert "custom op" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("uninitialised", "could not be saved: .*uninitialized value w"),
        ("no_output", "has no output"),
        ("sparse", "the input 'x' is SparseTensor"),
    ],
)
def test_a_session_that_cannot_be_served_is_reported(exporter: Exporter, name: str, told: str) -> None:
    with pytest.raises(ExportFailed, match=told) as caught:
        exporter(f"{exporter.file(SESSIONS)}:{name}")
    assert caught.value.hint


def test_options_of_other_kinds_are_refused(exporter: Exporter, model: Any) -> None:
    with pytest.raises(ExportFailed, match="--graph-input cannot change"):
        exporter(f"{model[0]}/tf1.py:session", graph_inputs=("x=x:0",))
    with pytest.raises(ExportFailed, match="--input cannot change"):
        exporter(f"{model[0]}/tf1.py:session", "x:float32[?,2]")
    with pytest.raises(ExportFailed, match="--input cannot change"):
        exporter(str(model[0] / "frozen.pb"), "x:float32[?,2]")
