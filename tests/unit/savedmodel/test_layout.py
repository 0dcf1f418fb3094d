"""SavedModels that lie where no server looks are found, each with what to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import ModelNotFound, SourceNotFound
from deployer.rollout.targets import stored
from deployer.savedmodel.layout import find_misplaced
from deployer.store.store import Store


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


def saved_model(directory: Path) -> None:
    directory.mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"")


def found(root: Path) -> list[tuple[str, str, str]]:
    return [(each.name, each.reason, each.remedy) for each in find_misplaced(root)]


def test_versions_of_models_are_where_they_belong(root):
    assert found(root) == []
    saved_model(root / "digits" / "1")
    saved_model(root / "digits" / "20")
    saved_model(root / "digits" / ".stage-x")
    (root / "other").mkdir()
    assert found(root) == []


def test_a_saved_model_without_a_versions_directory_becomes_version_1(root):
    saved_model(root / "digits")
    ((name, reason, remedy),) = found(root)
    assert name == "digits"
    assert reason == f"{root}/digits is a SavedModel without a version's directory: servers look for {root}/digits/1"
    assert remedy.startswith(f"deployer up {root}/digits,")
    saved_model(root / "digits" / "1")
    assert found(root) == []


@pytest.mark.parametrize("name", ["v1", "latest", "0", "1.0", "01"])
def test_a_version_that_is_no_number_gets_one(root, name):
    saved_model(root / "digits" / "4")
    saved_model(root / "digits" / name)
    ((_, reason, remedy),) = found(root)
    assert reason == f"{root}/digits/{name} is no version: its name is not a whole number from 1"
    assert remedy == f"mv {root}/digits/{name} {root}/digits/5"


def test_the_directory_of_one_model_is_no_directory_of_models(root):
    saved_model(root / "1")
    ((name, reason, remedy),) = found(root)
    assert (name, reason) == ("models", f"{root} holds versions of one model (1, ...), and no models")
    assert f"--models-dir {root.parent}" in remedy


def test_a_saved_model_is_no_directory_of_models(root):
    saved_model(root)
    ((_, reason, remedy),) = found(root)
    assert reason == f"{root} is a SavedModel, and no directory of models"
    assert remedy == f"deployer up {root} --models-dir models"


def test_who_names_the_model_is_reported(root):
    saved_model(root / "digits")
    with pytest.raises(SourceNotFound, match="without a version's directory") as caught:
        stored("digits", Store(root))
    assert "it becomes version 1" in (caught.value.hint or "")
    with pytest.raises(ModelNotFound, match="without a version's directory"):
        Store(root).get("digits")
