"""Keras files belong to no backend; code may ask for one that a SavedModel cannot have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.errors import ExportFailed

CODE = """
    import os
    {before}
    import keras
    import tensorflow as tf

    def model():
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def function(x):
        return x
"""
NOTES = """
import sys
from pathlib import Path
from deployer import export
request = export.ExportRequest(sys.argv[1])
print(*export.save(request, Path(sys.argv[2]), lambda told: None).notes, sep="\\n")
"""


def test_a_keras_file_is_loaded_with_tensorflow_whatever_is_set(tmp_path: Path) -> None:
    import keras

    x = keras.Input((None, 1))
    path, target = tmp_path / "m.keras", tmp_path / "out"
    target.mkdir()
    keras.Model(x, keras.ops.cumsum(keras.ops.sin(x), axis=1)).save(path)
    done = subprocess.run(
        [sys.executable, "-c", NOTES, str(path), str(target)],
        env={**os.environ, "KERAS_BACKEND": "nonsense"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert "KERAS_BACKEND" in done.stdout
    assert (target / "saved_model.pb").is_file()


@pytest.mark.parametrize("before", ["", 'os.environ["KERAS_BACKEND"] = "torch"'])
def test_code_for_another_backend_is_refused(exporter, monkeypatch, before):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow" if before else "jax")
    file = exporter.file(CODE.format(before=before))
    with pytest.raises(ExportFailed, match="torch" if before else "jax"):
        exporter(f"{file}:model", prove=False)
    assert os.environ["KERAS_BACKEND"] in {"tensorflow", "jax"}
    assert exporter(f"{file}:function", prove=False).notes == ()
