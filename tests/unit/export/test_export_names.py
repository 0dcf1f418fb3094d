"""Names that an owner gave stay; names that a library counted up do not reach a client."""

from __future__ import annotations

from collections import namedtuple

import pytest

from deployer.export.names import (
    input_names,
    named_outputs,
    output_names,
    own_input_name,
    own_layer_name,
    usable_name,
)


@pytest.mark.parametrize(
    "name", ["keras_tensor", "keras_tensor_12", "input_layer", "input_layer_3", "input_1", "", None]
)
def test_counted_input_names_are_nobodys(name: str | None) -> None:
    assert own_input_name(name) is None


@pytest.mark.parametrize("name", ["feat", "input", "main_input", "image_1", "inputs", "keras_tensor_x"])
def test_given_input_names_stay(name: str) -> None:
    assert own_input_name(name) == name


@pytest.mark.parametrize(
    ("name", "class_name", "own"),
    [
        ("dense_7", "Dense", None),
        ("dense", "Dense", None),
        ("batch_normalization_2", "BatchNormalization", None),
        ("conv2d", "Conv2D", None),
        ("functional_3", "Functional", None),
        ("model_1", "Functional", None),
        ("tf.__operators__.add_1", "TFOpLambda", None),
        ("probs", "Dense", "probs"),
        ("dense_out", "Dense", "dense_out"),
        ("head_2", "Dense", "head_2"),
    ],
)
def test_layer_names(name: str, class_name: str, own: str | None) -> None:
    assert own_layer_name(name, class_name) == own


def test_unnamed_inputs_go_by_their_place() -> None:
    assert input_names([None]) == ("inputs",)
    assert input_names([None, "b", None]) == ("inputs_0", "b", "inputs_2")
    assert input_names(["sepal length (cm)"]) == ("sepal_length__cm_",)
    assert input_names(["a b", "a_b"]) == ("inputs_0", "inputs_1")


@pytest.mark.parametrize(
    ("name", "usable"),
    [("a-b/c.d", "a-b/c.d"), ("class", "class_"), ("self", "self_"), ("x:0", "x_0"), ("_x", "x_x"), ("größe", "gr__e")],
)
def test_names_are_made_usable_for_tensorflow(name: str, usable: str) -> None:
    assert usable_name(name) == usable


def test_outputs_that_share_a_name_go_by_their_place() -> None:
    assert output_names(["lstm", "lstm", "probs", None]) == ("output_0", "output_1", "probs", "output_3")


def test_outputs_by_structure() -> None:
    pair = namedtuple("pair", "mean var")
    assert named_outputs(1) == {"output_0": 1}
    assert named_outputs(1, ("probs",)) == {"probs": 1}
    assert named_outputs([1, 2], ("probs", None)) == {"probs": 1, "output_1": 2}
    assert named_outputs([1, 2], ("probs",)) == {"output_0": 1, "output_1": 2}
    assert named_outputs(pair(1, 2)) == {"mean": 1, "var": 2}
    assert named_outputs({"a": {"b": 1, "c": [2, 3]}}) == {"a_b": 1, "a_c_0": 2, "a_c_1": 3}
