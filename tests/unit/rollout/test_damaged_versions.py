"""A version whose files changed since its export: refused before anything starts, whatever command deploys it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.memory.linear import FILE
from support.memory.project import NAME, Project

from deployer.errors import BrokenModel
from deployer.results.plan import Change
from deployer.store import integrity

LARGE = integrity.SMALL_BYTES + 1


def large_file(project: Project, version: int) -> Path:
    """Add a file to a version that is too large to be compared always, as its export would have recorded it."""
    model = project.store.get(NAME, version)
    file = model.path / "variables.large"
    file.write_bytes(b"\0" * LARGE)
    manifest = integrity.MANIFEST_FILE
    text = (model.path / manifest).read_text()
    digest = integrity.sha256(file)
    (model.path / manifest).write_text(text.replace('"files": {', f'"files": {{"{file.name}": "{digest}", ', 1))
    return file


def change_unseen(file: Path) -> None:
    """Change a byte of a file, and neither its size nor its time."""
    found = file.stat()
    with file.open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        opened.write(b"x")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


def append(project: Project, version: int) -> Path:
    file = project.store.get(NAME, version).path / FILE
    with file.open("ab") as opened:
        opened.write(b" ")
    return file


def remove(project: Project, version: int) -> Path:
    file = project.store.get(NAME, version).path / FILE
    file.unlink()
    return file


def replace_unseen(project: Project, version: int) -> Path:
    file = large_file(project, version)
    change_unseen(file)
    return file


DAMAGES = [append, remove, replace_unseen]
COMMANDS: dict[str, Callable[..., object]] = {
    "up": lambda project, **more: project.up(f"{NAME}:2", **more),
    "redeploy": lambda project, **more: project.redeploy(2, **more),
}


def refused(command: Callable[[], object], file: Path, version: int = 2) -> None:
    with pytest.raises(BrokenModel, match=f"{NAME}:{version} is damaged") as error:
        command()
    assert str(file) in error.value.message
    assert "--force" in str(error.value.hint)
    assert error.value.exit_code == 4


@pytest.mark.parametrize(("dry_run", "skip_gate"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_version_is_not_deployed(serving: Project, command, damage, dry_run, skip_gate):
    file = damage(serving, 2)
    refused(lambda: COMMANDS[command](serving, dry_run=dry_run, skip_gate=skip_gate), file)
    if damage is not replace_unseen or dry_run or skip_gate:
        assert not serving.platform.done["stage"]
    assert not serving.platform.done["write_config"]
    serving.check(1)


@pytest.mark.parametrize(("dry_run", "skip_gate"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_first_server_of_a_damaged_version_is_not_started(project: Project, damage, dry_run, skip_gate):
    file = damage(project, 2)
    refused(lambda: project.up(f"{NAME}:2", dry_run=dry_run, skip_gate=skip_gate), file)
    assert project.engine.observe(NAME, "local") is None
    assert not project.platform.all()


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("damage", [append, remove])
def test_a_version_that_serves_and_is_damaged_is_not_up_to_date(serving: Project, damage, dry_run):
    file = damage(serving, 1)
    refused(lambda: serving.up(f"{NAME}:1", dry_run=dry_run), file, 1)
    serving.check(1)


@pytest.mark.parametrize("damage", [append, replace_unseen])
def test_a_label_is_not_moved_to_a_damaged_version(serving: Project, damage):
    file = damage(serving, 2)
    refused(lambda: serving.label(canary=2), file)
    serving.check(1)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("damage", [append, replace_unseen])
def test_a_version_that_is_loaded_and_damaged_takes_no_more_traffic(serving: Project, damage, dry_run):
    serving.label(stable=1, canary=2)
    file = damage(serving, 2)
    refused(lambda: serving.up(f"{NAME}:2", dry_run=dry_run), file)
    serving.check(1, 2, labels={"stable": 1, "canary": 2})


def test_a_rollback_goes_back_to_what_is_loaded_without_its_files(serving: Project):
    serving.redeploy(2, keep=True)
    append(serving, 1)
    serving.rollback()
    assert serving.served().versions == (1,)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_rollback_to_a_damaged_version_is_refused(serving: Project, damage):
    serving.redeploy(2)
    damage(serving, 1)
    with pytest.raises(BrokenModel, match=f"{NAME}:1"):
        serving.rollback()
    serving.check(2)


def test_another_setting_does_not_start_a_server_of_a_damaged_version(serving: Project):
    file = append(serving, 1)
    (serving.directory / "deployer.toml").write_text("[server]\nflags = { rest_api_num_threads = 3 }\n")
    refused(lambda: serving.up(f"{NAME}:1"), file, 1)
    assert serving.observed().running


@pytest.mark.parametrize("skip_gate", [False, True])
def test_each_file_is_read_once(serving: Project, monkeypatch, skip_gate):
    file = large_file(serving, 2)
    read: list[Path] = []
    digest = integrity.sha256
    monkeypatch.setattr(integrity, "sha256", lambda path: read.append(path) or digest(path))
    result = serving.redeploy(2, skip_gate=skip_gate)
    assert result.plan.change is Change.RELOAD
    assert read.count(file) == 1
    assert len(read) == len(set(read))


def test_a_file_that_changed_after_it_was_compared_is_compared_again(tmp_path: Path, project: Project):
    file = large_file(project, 1)
    version = project.store.get(NAME, 1).path
    assert not integrity.find_damage(version, every_file=True)
    change_unseen(file)
    assert str(file) in integrity.find_damage(version, every_file=True)
    assert not integrity.find_damage(version)
