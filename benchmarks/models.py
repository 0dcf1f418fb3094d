"""Writes a model for a benchmark, in a process of its own: `python models.py KIND PATH`."""

from __future__ import annotations

import sys

MEGABYTE = 2**20


def keras_file(path: str, megabytes: int) -> None:
    """A `.keras` file with two wide layers of about that many megabytes together."""
    import keras

    width = int((megabytes * MEGABYTE / 8) ** 0.5)
    network = keras.Sequential(
        [keras.Input((width,), name="x"), keras.layers.Dense(width, "relu"), keras.layers.Dense(width, name="y")]
    )
    network.save(path)


def saved_model(path: str, megabytes: int) -> None:
    """A SavedModel that looks rows up in a table of that many megabytes."""
    import tensorflow as tf

    rows = megabytes * MEGABYTE // (256 * 4)

    class Table(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = tf.Variable(tf.random.stateless_normal((rows, 256), seed=(1, 2)), name="table")

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="row")])
        def look_up(self, row):
            return {"values": tf.gather(self.table, row % rows)}

    table = Table()
    tf.saved_model.save(table, path, signatures=table.look_up)


def half(path: str, _: int) -> None:
    """half_plus_two with one float a row."""
    import tensorflow as tf

    class Half(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def call(self, x):
            return {"y": x / 2 + 2}

    model = Half()
    tf.saved_model.save(model, path, signatures=model.call)


def wide(path: str, _: int) -> None:
    """One row in, about 4 MB of JSON out: 350,000 floats of all digits."""
    import tensorflow as tf

    class Wide(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def call(self, x):
            return {"y": x[:, None] * tf.random.stateless_uniform((350_000,), seed=(1, 2))}

    model = Wide()
    tf.saved_model.save(model, path, signatures=model.call)


def dense(path: str, _: int) -> None:
    """A 784-128-10 net."""
    import keras

    keras.Sequential(
        [keras.Input((784,), name="x"), keras.layers.Dense(128, "relu"), keras.layers.Dense(10, "softmax")]
    ).export(path, verbose=False)


def deep(path: str, _: int) -> None:
    """Eight layers of 1,024 whose weights alone take the time: many rows cost little more than one."""
    import keras

    hidden = [keras.layers.Dense(1024, "relu") for _ in range(8)]
    network = keras.Sequential([keras.Input((4,), name="x"), *hidden, keras.layers.Dense(1, name="y")])
    network.export(path, verbose=False)


if __name__ == "__main__":
    makers = (saved_model, half, wide, dense, deep)
    kinds = {"keras": keras_file, **{maker.__name__: maker for maker in makers}}
    kinds[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
