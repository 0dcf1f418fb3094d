"""What a server's TensorFlow would not load, and what it would answer for one number of rows only: told beforehand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, in_process
from support.world import MODELS, servers

from deployer.savedmodel.messages import message_class

FIXED = """
import tensorflow as tf

@tf.function(input_signature=[tf.TensorSpec([4, 3], tf.float32, name="x")])
def four(x):
    return {"y": 2.0 * x}
"""


@pytest.fixture
def custom(empty_project: Path) -> Path:
    """A version that another tool put into the store, with an op that no TensorFlow has."""
    with_op("Zap", empty_project / "models" / "custom" / "1")
    return empty_project


def with_op(op: str, directory: Path) -> None:
    """A SavedModel whose graph has a node of this op."""
    shutil.copytree(MODELS / "half_plus_two" / "1", directory)
    file = directory / "saved_model.pb"
    saved = message_class("tensorflow.SavedModel").FromString(file.read_bytes())
    saved.meta_graphs[0].graph_def.node.add(name="z", op=op)
    file.write_bytes(saved.SerializeToString())


@pytest.mark.parametrize("arguments", [("up", "custom"), ("plan", "custom")])
def test_an_op_that_the_server_does_not_know_is_reported_before_anything_is_started(custom, arguments):
    ended = in_process(*arguments, *ANY_PORTS, cwd=custom)
    assert ended.code == 4, ended.err
    assert "custom:1 would not load: the op Zap, is known to no TensorFlow" in ended.err
    assert "leave it out of the served graph" in ended.err
    assert not servers(custom)
    assert not (custom / ".deployer" / "run").exists()


def test_doctor_and_inspect_tell_it_too(custom):
    found = in_process("doctor", "--json", cwd=custom).json["findings"]
    (ops,) = [finding for finding in found if finding["check"] == "ops"]
    assert ops["severity"] == "error"
    assert "the op Zap" in ops["message"]
    assert "the op Zap" in loadable(custom)


def loadable(project: Path) -> str:
    """The note of `inspect` about what would not load the version; another one says that it is not served."""
    notes = in_process("inspect", "custom", "--json", cwd=project).json["notes"]
    (note,) = (each for each in notes if not each.startswith("not served"))
    return note


def test_an_image_is_judged_by_its_tag(custom, monkeypatch):
    monkeypatch.setenv("DEPLOYER_ENGINE", "docker")
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", "tensorflow/serving:2.16.1")
    assert "so not to tensorflow/serving:2.16.1 either" in loadable(custom)


def test_doctor_counts_what_it_looked_at(project):
    found = in_process("doctor", "--json", cwd=project).json["findings"]
    (ops,) = [finding for finding in found if finding["check"] == "ops"]
    assert (ops["severity"], ops["message"].partition("knows ")[2]) == ("ok", "every op of 3 models")


def test_a_saved_model_that_cannot_be_asked_is_refused_with_the_op(custom):
    ended = in_process("export", "models/custom/1", "--name", "other", cwd=custom)
    assert ended.code == 4
    assert "TensorFlow cannot load the SavedModel: it does not know the op Zap\n" in ended.err
    assert "hint: the op Zap, is known to no TensorFlow" in ended.err
    assert not (custom / "models" / "other").exists() or not list((custom / "models" / "other").glob("[0-9]*"))


@pytest.mark.parametrize(
    ("op", "title", "package"),
    [
        ("TFText>WhitespaceTokenizeWithOffsetsV2", "TensorFlow Text", "tensorflow-text=="),
        ("SimpleMLInferenceOpWithHandle", "TensorFlow Decision Forests", "tensorflow-decision-forests"),
    ],
)
def test_the_package_of_an_op_is_named_where_it_is_missing(empty_project, op, title, package):
    with_op(op, empty_project / "words")
    graph = message_class("tensorflow.GraphDef")()
    graph.node.add(name="y", op=op)
    (empty_project / "words.pb").write_bytes(graph.SerializeToString())
    for source, *options in (["words"], ["words.pb", "--graph-output", "y=y"]):
        ended = in_process("export", source, *options, cwd=empty_project)
        assert ended.code == 11, ended.err
        assert f"the op {op} of {title}, which is not installed" in ended.err
        assert f"hint: pip install '{package}" in ended.err
        assert "--engine docker" in ended.err


def test_a_fixed_batch_size_is_reported_at_the_export_and_by_inspect(empty_project):
    (empty_project / "four.py").write_text(FIXED)
    ended = in_process("export", "four.py:four", cwd=empty_project)
    assert ended.code == 0, ended.err
    text = "serving_default can only be asked for batches of 4 (x: float32[4,3])"
    assert f"note: {text}" in ended.err
    assert "keras.Input((3,)) without batch_size" in ended.err
    assert text in in_process("inspect", "four", cwd=empty_project).out
