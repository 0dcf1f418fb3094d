"""`rollback` with another store than the one that a release was deployed from."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from pathlib import Path

import pytest
from support.memory.linear import publish
from support.memory.project import NAME, VERSIONS, Project

import deployer
from deployer.errors import ModelError
from deployer.store.store import Store


@pytest.fixture
def other(serving: Project) -> Store:
    """Another store, which has another model as version 1, and nothing else."""
    store = Store(serving.directory / "another store")
    publish(store, NAME, VERSIONS[3], 1, source="another.py:model")
    return store


def settings(project: Project, store: Path) -> deployer.Settings:
    return dataclasses.replace(project.settings(), models_dir=store)


def refused(project: Project, store: Path, to: int | None = None, *, dry_run: bool = False) -> ModelError:
    with pytest.raises(ModelError) as error:
        deployer.rollback(NAME, to=to, settings=settings(project, store), dry_run=dry_run)
    assert "have changed" not in error.value.message
    return error.value


def type_in(project: Project, hint: str) -> None:
    """Do what the command of a hint does."""
    words = shlex.split(hint.partition(";")[0])
    assert words[:3] == ["deployer", "rollback", NAME]
    to = int(words[words.index("--to") + 1]) if "--to" in words else None
    store = Path(words[words.index("--models-dir") + 1]) if "--models-dir" in words else project.store.root
    deployer.rollback(NAME, to=to, settings=settings(project, store))


@pytest.mark.parametrize("to", [None, 1])
@pytest.mark.parametrize("dry_run", [False, True])
def test_the_store_of_the_deployment_is_named_if_another_one_is_given(serving, other, to, dry_run):
    serving.redeploy(2)
    error = refused(serving, other.root, to, dry_run=dry_run)
    assert f"{NAME}:1" in error.message
    assert str(other.root) in error.message
    assert str(serving.store.root) in error.message
    type_in(serving, error.hint)
    serving.check(1)


@pytest.mark.parametrize("is_there", [False, True], ids=["no such version", "another of that number"])
def test_the_store_of_the_release_is_named_after_the_deployment_went_to_another_one(serving, other, is_there):
    publish(other, NAME, VERSIONS[2], 2)
    deployer.up(f"{NAME}:2", settings=settings(serving, other.root))
    if not is_there:
        shutil.rmtree(other.root / NAME / "1")
    error = refused(serving, other.root)
    assert str(serving.store.root) in error.message
    type_in(serving, error.hint)
    serving.check(1)
    assert serving.history()[0].store == str(serving.store.root.resolve())


def test_a_release_of_the_given_store_is_named_if_that_of_the_other_one_is_lost(serving, other):
    for version in (2, 3):
        publish(other, NAME, VERSIONS[version], version)
        deployer.up(f"{NAME}:{version}", settings=settings(serving, other.root))
    shutil.rmtree(serving.store.root)
    error = refused(serving, other.root, 1)
    assert f"--to 2 --models-dir {shlex.quote(str(other.root))}" in error.hint
    assert str(serving.store.root) in error.message
    type_in(serving, error.hint)
    serving.check(2)


def test_no_source_of_another_version_is_named(serving, other):
    deployer.up(f"{NAME}:1", settings=settings(serving, other.root))
    shutil.rmtree(serving.store.root)
    hint = refused(serving, other.root).hint
    assert ("another.py:model" in hint, "deployer up SOURCE" in hint) == (False, True)


def test_a_store_that_was_moved_is_the_same(serving):
    serving.redeploy(2)
    moved = serving.store.root.rename(serving.directory / "moved")
    deployer.rollback(NAME, settings=settings(serving, moved))
    serving.check(1)
