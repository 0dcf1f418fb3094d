"""Makes a source of every kind, with the options to export it and what TensorFlow itself answers.

A maker's docstring is its row in the table of docs/sources.md.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from support.asking import Answer

v1 = tf.compat.v1
KERAS = keras.__version__


@dataclass(frozen=True)
class Made:
    """A source below the directory that it was made in, options of `deployer export`, and TensorFlow's answers."""

    source: str
    answers: tuple[Answer, ...]
    options: tuple[str, ...] = ()
    keras: str | None = None


MAKERS: dict[str, Callable[[Path], Made]] = {}


def maker(function: Callable[[Path], Made]) -> Callable[[Path], Made]:
    MAKERS[function.__name__] = function
    return function


def make(name: str, directory: Path) -> Made:
    """Make it in a directory of its own."""
    (directory / "made").mkdir(exist_ok=True)
    home = directory / "made" / name
    home.mkdir()
    return MAKERS[name](home)


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def affine(directory: Path, signature: str = "serving_default") -> Answer:
    """A SavedModel y = x @ w + b in `directory`, with a lookup table for names; what TensorFlow says."""
    module = tf.Module()
    module.weights, module.bias = tf.Variable(floats(3, 2)), tf.Variable([0.5, -0.5])
    function = tf.function(
        lambda x: {"y": x @ module.weights + module.bias}, input_signature=[tf.TensorSpec([None, 3], name="x")]
    )
    tf.saved_model.save(module, str(directory), signatures={signature: function})
    x = floats(4, 3)
    return Answer({"x": x}, {"y": function(x)["y"].numpy()})


@maker
def saved_model_directory(home: Path) -> Made:
    """SavedModel directory of TensorFlow 2"""
    return Made(str(home / "m"), (affine(home / "m"),))


@maker
def saved_model_default(home: Path) -> Made:
    """SavedModel without `serving_default` (`--default-signature`)"""
    answer = affine(home / "m", "score")
    again = Answer(answer.inputs, answer.outputs, "score")
    return Made(str(home / "m"), (answer, again), ("--default-signature", "score"))


@maker
def saved_model_tar_gz(home: Path) -> Made:
    """SavedModel archive, `.tar.gz`"""
    answer = affine(home / "m")
    return Made(shutil.make_archive(str(home / "packed"), "gztar", home / "m"), (answer,))


@maker
def saved_model_zip(home: Path) -> Made:
    """SavedModel archive, `.zip`, with the SavedModel in a directory of versions"""
    answer = affine(home / "m" / "7")
    return Made(shutil.make_archive(str(home / "packed"), "zip", home, "m"), (answer,))


def hub_module(directory: Path) -> Answer:
    """A module of TensorFlow Hub's first format: no tag and `train`, a signature `default` without a method."""
    builder = v1.saved_model.Builder(str(directory))
    x = floats(2, 3)
    for tags in ([], ["train"]):
        with tf.Graph().as_default(), v1.Session() as session:
            given = v1.placeholder(tf.float32, [None, 3], "x")
            weights = v1.get_variable("w", initializer=floats(3, 2), use_resource=False)
            result = tf.matmul(given, weights) * (1.0 if tags else 2.0)
            infos = [v1.saved_model.utils.build_tensor_info(tensor) for tensor in (given, result)]
            declared = v1.saved_model.build_signature_def({"x": infos[0]}, {"default": infos[1]})
            session.run(v1.global_variables_initializer())
            if tags:
                builder.add_meta_graph(tags, {"default": declared})
            else:
                outputs = session.run(result, {given: x})
                builder.add_meta_graph_and_variables(session, tags, {"default": declared})
    builder.save()
    (directory / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return Answer({"x": x}, {"default": outputs})


@maker
def hub_directory(home: Path) -> Made:
    """TF Hub module of TensorFlow 1 (`--tags ''`, several MetaGraphs)"""
    return Made(str(home / "m"), (hub_module(home / "m"),), ("--tags", "", "--default-signature", "default"))


TF1 = """
import tensorflow.compat.v1 as tf
tf.disable_v2_behavior()

def build():
    words = tf.placeholder(tf.string, [None], "words")
    x = tf.placeholder(tf.float32, [None, 2], "x")
    keys = tf.lookup.TextFileInitializer(
        VOCABULARY, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    table = tf.lookup.StaticHashTable(keys, -1)
    weights = tf.get_variable("w", initializer=[[1.5], [-2.0]])
    calls = tf.get_local_variable("offset", initializer=10.0, use_resource=True)
    y = tf.identity(tf.matmul(x, weights) + calls, "y")
    return {"words": words, "x": x}, {"id": tf.identity(table.lookup(words), "id"), "y": y}

def session():
    inputs, outputs = build()
    session = tf.Session()
    session.run([tf.global_variables_initializer(), tf.local_variables_initializer(), tf.tables_initializer()])
    return session, inputs, outputs
"""
WRITE = """
import sys
exec(open("tf1.py").read())
import keras
import numpy as np
session, inputs, outputs = session()
feed = {inputs["words"]: [b"green", b"?"], inputs["x"]: [[1.0, 2.0], [0.5, 0.0]]}
np.savez("answers.npz", **session.run(outputs, feed))
tf.train.Saver().save(session, "model.ckpt")
keep = ["id", "y", [op.name for op in session.graph.get_operations() if op.type.startswith("InitializeTable")][0]]
frozen = tf.graph_util.convert_variables_to_constants(session, session.graph.as_graph_def(), keep)
open("frozen.pb", "wb").write(frozen.SerializeToString())
"""
GRAPH_OPTIONS = tuple(
    part
    for flag, name in (("input", "words"), ("input", "x"), ("output", "id"), ("output", "y"))
    for part in (f"--graph-{flag}", f"{name}={name}:0")
)


def tf1_model(home: Path) -> Answer:
    """`tf1.py`, what it writes (frozen.pb, model.ckpt.*), and what its session says; made once in a directory."""
    if not home.is_dir():
        home.mkdir()
        (home / "words.txt").write_text("red\ngreen\n")
        (home / "tf1.py").write_text(TF1.replace("VOCABULARY", repr(str(home / "words.txt"))))
        subprocess.run([sys.executable, "-c", WRITE], cwd=home, check=True, timeout=120, capture_output=True)
    inputs = {"words": np.array([b"green", b"?"], object), "x": np.float32([[1, 2], [0.5, 0]])}
    return Answer(inputs, dict(np.load(home / "answers.npz")))


@maker
def session(home: Path) -> Made:
    """Session of TensorFlow 1, `file.py:function`, with a lookup table and local variables"""
    answer = tf1_model(home.parent / "tf1")
    return Made(f"{home.parent}/tf1/tf1.py:session", (answer,))


@maker
def checkpoint(home: Path) -> Made:
    """Checkpoint of TensorFlow 1 with its `.meta` graph"""
    answer = tf1_model(home.parent / "tf1")
    return Made(f"{home.parent}/tf1/model.ckpt.meta", (answer,), GRAPH_OPTIONS)


@maker
def frozen_graph(home: Path) -> Made:
    """Frozen GraphDef, `.pb`, with a lookup table"""
    answer = tf1_model(home.parent / "tf1")
    return Made(f"{home.parent}/tf1/frozen.pb", (answer,), GRAPH_OPTIONS)


SIGNATURES = """
import keras
import tensorflow as tf
import tf_keras

keras.utils.set_random_seed(3)
image = keras.Input((4, 4, 3), name="image")
model = keras.Model(image, keras.layers.Dense(5, name="scores")(keras.layers.Flatten()(image / 255.0)))

@tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 3], tf.float32, "image"), tf.TensorSpec([], tf.int32, "k")])
def best(image, k):
    values, places = tf.math.top_k(model(image), k)
    return {"values": values, "places": places}

def doubled(model):
    @tf.function(input_signature=[tf.TensorSpec([None, 4, 4, 3], tf.float32, name="image")])
    def twice(image):
        return {"twice": 2.0 * model(image)}
    return twice
"""


def own_module(home: Path) -> Any:
    (home / "made.py").write_text(SIGNATURES)
    spec = importlib.util.spec_from_file_location("made_signatures", home / "made.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@maker
def own_signatures(home: Path) -> Made:
    """Keras 3 model, `file.py:name`, with functions of the user (`--signature`) and wrappers (`--serve-as`)"""
    made = own_module(home)
    images = np.random.default_rng(5).integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    given = {"image": images.astype(np.float32)}
    scores = {"scores": made.model(given["image"]).numpy()}
    pictures = np.array([tf.io.encode_png(image).numpy() for image in images], object)
    examples = np.array([example(image.ravel().astype(float)) for image in images], object)
    best = {name: tensor.numpy() for name, tensor in made.best(given["image"], 2).items()}
    answers = (
        Answer(given, scores),
        Answer({**given, "k": np.int32(2)}, best, "best"),
        Answer(given, {"twice": 2 * scores["scores"]}, "doubled"),
        Answer({"image_bytes": pictures}, scores, "jpeg"),
        Answer({"examples": examples}, scores, "examples"),
    )
    options = ["--signature", "best=best", "--signature", f"doubled={home}/made.py:doubled"]
    return Made(f"{home}/made.py:model", answers, (*options, "--serve-as", "jpeg", "--serve-as", "examples"), KERAS)


def example(values: Any) -> bytes:
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Example(features=tf.train.Features(feature={"image": feature})).SerializeToString()


LAYER = """
import keras

class Waves(keras.layers.Layer):
    def call(self, x):
        return keras.ops.sin(x)

LAYERS = {"Waves": Waves}
"""


@maker
def custom_objects(home: Path) -> Made:
    """Keras 3 file, `.keras`, with a layer of the user (`--custom-objects`)"""
    (home / "layers.py").write_text(LAYER)
    spec = importlib.util.spec_from_file_location("layers_of_custom_objects", home / "layers.py")
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    model = keras.Sequential([keras.Input((3,), name="x"), layers.Waves(), keras.layers.Dense(2, name="y")])
    model.save(home / "waves.keras")
    x = floats(4, 3)
    answer = Answer({"x": x}, {"y": model(x).numpy()})
    return Made(f"{home}/waves.keras", (answer,), ("--custom-objects", f"{home}/layers.py:LAYERS"), KERAS)


@maker
def tf_keras_file(home: Path) -> Made:
    """Keras 2 file, `.h5` (tf_keras)"""
    model = tf_keras.Sequential([tf_keras.Input((3,), name="x"), tf_keras.layers.Dense(2, name="y")])
    model.save(home / "old.h5")
    x = floats(4, 3)
    return Made(f"{home}/old.h5", (Answer({"x": x}, {"y": model(x).numpy()}),), keras=tf_keras.__version__)


@maker
def weights_file(home: Path) -> Made:
    """Keras 3 weights file with a model function (`--weights`)"""
    (home / "build.py").write_text(
        "import keras\n\n\ndef build():\n"
        "    return keras.Sequential([keras.Input((3,), name='x'), keras.layers.Dense(2, name='y')])\n"
    )
    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2, name="y")])
    model.save_weights(home / "best.weights.h5")
    x = floats(4, 3)
    answer = Answer({"x": x}, {"y": model(x).numpy()})
    return Made(f"{home}/build.py:build", (answer,), ("--weights", f"{home}/best.weights.h5"), KERAS)
