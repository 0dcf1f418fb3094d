"""The backend of Keras that the environment asks for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.errors import ExportFailed
from deployer.export import keras_backend


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return tmp_path / "keras.json"


@pytest.mark.parametrize("name", ["jax", "torch", "nonsense"])
def test_another_backend_is_noted_and_not_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", name)
    assert [name in note for note in keras_backend.backend_note()] == [True]
    with keras_backend.tensorflow_backend():
        assert os.environ["KERAS_BACKEND"] == "tensorflow"
    assert os.environ["KERAS_BACKEND"] == name
    with pytest.raises(ExportFailed, match=name):
        keras_backend.require_tensorflow("train.py:model")


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ('{"backend": "jax"}', 1),
        ('{"backend": "tensorflow"}', 0),
        ("{}", 0),
        ("[]", 0),
        ("{", 0),
        ('{"backend": 1}', 1),
    ],
)
def test_keras_own_settings_are_read(home: Path, text: str, notes: int) -> None:
    home.write_text(text)
    assert len(keras_backend.backend_note()) == notes
    keras_backend.require_tensorflow("train.py:model")


def test_the_variable_goes_before_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write_text('{"backend": "jax"}')
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert keras_backend.backend_note() == ()


def test_what_code_sets_ends_with_it() -> None:
    with keras_backend.restored():
        os.environ["KERAS_BACKEND"] = "torch"
        with pytest.raises(ExportFailed):
            keras_backend.require_tensorflow("train.py:model")
    assert "KERAS_BACKEND" not in os.environ
    assert keras_backend.backend_note() == ()
