"""From nothing to the first answer: the embedded server against `import tensorflow` and loading the same model."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measure import alternate, process, show
from serving import ours

ROUNDS = 5
BASELINE = "import tensorflow, load, one call"
LOAD = """
import sys
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
model.signatures["serving_default"](x=tf.constant([1.0]))
"""


def main() -> None:
    """half_plus_two, so that nothing but the start counts."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        model = directory / "models" / "half" / "1"
        process(sys.executable, str(Path(__file__).with_name("models.py")), "half", str(model), "0")()

        def first_answer() -> None:
            with ours(directory, "half", [1.0]):
                pass

        candidates = {
            BASELINE: process(sys.executable, "-c", LOAD, str(model)),
            "embedded server, first answer": first_answer,
        }
        show("Start to first answer", alternate(ROUNDS, candidates), BASELINE)
