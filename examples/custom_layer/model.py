"""A model with its own layer class: `deployer up model.py:model --name waves`.

`python model.py` trains the model and writes waves.keras. That file does not contain the code of the layer `Waves`;
`model` below loads it after the layer is defined.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

SAVED = Path(__file__).with_name("waves.keras")


class Waves(keras.layers.Layer):
    """Sines and cosines of the input at learned frequencies: `float32[?,1]` becomes `float32[?,2*count]`."""

    def __init__(self, count: int, **more: Any) -> None:
        super().__init__(**more)
        self.count = count

    def build(self, _: Any) -> None:
        """Start with the frequencies 1, 2, 3 and so on."""
        self.frequencies = self.add_weight(shape=(1, self.count), name="frequencies")
        self.frequencies.assign(np.arange(1, self.count + 1, dtype="float32")[None])

    def call(self, inputs: Any) -> Any:
        """The features of a batch."""
        phases = ops.matmul(inputs, self.frequencies)
        return ops.concatenate([ops.sin(phases), ops.cos(phases)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What Keras keeps in the file to make the layer again."""
        return {**super().get_config(), "count": self.count}


def model() -> keras.Model:
    """The trained model."""
    return keras.saving.load_model(SAVED, custom_objects={"Waves": Waves}, compile=False)


def train() -> keras.Model:
    """Learn y = sin(3 x) + x / 2 from noisy points."""
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(1).uniform(-3, 3, (2000, 1)).astype("float32")
    y = np.sin(3 * x) + x / 2 + np.random.default_rng(2).normal(0, 0.05, x.shape).astype("float32")
    position = keras.Input((1,), name="x")
    hidden = keras.layers.Dense(32, activation="relu")(Waves(4)(position))
    network = keras.Model(position, keras.layers.Dense(1, name="y")(hidden), name="waves")
    network.compile(keras.optimizers.Adam(0.01), "mse")
    network.fit(x, y, epochs=15, batch_size=64, verbose=0)
    return network


if __name__ == "__main__":
    train().save(SAVED)
    print(f"{SAVED.name} is written")
