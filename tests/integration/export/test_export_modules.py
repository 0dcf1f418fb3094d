"""tf.Module, tf.function, and what a user's file may give instead of a model."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from support.exporting import Exporter

from deployer.errors import ExportFailed, ModelError, SourceNotFound
from deployer.export.golden.session import loaded

MODULES = """
import os, sys
import tensorflow as tf
print("hello from python")
os.write(1, b"hello from below\\n")
table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)
weights = tf.Variable([1.0, 2.0])
FLOATS = tf.TensorSpec([None], tf.float32)


class Call(tf.Module):
    def __init__(self):
        self.scale = tf.Variable(2.0)

    @tf.function(input_signature=[FLOATS, tf.TensorSpec([None], tf.string, name="words")])
    def __call__(self, x, text):
        return {"y": x * self.scale, "id": table.lookup(text)}


class OneFunction(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([2, 3], tf.int32)])
    def flip(self, grid):
        return -grid


class Several(tf.Module):
    @tf.function(input_signature=[FLOATS])
    def double(self, x):
        return x * 2.0

    @tf.function(input_signature=[FLOATS, FLOATS])
    def add(self, a, b):
        return a + b

    @tf.function
    def untold(self, x):
        return x


class Plain(tf.Module):
    def __call__(self, a, b):
        if tf.reduce_sum(a) > 0.0:
            return a - b
        return b


class Untold(tf.Module):
    @tf.function
    def predict(self, x):
        return x


class Empty(tf.Module):
    pass


class Counter(tf.Module):
    def __init__(self):
        self.count = tf.Variable(0.0)

    @tf.function(input_signature=[FLOATS])
    def __call__(self, x):
        return {"n": x + self.count.assign_add(1.0), "x": x}


class Limited(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def __call__(self, i):
        return tf.gather([10, 20, 30], i)


class Refusing(tf.Module):
    @tf.function(input_signature=[FLOATS])
    def __call__(self, x):
        with tf.control_dependencies([tf.debugging.assert_greater(x, 1000.0, message="too small")]):
            return tf.identity(x)


@tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
def bare(x):
    return x * weights


@tf.function
def untold(x):
    return x * 2


concrete = bare.get_concrete_function()
module = Call()
number = 3
tf.saved_model.save(tf.Module(), os.path.join(os.path.dirname(__file__), "saved"))
restored = tf.saved_model.load(os.path.join(os.path.dirname(__file__), "saved"))


def takes_one(x): return x
def fails(): raise ValueError("no weights here")
def leaves(): sys.exit(5)
def returns_text(): return "model"
"""


@pytest.fixture
def place(exporter: Exporter) -> str:
    return exporter.file(MODULES, "modules.py")


def test_call_is_the_default_and_names_are_those_of_specs_and_parameters(exporter: Exporter, place: str) -> None:
    exported = exporter(f"{place}:module")
    assert exported.declared() == ({"words": "string[?]", "x": "float32[?]"}, {"id": "int32[?]", "y": "float32[?]"})
    answer = exported.ask({"x": np.float32([1, 2]), "words": np.array([b"a", b"?"], object)})
    assert (answer["y"].tolist(), answer["id"].tolist()) == ([2.0, 4.0], [1, -1])


@pytest.mark.parametrize(
    ("name", "inputs", "declared"),
    [
        ("OneFunction", (), {"grid": "int32[2,3]"}),
        ("bare", (), {"x": "float32[?,2]"}),
        ("concrete", (), {"x": "float32[?,2]"}),
        ("Plain", ("a:float32[?]", "b:float32[?]"), {"a": "float32[?]", "b": "float32[?]"}),
        ("untold", ("x:int64[?,3]",), {"x": "int64[?,3]"}),
        ("Untold", ("renamed:bool[?]",), {"renamed": "bool[?]"}),
    ],
)
def test_functions(
    exporter: Exporter, place: str, name: str, inputs: tuple[str, ...], declared: dict[str, str]
) -> None:
    exported = exporter(f"{place}:{name}", *inputs)
    assert exported.declared()[0] == declared
    assert exported.names() == ["serving_default"]
    assert exported.summary.cases >= 3


def test_several_functions_are_several_signatures(exporter: Exporter, place: str) -> None:
    exported = exporter(f"{place}:Several")
    assert exported.names() == ["add", "double"]
    assert exported.ask({"a": np.float32([1]), "b": np.float32([2])}, "add")["output_0"].tolist() == [3.0]
    assert {case.signature for case in exported.cases()} == {"add", "double"}


def test_a_model_that_remembers_is_random_and_stays_as_it_was_saved(exporter: Exporter, place: str) -> None:
    exported = exporter(f"{place}:Counter")
    assert exported.summary.random_outputs == ("serving_default/n",)
    assert exported.ask({"x": np.float32([0])})["n"].tolist() == [1.0]


def test_inputs_out_of_range_are_replaced_by_small_ones(exporter: Exporter, place: str) -> None:
    exported = exporter(f"{place}:Limited")
    assert exported.summary.skipped == ()
    assert {value for case in exported.cases() for value in case.inputs["i"].tolist()} == {0, 1}


def test_a_model_that_refuses_what_is_made_up_is_skipped_with_the_reason(exporter: Exporter, place: str) -> None:
    summary = exporter(f"{place}:Refusing").summary
    assert summary.cases == 0
    assert "too small" in summary.skipped[0]
    assert "--examples" in summary.skipped[0]


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("number", ExportFailed, "number is of type int: that is no model"),
        ("takes_one", ExportFailed, "cannot be called without arguments"),
        ("fails", ExportFailed, r"no weights here\n.*modules.py, line"),
        ("leaves", ExportFailed, r"sys.exit\(5\)"),
        ("returns_text", ExportFailed, r"returned str: that is no model"),
        ("Untold", ExportFailed, "says what it takes"),
        ("untold", ExportFailed, "says what it takes"),
        ("Empty", ExportFailed, "has no tf.function"),
        ("modul", SourceNotFound, "has no 'modul'"),
        ("restored", ExportFailed, "a SavedModel that was loaded"),
    ],
)
def test_what_is_no_model_is_reported(
    exporter: Exporter, place: str, name: str, error: type[ModelError], told: str
) -> None:
    with pytest.raises(error, match=told):
        exporter(f"{place}:{name}")


def test_a_plain_function_is_served_once_it_is_said_what_it_takes(exporter: Exporter, place: str) -> None:
    exported = exporter(f"{place}:takes_one", "x:float32[?,2]")
    assert exported.declared() == ({"x": "float32[?,2]"}, {"output_0": "float32[?,2]"})
    with pytest.raises(ExportFailed) as caught:
        exporter(f"{place}:takes_one")
    assert "--input name:dtype[shape]" in (caught.value.hint or "")


def test_an_input_that_is_named_twice_is_refused_before_anything_runs(exporter: Exporter, place: str) -> None:
    with pytest.raises(ExportFailed, match="names 'x' twice"):
        exporter(f"{place}:untold", "x:float32[?]", "x:float32[?]")


@pytest.mark.parametrize("name", ["class", "_x", "my input"])
def test_an_input_is_called_as_it_was_asked_for(exporter: Exporter, place: str, name: str) -> None:
    assert list(exporter(f"{place}:untold", f"{name}:float32[?]", prove=False).declared()[0]) == [name]


def test_the_users_prints_stay_off_stdout(exporter: Exporter, place: str, capfd: pytest.CaptureFixture[str]) -> None:
    exporter(f"{place}:module")
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "hello from python" in printed.err
    assert "hello from below" in printed.err


def test_a_package_in_the_working_directory(
    exporter: Exporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package_of_test").mkdir()
    exporter.file(MODULES, "package_of_test/models.py")
    monkeypatch.chdir(tmp_path)
    assert exporter("package_of_test.models:module").names() == ["serving_default"]
    assert "package_of_test.models" not in sys.modules


LOADS = """
import tensorflow as tf
FLOATS = tf.TensorSpec([None], tf.float32, name="x")
weight = tf.Variable(2.0)
generator = tf.random.Generator.from_seed(1)

@tf.function
def inner(x): return x * weight

@tf.function(input_signature=[FLOATS])
def steady(x): return {"y": inner(x)}

@tf.function(input_signature=[FLOATS])
def shaken(x): return {"y": inner(x) + generator.normal([])}

@tf.function(input_signature=[FLOATS])
def drawn(x): return {"y": inner(x) + tf.random.uniform([])}
"""


@pytest.mark.parametrize(("name", "changes"), [("steady", False), ("shaken", True), ("drawn", True)])
def test_only_what_draws_numbers_is_loaded_twice(exporter: Exporter, name: str, changes: bool) -> None:
    exported = exporter(f"{exporter.file(LOADS)}:{name}")
    with loaded(exported.directory) as model:
        assert model.may_differ_between_loads() is changes
    assert bool(exported.summary.random_outputs) is changes
