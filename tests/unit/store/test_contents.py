"""The files of a version that may leave the store."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest
from support.world import MODELS

from deployer.errors import BrokenModel
from deployer.results.model import GoldenSummary, Model, Source
from deployer.savedmodel.layout import MANIFEST_FILE
from deployer.store.contents import UNDATED, files_of
from deployer.store.store import Store

HALF = MODELS / "half_plus_two" / "1"


def exported(root: Path, location: str = "/home/somebody/secret/half.keras") -> Model:
    store = Store(root)
    with store.stage("half") as stage:
        shutil.copytree(HALF, stage.directory, dirs_exist_ok=True)
        (stage.directory / MANIFEST_FILE.parent).mkdir(exist_ok=True)
        return store.publish(stage, Source("keras_file", location, "d"), GoldenSummary(1, "made"))


def test_the_recorded_files_and_a_manifest_leave_the_store(tmp_path: Path) -> None:
    model = exported(tmp_path)
    (model.path / "notes.txt").write_text("not exported")
    found = {file.path: file for file in files_of(model)}
    assert {"saved_model.pb", "variables/variables.index", MANIFEST_FILE.as_posix()} <= found.keys()
    assert "notes.txt" not in found
    assert all(file.sha256 for path, file in found.items() if path != MANIFEST_FILE.as_posix())


def test_when_and_where_it_was_exported_stays_behind(tmp_path: Path) -> None:
    first = exported(tmp_path / "a", "/home/somebody/secret/half.keras")
    second = exported(tmp_path / "b", "/srv/half.keras")
    manifests = [next(f.content for f in files_of(each) if f.path == str(MANIFEST_FILE)) for each in (first, second)]
    assert manifests[0] == manifests[1]
    document = json.loads(bytes(manifests[0]))  # type: ignore[arg-type]
    assert (document["source"]["location"], document["created"]) == ("half.keras", UNDATED)
    assert document["files"]


def test_a_version_of_another_tool_has_all_of_its_files(tmp_path: Path) -> None:
    shutil.copytree(HALF, tmp_path / "half" / "1")
    model = Store(tmp_path).get("half")
    assert [file.path for file in files_of(model)] == sorted(
        path.relative_to(HALF).as_posix() for path in HALF.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("kind", ["file", "directory", "dangling", "fifo"])
def test_nothing_outside_a_version_gets_in(tmp_path: Path, kind: str) -> None:
    shutil.copytree(HALF, tmp_path / "half" / "1")
    secret = tmp_path / "secret"
    secret.write_text("key")
    link = tmp_path / "half" / "1" / "assets.txt"
    if kind == "fifo":
        os.mkfifo(link)
    else:
        target = {"file": secret, "directory": tmp_path, "dangling": tmp_path / "nothing"}[kind]
        link.symlink_to(target)
    model = dataclasses.replace(Store(tmp_path).get("half"), path=tmp_path / "half" / "1")
    if kind == "directory":  # a link to a directory is not followed
        assert "assets.txt" not in {file.path for file in files_of(model)}
        return
    with pytest.raises(BrokenModel, match=r"assets\.txt"):
        files_of(model)


def test_a_manifest_cannot_name_a_file_outside_the_version(tmp_path: Path) -> None:
    model = exported(tmp_path)
    (tmp_path / "secret").write_text("key")
    manifest = model.path / MANIFEST_FILE
    document = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**document, "files": {"../../secret": "0" * 64}}))
    with pytest.raises(BrokenModel, match="secret"):
        files_of(model)
