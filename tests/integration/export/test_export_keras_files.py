"""Keras files as both Kerases write them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.exporting import Exporter

from deployer.errors import BrokenModel, ExportFailed, ExtraMissing, UntrustedCode
from deployer.export.keras import file as keras_file

FAMILIES = ("keras", "tf_keras")
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def keras_of(family: str) -> Any:
    return keras_file.library(family)


def layers_of(family: str, kind: str) -> list[Any]:
    keras = keras_of(family)

    class Plus(keras.layers.Layer):  # type: ignore[name-defined,misc]
        def call(self, x: Any) -> Any:
            return x + 1.0

    return {
        "plain": [keras.layers.Dense(3), keras.layers.BatchNormalization(), keras.layers.Dense(2, name="y")],
        "lambda": [keras.layers.Lambda(lambda x: x * 2.0, output_shape=(4,), name="y")],
        "custom": [Plus(name="y")],
    }[kind]


Write = Callable[..., tuple[Path, Any]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of that family, kind and suffix; gives the path and what the model answers to X."""

    def writing(family: str, kind: str, suffix: str) -> tuple[Path, Any]:
        keras = keras_of(family)
        model = keras.Sequential([keras.Input((4,), name="feat"), *layers_of(family, kind)])
        path = tmp_path / f"{kind}{suffix}"
        model.save(path)
        return path, np.asarray(model(X))

    return writing


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_is_served_with_its_names_and_numbers(
    exporter: Exporter, write: Write, family: str, suffix: str
) -> None:
    path, answer = write(family, "plain", suffix)
    exported = exporter(str(path))
    assert exported.declared() == ({"feat": "float32[?,4]"}, {"y": "float32[?,2]"})
    np.testing.assert_allclose(exported.ask({"feat": X})["y"], answer, rtol=1e-5, atol=1e-6)
    assert exported.summary.cases == 4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_runs_only_when_trusted(exporter: Exporter, write: Write, family: str, suffix: str) -> None:
    path, answer = write(family, "lambda", suffix)
    with pytest.raises(UntrustedCode, match="'y'"):
        exporter(str(path))
    np.testing.assert_allclose(exporter(str(path), trust=True).ask({"feat": X})["y"], answer)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_that_the_file_does_not_carry_is_named(
    exporter: Exporter, write: Write, family: str, suffix: str
) -> None:
    path, _ = write(family, "custom", suffix)
    with pytest.raises(ExportFailed, match="'Plus'") as caught:
        exporter(str(path))
    assert "file.py:name" in str(caught.value.hint)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_whose_weights_are_cut_is_broken(exporter: Exporter, write: Write, family: str) -> None:
    path, _ = write(family, "plain", ".keras")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content[: len(content) // 2] if name.endswith(".h5") else content)
    with pytest.raises(BrokenModel, match="cannot be loaded"):
        exporter(str(path))


def test_a_configuration_that_keras_refuses_is_reported(exporter: Exporter, write: Write, tmp_path: Path) -> None:
    path, _ = write("keras", "plain", ".keras")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1]["config"]["units"] = -3
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**parts, "config.json": json.dumps(config).encode()}.items():
            archive.writestr(name, content)
    with pytest.raises(ExportFailed, match=r"cannot be loaded: .*units"):
        exporter(str(path))


def test_a_file_of_keras_2_needs_tf_keras(exporter: Exporter, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = write("tf_keras", "plain", ".keras")
    monkeypatch.setitem(__import__("sys").modules, "tf_keras", None)
    with pytest.raises(ExtraMissing) as caught:
        exporter(str(path))
    assert caught.value.hint == "pip install tf_keras"


def test_a_file_of_a_later_keras_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_of("keras"), "__version__", "2.15.0")
    with pytest.raises(ExtraMissing, match=r"written by Keras 3\.9"):
        keras_file._keras_for("3.9.0")
    assert keras_file._keras_for("2.15.0").__name__ == "keras"


def test_a_signature_that_is_asked_for_must_be_there(exporter: Exporter, write: Write) -> None:
    path, _ = write("keras", "plain", ".keras")
    with pytest.raises(ExportFailed, match="no signature 'serve'; it has serving_default"):
        exporter(str(path), signature="serve")
    assert exporter(str(path), signature="serving_default", prove=False).names() == ["serving_default"]
