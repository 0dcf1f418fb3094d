"""`deployer export` of a Keras file against the least that anyone must do: save it, and load what was saved once.

Time and the peak of memory; a model of 1 GB must take at most 1.25 times either.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import DEPLOYER, alternate, peak_megabytes, process, show

ROUNDS = {1: 3, 64: 3, 1024: 2}
"""By the megabytes of the model."""
BASELINE, OURS = "tf.saved_model.save and one load", "deployer export"
MODELS = str(Path(__file__).with_name("models.py"))
BARE = """
import sys
import keras
import tensorflow as tf

tf.saved_model.save(keras.saving.load_model(sys.argv[1], compile=False), sys.argv[2])
tf.saved_model.load(sys.argv[2])
"""


def main() -> None:
    """A small file, in which the import of TensorFlow is nearly all, and larger ones."""
    for megabytes, rounds in ROUNDS.items():
        with tempfile.TemporaryDirectory() as directory:
            source = str(Path(directory) / "model.keras")
            process(sys.executable, MODELS, "keras", source, str(megabytes))()
            peaks: dict[str, int] = {}
            candidates = {
                BASELINE: _alone(BASELINE, peaks, Path(directory), sys.executable, "-c", BARE, source, "bare"),
                OURS: _alone(OURS, peaks, Path(directory), DEPLOYER, "export", source, "--name", "m", "--force", "-q"),
            }
            seconds = alternate(rounds, candidates)
            show(f"Export of a Keras file of {megabytes:,} MB", seconds, BASELINE)
            print(f"\nPeak of memory: {peaks[BASELINE]:,} MB and {peaks[OURS]:,} MB.", flush=True)


def _alone(name: str, peaks: dict[str, int], directory: Path, *command: str) -> Callable[[], None]:
    """A candidate that notes its peak of memory, and whose output is gone before the next one writes."""

    def run() -> None:
        for made in ("bare", "models"):
            shutil.rmtree(directory / made, ignore_errors=True)
        peaks[name] = max(peaks.get(name, 0), peak_megabytes(*command, cwd=directory))

    return run
