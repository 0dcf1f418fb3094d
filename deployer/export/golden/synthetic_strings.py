"""Generate strings that a model can parse: serialized tf.Example messages and encoded images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployer.client import tf_examples
from deployer.export.golden.string_inputs import Feature
from deployer.export.runtime import tensorflow, tf_module

if TYPE_CHECKING:
    from numpy.random import Generator

SAMPLE_TEXTS = ("a", "green", "house", "seven trees", "Zürich", "東京", "0.5", "no")
OPEN_LENGTHS = (2, 1, 3)
IMAGE_SIDE = 16


def examples(features: Sequence[Feature], count: int, rng: Generator, *, narrow: bool) -> list[bytes]:
    """Return tf.Examples with every feature; features of open length vary in their number of values."""
    dtypes = {feature.name: feature.dtype for feature in features}
    return [
        tf_examples.build({feature.name: _values(feature, position, rng, narrow) for feature in features}, dtypes)
        for position in range(count)
    ]


def _values(feature: Feature, position: int, rng: Generator, narrow: bool) -> list[str | int | float]:
    open_length = OPEN_LENGTHS[position % len(OPEN_LENGTHS)]
    shape = feature.shape if feature.shape is not None else (None,)
    count = math.prod(open_length if size is None else size for size in shape)
    if feature.dtype == "string":
        return [str(word) for word in rng.choice(SAMPLE_TEXTS, size=count).tolist()]
    if narrow or feature.dtype == "int64":
        return list(rng.integers(0, 2 if narrow else 10, size=count).tolist())
    return [round(float(value), 3) for value in rng.standard_normal(count)]


def images(count: int, rng: Generator) -> list[bytes]:
    """Return small JPEGs, which TensorFlow's decoders of every format accept."""
    tf = tensorflow()
    pixels = rng.integers(0, 256, size=(count, IMAGE_SIDE, IMAGE_SIDE, 3)).astype("uint8")
    with tf_module("tensorflow.python.eager.context").eager_mode():
        return [bytes(tf.io.encode_jpeg(image, quality=90).numpy()) for image in pixels]
