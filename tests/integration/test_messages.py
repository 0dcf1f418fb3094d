"""The vendored messages are those of the installed packages, and leave a later import of TensorFlow unharmed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from deployer.savedmodel.message_pool import DESCRIPTORS

ROOT = Path(__file__).parents[2]


def run(code: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_tensorflow_imports_whole_after_them_and_reads_their_bytes():
    code = (
        "from deployer.savedmodel.messages import message_class;"
        "made = message_class('tensorflow.TensorProto')(dtype=1, float_val=[1.0]);"
        "import tensorflow as tf; from tensorflow_serving.apis import predict_pb2;"
        "read = predict_pb2.PredictRequest(); read.inputs['x'].MergeFromString(made.SerializeToString());"
        "print(tf.make_ndarray(read.inputs['x']).tolist())"
    )
    assert run(code) == "1.0"


def test_they_are_what_the_installed_packages_declare():
    """`python requirements/messages.py` writes them again."""
    code = "import hashlib, runpy; made = runpy.run_path('requirements/messages.py')['descriptors']();"
    found = run(f"{code} print(hashlib.sha256(made).hexdigest())")
    assert found == hashlib.sha256(DESCRIPTORS.read_bytes()).hexdigest()


def test_the_script_that_asks_tensorflow_for_its_ops_reads_them_with_these_messages():
    code = (
        "import runpy; from pathlib import Path; import importlib.util;"
        "made = runpy.run_path('requirements/op_sets.py');"
        "directory = Path(importlib.util.find_spec('tensorflow').origin).parents[1];"
        "print('MatMul' in made['ops_of'](directory))"
    )
    assert run(code) == "True"
