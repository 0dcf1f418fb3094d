"""Code and foreign classes in a Keras file are found before anything of it is loaded."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import pytest

from deployer.errors import BrokenModel, ExportFailed, UntrustedCode
from deployer.export.keras import config as keras_config
from deployer.export.keras.config import check_trusted, read_config

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 2}, "registered_name": None}


def model_of(*layers: Any) -> dict[str, Any]:
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "seq", "layers": list(layers)}}


def keras_file(directory: Path, model: Any, version: Any = "3.5.0", leave_out: str = "") -> Path:
    path = directory / "m.keras"
    parts = {"config.json": model, "metadata.json": {"keras_version": version}, "model.weights.h5": ""}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            if name != leave_out:
                archive.writestr(name, json.dumps(content))
    return path


def h5_file(directory: Path, model: Any | None) -> Path:
    path = directory / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"2.15.0"
        if model is not None:
            file.attrs["model_config"] = json.dumps(model)
    return path


def test_a_harmless_file_passes(tmp_path: Path) -> None:
    path = keras_file(tmp_path, model_of(DENSE))
    config = read_config(path)
    check_trusted(path, config)
    assert config.keras_version == "3.5.0"


LAMBDA = {"class_name": "Lambda", "config": {"name": "twice", "function": {"class_name": "__lambda__", "config": {}}}}
NAMELESS = {"class_name": "Foo>Bar", "config": {"name": "outer", "activation": {"class_name": "__lambda__"}}}
NESTED = model_of(DENSE, model_of(DENSE, {"config": [{"deep": LAMBDA}]}))


@pytest.mark.parametrize(
    ("model", "layer"), [(model_of(LAMBDA), "twice"), (model_of(NAMELESS), "outer"), (NESTED, "twice")]
)
@pytest.mark.parametrize("write", [keras_file, h5_file])
def test_marshalled_code_is_refused_by_layer_name(tmp_path: Path, write: Any, model: Any, layer: str) -> None:
    path = write(tmp_path, model)
    with pytest.raises(UntrustedCode, match=f"'{layer}'") as caught:
        check_trusted(path, read_config(path))
    assert "--trust" in str(caught.value.hint)


@pytest.mark.parametrize("module", ["os", "__main__", "mymodel.layers", "builtins", "kerasx"])
def test_a_class_from_elsewhere_is_named_and_its_module_not_imported(tmp_path: Path, module: str) -> None:
    path = keras_file(tmp_path, model_of({"module": module, "class_name": "Thing", "config": {"name": "t"}}))
    with pytest.raises(ExportFailed, match=f"'Thing' of the module '{module}'") as caught:
        check_trusted(path, read_config(path))
    assert "file.py:name" in str(caught.value.hint)


def test_functions_by_name_are_harmless(tmp_path: Path) -> None:
    by_name = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}
    path = keras_file(tmp_path, model_of({**DENSE, "config": {"name": "d", "activation": by_name}}))
    check_trusted(path, read_config(path))


def test_h5_tells_its_writer(tmp_path: Path) -> None:
    assert read_config(h5_file(tmp_path, model_of(DENSE))).keras_version == "2.15.0"


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="holds weights and no model"):
        read_config(h5_file(tmp_path, None))


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
@pytest.mark.parametrize("write", [keras_file, h5_file])
def test_a_cut_file_is_broken(tmp_path: Path, write: Any, keep: int) -> None:
    path = write(tmp_path, model_of(DENSE))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BrokenModel, match="cut short"):
        read_config(path)


@pytest.mark.parametrize("part", keras_config.PARTS)
def test_a_zip_without_a_part_is_broken(tmp_path: Path, part: str) -> None:
    with pytest.raises(BrokenModel, match=part):
        read_config(keras_file(tmp_path, model_of(DENSE), leave_out=part))


@pytest.mark.parametrize("model", [[], "text", 3, None])
def test_a_configuration_that_is_no_object_is_broken(tmp_path: Path, model: Any) -> None:
    with pytest.raises(BrokenModel, match="no JSON object"):
        read_config(keras_file(tmp_path, model))


def test_a_configuration_beyond_all_size_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_config, "MAX_JSON_BYTES", 10)
    with pytest.raises(BrokenModel, match="too large"):
        read_config(keras_file(tmp_path, model_of(DENSE)))


def test_nesting_beyond_all_depth_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"config.json": "[" * 200_000, "metadata.json": "{}", "model.weights.h5": ""}.items():
            archive.writestr(name, content)
    with pytest.raises(BrokenModel):
        read_config(path)
