"""What a TensorFlow knows of ops, graphs and XlaCallModule, against what a graph needs."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
from support.world import MODELS

from deployer.savedmodel import op_sets, reader
from deployer.savedmodel.messages import message_class
from deployer.savedmodel.op_sets import Target, image_target, target_of_image


def graph(*ops: str, **versions: int) -> Any:
    """A MetaGraph with a node of each op."""
    made = message_class("tensorflow.MetaGraphDef")()
    for number, op in enumerate(ops):
        made.graph_def.node.add(name=f"n{number}", op=op)
    for name, value in {"producer": 1000, **versions}.items():
        setattr(made.graph_def.versions, name, value)
    return made


def told(made: Any, image: str = "tensorflow/serving:2.20.0") -> str:
    target = target_of_image(image)
    assert target
    return "\n".join(f"{found.reason} -> {found.remedy}" for found in op_sets.incompatibilities(made, target))


def embedded(version: str) -> Target:
    return Target(f"TensorFlow {version}", version, "install another TensorFlow")


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("tensorflow/serving:2.20.0", "2.20"),
        ("tensorflow/serving:2.15.1-gpu", "2.15"),
        ("docker.io/tensorflow/serving:2.18", "2.18"),
        ("mirror.example:5000/tensorflow/serving:2.19.1@sha256:00", "2.19"),
    ],
)
def test_the_tag_of_a_stock_image_tells_its_tensorflow(image, version):
    target = target_of_image(image)
    assert target
    assert (target.tensorflow, target.stock) == (version, True)


@pytest.mark.parametrize("image", ["tensorflow/serving", "tensorflow/serving:latest", "mine/tensorflow-serving:2.20.0"])
def test_other_names_tell_nothing(image):
    assert target_of_image(image) is None


def test_an_image_that_was_asked_is_stock_by_its_repository():
    assert image_target("tensorflow/serving:latest", "2.19").stock
    assert not image_target("mine/serving:2.19", "2.19").stock


def test_an_op_that_came_later_is_named_with_the_release_that_has_it():
    (young,) = sorted(op_sets.releases()[1].ops - op_sets.releases()[0].ops)[:1]
    text = told(graph("Const", young), "tensorflow/serving:2.15.1")
    assert f"the op {young}, is not known to tensorflow/serving:2.15.1, which is TensorFlow 2.15" in text
    assert f"2.16 to {op_sets.releases()[-1].tensorflow} knows {young}" in text
    assert "docker.image" in text
    assert told(graph("Const", young), "tensorflow/serving:2.16.1") == ""


def test_an_op_that_was_taken_out_is_reported_too():
    (old,) = sorted(op_sets.releases()[0].ops - op_sets.releases()[-1].ops)[:1]
    assert f"the op {old}, is not known" in told(graph(old), f"tensorflow/serving:{op_sets.releases()[-1].tensorflow}")
    assert told(graph(old), "tensorflow/serving:2.15.0") == ""


def test_a_custom_op_is_reported_as_such():
    text = told(graph("Zap", "Buzz", "MatMul"))
    assert "the ops Buzz, Zap, are known to no TensorFlow from 2.15" in text
    assert "a custom op" in text


def test_the_ops_of_tensorflow_text_are_the_stock_images_alone():
    text = graph("SentencepieceOp", "SimpleMLInferenceOpWithHandle")
    assert told(text) == ""
    (found,) = op_sets.incompatibilities(text, embedded("2.20"))
    assert "TensorFlow Text or Decision Forests" in found.reason
    assert "--engine docker" in found.remedy


def in_functions(called: bool) -> Any:
    """A graph whose function `outer` has a branch in `inner`, which holds an unknown op."""
    made = graph("outer" if called else "Const")
    for name in ("outer", "inner"):
        made.graph_def.library.function.add().signature.name = name
    outer, inner = made.graph_def.library.function
    outer.node_def.add(name="if", op="If").attr["then_branch"].func.name = "inner"
    inner.node_def.add(name="z", op="Zap")
    return made


def test_functions_count_where_they_can_be_reached():
    assert "the op Zap" in told(in_functions(called=True))
    assert told(in_functions(called=False)) == ""


def test_functions_that_call_each_other_come_to_an_end():
    made = in_functions(called=True)
    made.graph_def.library.function[1].node_def.add(name="again", op="outer")
    assert "the op Zap" in told(made)


def test_the_versions_that_a_graph_asks_for():
    assert "for readers of version 99999 or newer" in told(graph("Const", min_consumer=99999))
    release = op_sets.releases()[-2]
    made = graph("Const", min_consumer=release.graph)
    assert told(made, f"tensorflow/serving:{release.tensorflow}.0") == ""
    made.graph_def.versions.bad_consumers.append(release.graph)
    assert "for readers of version" in told(made, f"tensorflow/serving:{release.tensorflow}.0")


def test_what_jax2tf_writes_is_for_servers_of_its_time():
    made = graph("XlaCallModule")
    made.graph_def.node[0].attr["version"].i = 10
    assert told(made) == ""
    assert "XlaCallModule of version 10" in told(made, "tensorflow/serving:2.16.1")


def test_what_xla_has_to_compile_is_seen():
    assert op_sets.compiled_by_xla(graph("MatMul")) == ""
    assert "jax2tf" in op_sets.compiled_by_xla(graph("MatMul", "XlaCallModule"))
    made = reader.meta_graph(reader.parse(MODELS / "compiled" / "1"), reader.SERVE, MODELS)
    assert "jit_compile=True" in op_sets.compiled_by_xla(made)


def test_of_a_tensorflow_that_is_not_in_the_table_nothing_is_said():
    assert op_sets.incompatibilities(graph("Zap"), embedded("2.14")) == ()
    assert op_sets.incompatibilities(graph("Zap"), embedded("3.0")) == ()


def test_the_table_knows_the_installed_tensorflow():
    target = op_sets.installed_target()
    assert target
    assert target.tensorflow == op_sets.minor(importlib.metadata.version("tensorflow"))
    assert target.tensorflow in {release.tensorflow for release in op_sets.releases()}


@pytest.mark.parametrize("directory", sorted(MODELS.glob("*/1")), ids=lambda directory: directory.parent.name)
def test_every_release_knows_plain_models(directory: Path):
    made = reader.meta_graph(reader.parse(directory), reader.SERVE, directory)
    for release in op_sets.releases():
        assert op_sets.incompatibilities(made, embedded(release.tensorflow)) == ()
