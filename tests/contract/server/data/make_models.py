"""Write the SavedModels that no recording asks: `counting`, `compiled` and `looping`.

python make_models.py OUT_DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

import tensorflow as tf


class Counting(tf.Module):
    """Tells of an answer in which run and among how many rows it was made.

    Half plus two over scalars, the sums of rows of any width, and classes and values of examples.
    """

    def __init__(self):
        super().__init__()
        self.runs = tf.Variable(0, dtype=tf.int64)

    def _told(self, like):
        """The number of this run and of its rows, once for every row."""
        rows = tf.shape(like)[0]
        run = self.runs.assign_add(1)
        return {"run": tf.repeat(run, rows), "rows": tf.repeat(rows, rows)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def half_plus_two(self, x):
        return {"y": x / 2 + 2, **self._told(x)}

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def total(self, x):
        width = tf.repeat(tf.shape(x)[1], tf.shape(x)[0])
        return {"total": tf.reduce_sum(x, axis=1), "width": width, **self._told(x)}

    def _parsed(self, examples):
        return tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        rows = tf.repeat(tf.shape(inputs)[:1], tf.shape(inputs)[0])[:, None]
        return {"classes": tf.strings.as_string(rows), "scores": self._parsed(inputs)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs):
        return {"outputs": self._parsed(inputs) + 0.5}


class Compiled(tf.Module):
    """Half plus two, by XLA alone."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")], jit_compile=True)
    def half_plus_two(self, x):
        return {"y": x / 2 + 2}


class Looping(tf.Module):
    """Counts to the largest of its numbers, one after the other; each answer is that number."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="x")])
    def count(self, x):
        most = tf.reduce_max(x)
        (counted,) = tf.while_loop(lambda n: n < most, lambda n: (n + 1,), (tf.zeros((), tf.int64),))
        return {"y": tf.fill(tf.shape(x), counted)}


if __name__ == "__main__":
    looping = Looping()
    tf.saved_model.save(looping, str(Path(sys.argv[1]) / "looping" / "1"), signatures=looping.count)
    compiled = Compiled()
    tf.saved_model.save(compiled, str(Path(sys.argv[1]) / "compiled" / "1"), signatures=compiled.half_plus_two)
    counting = Counting()
    signatures = {
        "serving_default": counting.half_plus_two,
        "total": counting.total,
        "classify": counting.classify,
        "regress": counting.regress,
    }
    tf.saved_model.save(counting, str(Path(sys.argv[1]) / "counting" / "1"), signatures=signatures)
