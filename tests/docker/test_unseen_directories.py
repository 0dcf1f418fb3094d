"""An engine that does not see this machine's directories as they are is told at once, with the directory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import ANY_PORTS
from support.own_engine import OwnEngine, can_be_had, own_engine
from support.quick_server import quick_server
from support.stores import copy_store

ENGINE_FAILED = 6
HIDDEN = {"project": ".", "models": "models", "state": ".deployer"}


@pytest.fixture(scope="module")
def image(gateway_image: str) -> str:
    return quick_server(gateway_image)


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory, store: Path, image: str) -> dict[str, Path]:
    """A project for each directory that is hidden."""
    made = {kind: tmp_path_factory.mktemp(kind) for kind in HIDDEN}
    for directory in made.values():
        copy_store(store, directory)
        (directory / ".deployer").mkdir()
        (directory / "deployer.toml").write_text(
            f'engine = "docker"\n[docker]\nimage = "{image}"\n[gate]\nskip = true\n'
        )
        for level in (directory, *list(directory.parents)[:2]):
            level.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def engine(projects: dict[str, Path], image: str) -> Iterator[OwnEngine]:
    if not can_be_had():
        pytest.skip("an engine of one's own takes root and dockerd")
    hidden = [projects[kind] / inside for kind, inside in HIDDEN.items()]
    with own_engine(Path(tempfile.mkdtemp(prefix="deployer-engine-")), hidden) as made:
        made.load(image)
        yield made


@pytest.mark.parametrize(("kind", "named"), [("project", ""), ("models", "models"), ("state", ".deployer")])
def test_a_directory_that_the_engine_does_not_see_is_named(
    engine: OwnEngine, projects: dict[str, Path], kind: str, named: str
) -> None:
    project = projects[kind]
    ended = engine.deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    assert ended.code == ENGINE_FAILED, ended.err
    assert f"does not see {project / named}" in ended.err
    assert engine.docker("ps", "-a", "-q") == ""
    looked = engine.deployer("doctor", "--json", cwd=project)
    assert looked.code == ENGINE_FAILED
    errors = [each for each in looked.json["findings"] if each["severity"] == "error"]
    assert [named in each["message"] and "does not see" in each["message"] for each in errors] == [True] * len(errors)
    assert errors
    assert engine.docker("ps", "-a", "-q") == ""
    assert not list(project.rglob(".deployer-probe-*"))
