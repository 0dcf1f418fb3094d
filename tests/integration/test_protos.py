"""The protos without TensorFlow leave a later real import unharmed."""

from __future__ import annotations

import subprocess
import sys


def test_tensorflow_imports_whole_after_them():
    code = (
        "from deployer.savedmodel.protos import proto; pb = proto('tensorflow_serving.apis.predict_pb2');"
        "import tensorflow as tf; r = pb.PredictRequest(); r.inputs['x'].CopyFrom(tf.make_tensor_proto([1.0]));"
        "print(tf.constant(1).numpy() + 1)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ended.stdout.strip() == "2", ended.stderr
