"""Paths where a name is expected, and paths of the store, which are the versions in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.memory.linear import Linear, publish
from support.world import MODELS

from deployer.store.store import Store


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for version in (1, 2):
        publish(Store(tmp_path / "models"), "m", Linear(0.5, float(version)), version)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "target"), [("models/m/1", "m:1"), ("./models/m/2/", "m:2"), ("models/m", "m"), ("{}/models/m/1", "m:1")]
)
def test_a_directory_of_the_store_is_read_with_its_manifest(directory, path, target):
    shown = in_process("inspect", path.format(directory), "--json", cwd=directory)
    assert shown.code == 0, shown.err
    assert shown.json == in_process("inspect", target, "--json", cwd=directory).json
    assert shown.json["model"]["golden"]["cases"] > 0


def test_a_version_with_a_broken_manifest_is_shown_by_its_files(directory):
    shutil.copytree(MODELS / "half_plus_two" / "1", directory / "models" / "m" / "3")
    extra = directory / "models" / "m" / "3" / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / "manifest.json").write_text("{")
    shown = in_process("inspect", "models/m/3", "--json", cwd=directory)
    assert (shown.code, shown.json["stored"]) == (0, False), shown.err


@pytest.mark.parametrize("path", ["m.keras", "some/m.keras", "models/m"])
@pytest.mark.parametrize("known", [True, False])
def test_diff_says_that_it_takes_a_name_and_no_path(directory, path, known):
    source = directory / path
    source.parent.mkdir(exist_ok=True)
    source.exists() or source.touch()
    if not known:
        shutil.rmtree(directory / "models" / "m" / "1")
        shutil.rmtree(directory / "models" / "m" / "2")
    refused = in_process("diff", path, "1", "2", cwd=directory)
    assert (refused.code, "takes the NAME" in refused.err) == (2, True)
    assert f"deployer diff {'m' if known else 'NAME'} 1 2" in refused.err


def test_diff_of_a_name_that_is_no_path_names_what_the_store_has(directory):
    assert in_process("diff", "other", "1", "2", cwd=directory).code == 4


@pytest.mark.parametrize("models_dir", ["/proc/nowhere", "file"])
def test_a_store_that_cannot_be_made_is_an_error_at_once(directory, models_dir):
    (directory / "file").touch()
    refused = in_process("export", str(MODELS / "half_plus_two" / "1"), "--models-dir", models_dir, cwd=directory)
    assert refused.code != 0
    assert models_dir in refused.err
