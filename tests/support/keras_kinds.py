"""Makes Keras models of more kinds, and what is left of a user's own code; see source_kinds.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from support.asking import Answer
from support.source_kinds import KERAS, Made, floats, maker


@maker
def keras_sequential(home: Path) -> Made:
    """Keras 3 file, `.keras`: sequential, compiled, with mixed precision"""
    half = keras.mixed_precision.DTypePolicy("mixed_float16")
    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2, name="y", dtype=half)])
    model.compile("adam", "mse")
    model.save(home / "m.keras")
    x = floats(4, 3)
    return Made(f"{home}/m.keras", (Answer({"x": x}, {"y": model(x).numpy().astype(np.float32)}),), keras=KERAS)


@maker
def keras_functional(home: Path) -> Made:
    """Keras 3 file, `.keras`: functional, nested, several inputs and outputs"""
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "relu")], name="inner")
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    joined = keras.layers.Concatenate()([inner(left), right])
    outputs = {"total": keras.layers.Dense(1)(joined), "kind": keras.layers.Dense(4, "softmax")(joined)}
    model = keras.Model({"left": left, "right": right}, outputs)
    model.save(home / "m.keras")
    feed = {"left": floats(4, 2), "right": floats(4, 3)}
    said = {name: value.numpy() for name, value in model(feed).items()}
    return Made(f"{home}/m.keras", (Answer(feed, said),), keras=KERAS)


@maker
def keras_preprocessing(home: Path) -> Made:
    """Keras 3 file, `.keras`: text in, with preprocessing layers and their tables"""
    words = keras.layers.StringLookup(vocabulary=["red", "green", "blue"])
    given = keras.Input((2,), dtype="string", name="words")
    model = keras.Model(given, keras.layers.Embedding(5, 3, name="vectors")(words(given)))
    model.save(home / "m.keras")
    texts = np.array([[b"red", b"blue"], [b"?", b"green"]], object)
    return Made(
        f"{home}/m.keras", (Answer({"words": texts}, {"vectors": model(tf.constant(texts)).numpy()}),), keras=KERAS
    )


@maker
def keras_h5(home: Path) -> Made:
    """Keras 3 file, `.h5`, with a recurrent layer"""
    model = keras.Sequential([keras.Input((5, 2), name="steps"), keras.layers.LSTM(3, name="state")])
    model.save(home / "m.h5")
    steps = floats(2, 5, 2)
    return Made(f"{home}/m.h5", (Answer({"steps": steps}, {"state": model(steps).numpy()}),), keras=KERAS)


def tf_keras_model() -> Any:
    return tf_keras.Sequential([tf_keras.Input((3,), name="x"), tf_keras.layers.Dense(2, name="y")])


@maker
def tf_keras_zip(home: Path) -> Made:
    """Keras 2 file, `.keras` (tf_keras)"""
    model, x = tf_keras_model(), floats(4, 3)
    model.save(home / "m.keras")
    return Made(f"{home}/m.keras", (Answer({"x": x}, {"y": model(x).numpy()}),), keras=tf_keras.__version__)


@maker
def tf_keras_saved_model(home: Path) -> Made:
    """SavedModel directory of Keras 2 (tf_keras `model.save`)"""
    model, x = tf_keras_model(), floats(4, 3)
    model.save(home / "m", save_format="tf")
    return Made(f"{home}/m", (Answer({"x": x}, {"y": model(x).numpy()}),), keras=tf_keras.__version__)


@maker
def keras_saved_model(home: Path) -> Made:
    """SavedModel directory of Keras 3 (`model.export`)"""
    given = keras.Input((3,), name="x")
    model, x = keras.Model(given, {"y": keras.layers.Dense(2)(given)}), floats(4, 3)
    model.export(home / "m", verbose=False)
    return Made(f"{home}/m", (Answer({"x": x}, {"y": model(x)["y"].numpy()}),), keras=KERAS)


CODE = """
import keras
import tensorflow as tf

keras.utils.set_random_seed(11)

class Two(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, left, right):
        return {"sum": self.dense(left) + self.dense(right)}

def build():
    model = Two()
    model(tf.ones((1, 3)), tf.ones((1, 3)))
    return model

class Words(tf.Module):
    def __init__(self):
        super().__init__()
        keys = tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2], tf.string, tf.int64)
        self.table, self.scale = tf.lookup.StaticHashTable(keys, -1), tf.Variable(3.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def __call__(self, words):
        return {"id": self.table.lookup(words)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def scaled(self, x):
        return {"y": x * self.scale}

words = Words()

def distance(left, right):
    return tf.norm(left - right, axis=1)
"""


def users_code(home: Path, name: str, code: str = CODE) -> Any:
    """The user's file, and its module."""
    (home / name).write_text(code)
    spec = importlib.util.spec_from_file_location(f"users_code_{home.name}", home / name)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@maker
def keras_subclassed(home: Path) -> Made:
    """Keras 3 model, `file.py:function`: subclassed, two arguments"""
    model = users_code(home, "made.py").build()
    feed = {"left": floats(4, 3), "right": floats(4, 3) + 1}
    said = {"sum": model(feed["left"], feed["right"])["sum"].numpy()}
    return Made(f"{home}/made.py:build", (Answer(feed, said),), keras=KERAS)


@maker
def module(home: Path) -> Made:
    """`tf.Module`, `file.py:name`: two signatures, a lookup table and a variable"""
    users_code(home, "made.py")
    x, texts = floats(2, 3), np.array([b"b", b"?"], object)
    answers = (Answer({"words": texts}, {"id": np.int64([2, -1])}), Answer({"x": x}, {"y": x * 3}, "scaled"))
    return Made(f"{home}/made.py:words", answers)


@maker
def plain_function(home: Path) -> Made:
    """Plain function, `file.py:name` (`--input`)"""
    made = users_code(home, "made.py")
    feed = {"left": floats(4, 3), "right": floats(4, 3) * 2}
    said = {"output_0": made.distance(**feed).numpy()}
    options = ("--input", "left:float32[?,3]", "--input", "right:float32[?,3]")
    return Made(f"{home}/made.py:distance", (Answer(feed, said),), options)


STATEFUL = """
import keras
import tensorflow as tf

keras.utils.set_random_seed(13)
remembering = keras.layers.GRU(2, stateful=True, name="y")
model = keras.Sequential([keras.Input(batch_shape=(2, 3, 1), name="steps"), remembering])

def anew(model):
    @tf.function(input_signature=[tf.TensorSpec([2, 3, 1], tf.float32, name="steps")])
    def forget_and_ask(steps):
        remembering.reset_state()
        return {"y": model(steps)}
    return forget_and_ask
"""


@maker
def stateful(home: Path) -> Made:
    """Keras 3 model, `file.py:name`: a stateful recurrent layer, and a function that makes it forget (`--signature`)"""
    model = users_code(home, "made.py", STATEFUL).model
    steps = floats(2, 3, 1)
    first, second = ({"y": model(steps).numpy()} for _ in range(2))
    answers = (Answer({"steps": steps}, first, "anew"), Answer({"steps": steps}, second))
    return Made(f"{home}/made.py:model", answers, ("--signature", f"anew={home}/made.py:anew"), KERAS)


@maker
def package_module(home: Path) -> Made:
    """`package.module:function`, in a package of the working directory: a `tf.Module`"""
    (home / "__init__.py").touch()
    (home / "weights.py").write_text("SCALE = [[2.0], [-0.5]]\n")
    (home / "nets.py").write_text(PACKAGED)
    x = floats(4, 2)
    answer = Answer({"x": x}, {"y": x @ np.float32([[2.0], [-0.5]])})
    return Made(f"{home.parent.name}.{home.name}.nets:build", (answer,))


PACKAGED = """
import tensorflow as tf
from .weights import SCALE

class Net(tf.Module):
    def __init__(self):
        super().__init__()
        self.scale = tf.Variable(SCALE)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x @ self.scale}

def build():
    return Net()
"""


ODD = """
import tensorflow as tf

class Odd(tf.Module):
    @tf.function(input_signature=[])
    def edition(self):
        return {"name": tf.constant("first")}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def joined(self, words):
        return {"text": tf.strings.reduce_join(words, separator=" ")}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.complex64, name="z")])
    def mirrored(self, z):
        return {"z": tf.math.conj(z)}

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="boxes")])
    def far(self, boxes):
        return {"boxes": tf.boolean_mask(boxes, boxes[:, 0] > 1000.0)}

odd = Odd()
"""


@maker
def odd_outputs(home: Path) -> Made:
    """`tf.Module`, `file.py:name`: no input, a text without dimensions, complex numbers, an answer without rows"""
    users_code(home, "made.py", ODD)
    z = np.array([1 + 2j, -0.5j], np.complex64)
    answers = (
        Answer({}, {"name": np.array(b"first", object)}, "edition", ask_rest=False),
        Answer({"words": np.array([b"a", b"b"], object)}, {"text": np.array(b"a b", object)}, "joined"),
        Answer({"z": z}, {"z": np.conj(z)}, "mirrored", ask_rest=False),
        Answer({"boxes": floats(2, 4)}, {"boxes": np.zeros((0, 4), np.float32)}, "far", ask_rest=False),
    )
    return Made(f"{home}/made.py:odd", answers)
