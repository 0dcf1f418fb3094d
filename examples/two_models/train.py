"""Trains two models on Fisher's irises: which species a flower is of, and how wide its petals are.

`python train.py` writes species.keras and petal_width.keras, which deployer.toml names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from sklearn.datasets import load_iris

HERE = Path(__file__).parent


def species() -> keras.Model:
    """Sepal length and width, petal length and width (cm) in, the probabilities of the three species out."""
    flowers, kinds = load_iris(return_X_y=True)
    network = _network("flower", flowers, keras.layers.Dense(3, activation="softmax", name="probabilities"))
    return _trained(network, flowers, kinds, "sparse_categorical_crossentropy")


def petal_width() -> keras.Model:
    """Sepal length and width and petal length (cm) in, the petal's width (cm) out."""
    flowers, _ = load_iris(return_X_y=True)
    network = _network("measures", flowers[:, :3], keras.layers.Dense(1, name="width"))
    return _trained(network, flowers[:, :3], flowers[:, 3], "mse")


def _network(name: str, rows: Any, last: keras.layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(1)
    rows_in = keras.Input(rows.shape[1:], name=name)
    scale = keras.layers.Normalization(mean=rows.mean(0), variance=rows.var(0))
    hidden = keras.layers.Dense(16, activation="relu")(scale(rows_in))
    return keras.Model(rows_in, last(hidden))


def _trained(network: keras.Model, rows: Any, wanted: Any, loss: str) -> keras.Model:
    network.compile(keras.optimizers.Adam(0.01), loss)
    network.fit(rows, wanted, epochs=40, batch_size=16, verbose=0)
    return network


if __name__ == "__main__":
    for learn in (species, petal_width):
        learn().save(HERE / f"{learn.__name__}.keras")
        print(f"{learn.__name__}.keras is written")
