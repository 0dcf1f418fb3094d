"""A model that takes about 20 ms a call, for deploys to busy servers: benchmarks/busy.py and the tests export it."""

import tensorflow as tf

LOOPS = 120


class Slow(tf.Module):
    """Half plus some, after a loop of matrix products."""

    def __init__(self, plus):
        super().__init__()
        self.plus = plus

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        start = tf.eye(128) + 1e-30 * tf.reduce_sum(x)
        turned = tf.while_loop(lambda i, _: i < LOOPS, lambda i, m: (i + 1, m @ tf.eye(128)), (0, start))[1]
        return {"y": x / 2.0 + self.plus + 1e-30 * tf.reduce_sum(turned)}


one, two = Slow(2.0), Slow(3.0)
