"""Trains a small network on scikit-learn's 8 x 8 images of handwritten digits, in seconds.

`python train.py` writes digits.keras; `model` is what `deployer up train.py:model` calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


def digits() -> tuple[Any, Any, Any, Any]:
    """Images scaled to 0..1 and their labels: those to learn from, and those to be tested on."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    learn, test, learn_labels, test_labels = train_test_split(images, labels, test_size=0.2, random_state=1)
    return learn, learn_labels, test, test_labels


def model() -> keras.Model:
    """The trained network: a batch of images in, the probabilities of the ten digits out."""
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 1), name="image")
    hidden = keras.layers.Conv2D(16, 3, activation="relu", padding="same")(image)
    hidden = keras.layers.MaxPooling2D()(hidden)
    hidden = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(hidden))
    network = keras.Model(
        image, keras.layers.Dense(10, activation="softmax", name="probabilities")(hidden), name="digits"
    )
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    learn, labels, _, _ = digits()
    network.fit(learn, labels, epochs=30, batch_size=32, verbose=0)
    return network


if __name__ == "__main__":
    trained = model()
    _, _, test, labels = digits()
    _, accuracy = trained.evaluate(test, labels, verbose=0)
    trained.save(HERE / "digits.keras")
    print(f"digits.keras is written: {accuracy:.1%} of {len(labels)} unseen digits are recognised")
