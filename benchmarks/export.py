"""`deployer export` of a Keras file against the least that anyone must do: save it, and load what was saved once."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path

from measure import DEPLOYER, alternate, process, show

ROUNDS = 3
SIZES = (1, 64)
MODELS = str(Path(__file__).with_name("models.py"))
BARE = """
import sys
import keras
import tensorflow as tf

tf.saved_model.save(keras.saving.load_model(sys.argv[1], compile=False), sys.argv[2])
tf.saved_model.load(sys.argv[2])
"""


def main() -> None:
    """A small file, in which the import of TensorFlow is nearly all, and a larger one."""
    for megabytes in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            source = str(Path(folder) / "model.keras")
            process(sys.executable, MODELS, "keras", source, str(megabytes))()
            candidates = {
                "tf.saved_model.save and one load": _bare(Path(folder), source),
                "deployer export": process(
                    DEPLOYER, "export", source, "--name", "m", "--force", "-q", cwd=Path(folder)
                ),
            }
            seconds = alternate(ROUNDS, candidates)
            show(f"Export of a Keras file of {megabytes} MB", seconds, "tf.saved_model.save and one load")


def _bare(folder: Path, source: str) -> Callable[[], None]:
    numbers = count()

    def run() -> None:
        process(sys.executable, "-c", BARE, source, str(folder / f"bare-{next(numbers)}"))()

    return run
