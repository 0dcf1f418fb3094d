"""A served version without files is unloaded once an export creates the model's directory again: this is noted."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
from support.memory import MemoryEngine
from support.memory.linear import publish
from support.memory.project import NAME, VERSIONS, Project

import deployer
from deployer.store.store import Store


def noted(project: Project, name: str = NAME, env: str | None = None) -> list[str]:
    """The notices about versions that are unloaded, of a plan with an export."""
    source = publish(Store(project.directory / "elsewhere"), NAME, VERSIONS[2], 1).path
    options, settings = deployer.ExportOptions(name=name), project.settings(env=env)
    notices = deployer.up(str(source), options=options, settings=settings, dry_run=True).notices
    return [text for text in notices if "unloads it" in text]


@pytest.mark.parametrize("env", [None, "staging"])
def test_a_version_that_an_export_unloads_is_noted_in_whatever_environment_it_is_served(serving, env):
    shutil.rmtree(serving.store.root)
    (text,) = noted(serving, env=env)
    assert (f"{NAME}:1" in text, f"{NAME}:2" in text) == (True, True)


def test_also_if_a_deployment_of_several_models_serves_it(project):
    project.publish(1, name="other")
    config = project.directory / "deployer.toml"
    config.write_text(f'name = "both"\n[models.{NAME}]\nversions = [1]\n[models.other]\n')
    project.up(None)
    config.unlink()
    shutil.rmtree(project.store.root)
    (text,) = noted(project)
    assert f"{NAME}:1" in text


@pytest.mark.parametrize(
    "case", ["another model", "nothing lost", "another store", "not running", "a directory is left", "a lost mount"]
)
def test_nothing_is_noted_if_no_server_unloads_anything(serving, case, monkeypatch):
    if case == "another store":
        moved = serving.store.root.rename(serving.directory / "first")
        deployer.up(f"{NAME}:1", settings=dataclasses.replace(serving.settings(), models_dir=moved))
    elif case == "a directory is left":
        shutil.rmtree(serving.store.root / NAME / "1")
    elif case != "nothing lost":
        shutil.rmtree(serving.store.root)
    if case == "a lost mount":  # a container keeps the directory that it has mounted
        traits = dataclasses.replace(serving.engine.traits, models_mount="/models")
        monkeypatch.setattr(MemoryEngine, "traits", traits)
    if case == "not running":
        serving.platform.all()[0].end()
    assert noted(serving, "other" if case == "another model" else NAME) == []
