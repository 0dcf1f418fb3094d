"""Names that an owner gave stay; names that a library counted up do not reach a client."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest

from deployer.errors import ExportFailed
from deployer.export.tensor_names import (
    explicit_input_name,
    explicit_layer_name,
    input_names,
    named_outputs,
    output_names,
    renamed_inputs,
    traceable_names,
    usable_name,
)


@pytest.mark.parametrize(
    "name", ["keras_tensor", "keras_tensor_12", "input_layer", "input_layer_3", "input_1", "", None]
)
def test_counted_input_names_are_nobodys(name: str | None) -> None:
    assert explicit_input_name(name) is None


@pytest.mark.parametrize("name", ["feat", "input", "main_input", "image_1", "inputs", "keras_tensor_x"])
def test_given_input_names_stay(name: str) -> None:
    assert explicit_input_name(name) == name


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
    assert explicit_layer_name(name, class_name) == own


def test_unnamed_inputs_go_by_their_place() -> None:
    assert input_names([None]) == ("inputs",)
    assert input_names([None, "b", None]) == ("inputs_0", "b", "inputs_2")
    assert input_names(["sepal length (cm)", "größe[m]", "_x"]) == ("sepal length (cm)", "größe[m]", "_x")
    assert input_names(["a", "a", None]) == ("inputs_0", "inputs_1", "inputs_2")


def test_inputs_that_cannot_keep_their_names_are_noted() -> None:
    assert renamed_inputs([None, "b"], ["inputs_0", "b"]) == ()
    assert len(renamed_inputs(["a", "a", None], ["inputs_0", "inputs_1", "inputs_2"])) == 2


def test_names_stand_in_for_what_tensorflow_would_change() -> None:
    assert traceable_names(["a", "b.c"]) == {"a": "a", "b.c": "b.c"}
    assert traceable_names(["a b", "a_b", "input_0"]) == {"a b": "input_1", "a_b": "a_b", "input_0": "input_0"}
    assert traceable_names(["A", "a", "self"]) == {"A": "input_0", "a": "input_1", "self": "input_2"}


@pytest.mark.parametrize(
    ("name", "usable"),
    [("a-b/c.d", "a-b/c.d"), ("class", "class_"), ("self", "self_"), ("x:0", "x_0"), ("_x", "x_x"), ("größe", "gr__e")],
)
def test_names_are_made_usable_for_tensorflow(name: str, usable: str) -> None:
    assert usable_name(name) == usable


def test_outputs_that_share_a_name_go_by_their_place() -> None:
    assert output_names(["lstm", "lstm", "probs", None]) == ("output_0", "output_1", "probs", "output_3")


@dataclass
class Fields:
    logits: object
    hidden: object = None


def test_outputs_by_structure() -> None:
    pair = namedtuple("pair", "mean var")
    assert named_outputs(1) == ({"output_0": 1}, ())
    assert named_outputs(1, ("probs",)).tensors == {"probs": 1}
    assert named_outputs([1, 2], ("probs", None)).tensors == {"probs": 1, "output_1": 2}
    assert named_outputs([1, 2], ("probs",)).tensors == {"output_0": 1, "output_1": 2}
    assert named_outputs(pair(1, 2)) == ({"mean": 1, "var": 2}, ())
    assert named_outputs(Fields(1, 2)) == ({"logits": 1, "hidden": 2}, ())


@pytest.mark.parametrize(
    ("outputs", "flat"),
    [
        ({"a": {"b": 1, "c": [2, 3]}}, {"a_b": 1, "a_c_0": 2, "a_c_1": 3}),
        ({"past": (1, (2, 3))}, {"past_0": 1, "past_1_0": 2, "past_1_1": 3}),
        ({"out": Fields(1, 2)}, {"out_logits": 1, "out_hidden": 2}),
        ({7: 1}, {"7": 1}),
    ],
)
def test_nested_outputs_are_flat_and_noted(outputs: Any, flat: dict[str, int]) -> None:
    found = named_outputs(outputs)
    assert found.tensors == flat
    assert len(found.notes) == 1


@pytest.mark.parametrize("nothing", [None, [], {}, ()])
def test_empty_outputs_are_left_out_and_noted(nothing: Any) -> None:
    assert named_outputs({"a": 1, "attn": nothing}).tensors == {"a": 1}
    assert named_outputs([1, nothing, 2]).tensors == {"output_0": 1, "output_2": 2}
    assert ["attn" in note for note in named_outputs({"a": 1, "attn": nothing}).notes] == [True]
    for outputs in (nothing, {"a": nothing}, [nothing], Fields(nothing, None)):
        with pytest.raises(ExportFailed):
            named_outputs(outputs)


@pytest.mark.parametrize("outputs", [{"past": (1,), "past_0": 2}, {1: 1, "1": 2}, {"a": {"b": 1}, "a_b": 2}])
def test_outputs_that_would_share_a_name_are_refused(outputs: Any) -> None:
    with pytest.raises(ExportFailed):
        named_outputs(outputs)
