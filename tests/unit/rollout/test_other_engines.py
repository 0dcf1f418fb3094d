"""Another engine is selected than the one that serves: each command names both, and nothing of the state is removed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from support.memory import MemoryEngine
from support.memory.project import NAME, Project

import deployer
from deployer import engines
from deployer.config.engine_address import parse_address
from deployer.console import deployments
from deployer.errors import DeploymentNotFound, PlanOutdated
from deployer.results.plan import Change, Plan
from deployer.results.progress import Note
from deployer.rollout.ledger import LEDGER_FILE, Ledger

HERE, THERE = "unix:///var/run/docker.sock", "tcp://198.18.0.3:2376"
SELECTS = f"DEPLOYER_DOCKER_HOST={THERE}"


@pytest.fixture
def select(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda address: monkeypatch.setenv("DEPLOYER_DOCKER_HOST", address)


@pytest.fixture
def moved(project: Project, monkeypatch: pytest.MonkeyPatch, select: Callable[[str], None]) -> Iterator[Project]:
    """Version 1 serves at one address, and commands ask another one."""
    monkeypatch.setitem(
        engines.ENGINES,
        "embedded",
        lambda spec: MemoryEngine(spec.state_dir, spec.project or "", address=spec.docker.host or ""),
    )
    select(THERE)
    project.up(f"{NAME}:1")
    select(HERE)
    yield project
    for address in (HERE, THERE):
        project.engine_at(address).platform.close()


def notes(project: Project, **options: bool) -> list[str]:
    shown: list[str] = []
    deployer.status(
        settings=project.settings(),
        progress=lambda event: shown.append(event.text) if isinstance(event, Note) else None,
        **options,
    )
    return [text for text in shown if "was deployed on" in text]


def names_both(text: str) -> bool:
    return f"was deployed on {THERE}; this command asks {HERE}" in text


COMMANDS: dict[str, Callable[[Project], object]] = {
    "status": lambda project: deployer.status(NAME, settings=project.settings()),
    "predict": lambda project: deployer.predict(NAME, settings=project.settings()),
    "logs": lambda project: deployer.logs(NAME, settings=project.settings()),
    "redeploy": lambda project: project.redeploy(2),
    "label": lambda project: project.label(canary=1),
    "rollback": lambda project: project.rollback(),
    "down": lambda project: deployer.down(NAME, settings=project.settings()),
    "down --all": lambda project: deployer.down_all(settings=project.settings()),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_names_both_engines_and_what_selects_the_other_one(moved, select, command):
    with pytest.raises(DeploymentNotFound) as refused:
        COMMANDS[command](moved)
    assert names_both(refused.value.message)
    assert f"{SELECTS} deployer" in (refused.value.hint or "")
    select(THERE)
    (status,) = deployer.status(NAME, settings=moved.settings())
    assert status.healthy


@pytest.mark.parametrize("options", [{}, {"all_envs": True}])
def test_status_of_all_names_both_engines(moved, options):
    (note,) = notes(moved, **options)
    assert names_both(note)
    assert f"{SELECTS} deployer status {NAME}" in note


@pytest.mark.parametrize("dry_run", [True, False])
def test_up_and_its_plan_name_both_engines_and_no_server_that_is_gone(moved, dry_run):
    result = moved.up(f"{NAME}:1", dry_run=dry_run)
    assert result.plan.change is Change.CREATE
    assert result.plan.steps[0].cause == "nothing is deployed under this name"
    (note,) = [text for text in result.notices if "was deployed on" in text]
    assert names_both(note)
    assert not any("gone" in text for text in result.notices)


def test_environments_on_engines_of_their_own_are_removed_together(moved, monkeypatch):
    monkeypatch.delenv("DEPLOYER_DOCKER_HOST")
    (moved.directory / "deployer.toml").write_text(
        f'[docker]\nhost = "{THERE}"\n[env.staging.docker]\nhost = "{HERE}"\n'
    )
    moved.up(f"{NAME}:1", env="staging")
    assert notes(moved, all_envs=True) == []
    assert {each.env for each in deployer.down_all(settings=moved.settings())} == {"local", "staging"}


def test_each_engine_has_its_own_last_release(moved, select):
    moved.up(f"{NAME}:2")
    deployer.down(NAME, settings=moved.settings())
    assert names_both(notes(moved)[0])
    select(THERE)
    deployer.down(NAME, settings=moved.settings())
    assert notes(moved) == []
    select(HERE)
    assert notes(moved) == []
    with pytest.raises(DeploymentNotFound, match="nothing is deployed"):
        deployer.down(NAME, settings=moved.settings())


def test_a_removal_at_another_address_of_the_same_engine_is_one_at_each(moved, select, monkeypatch):
    one = moved.engine_at(THERE).platform
    monkeypatch.setattr(MemoryEngine, "platform", property(lambda _: one))
    deployer.down(NAME, settings=moved.settings())
    assert notes(moved) == []
    select(THERE)
    assert notes(moved) == []
    assert moved.up(f"{NAME}:1", dry_run=True).plan.steps[0].cause == "nothing is deployed under this name"


def test_a_release_without_an_address_is_of_the_engine_that_is_asked(moved):
    with Ledger(moved.state_dir / LEDGER_FILE)._open() as db:
        db.execute("update releases set address = ''")
    with pytest.raises(DeploymentNotFound, match="is gone"):
        deployer.status(NAME, settings=moved.settings())
    deployer.down(NAME, settings=moved.settings())


@pytest.mark.parametrize(
    "text", ["unix:///var/run/docker.sock", "unix:///var/run/../run/docker.sock", "unix:///run/docker.sock"]
)
def test_an_address_is_the_same_however_it_is_written(text, monkeypatch):
    real = {"/var/run/docker.sock": "/run/docker.sock", "/var/run/../run/docker.sock": "/run/docker.sock"}
    monkeypatch.setattr("os.path.realpath", lambda path: real.get(path, path))
    assert parse_address(text).canonical == HERE


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("tcp://Node3", "tcp://node3:2376"),
        ("tcp://node3:2376/", "tcp://node3:2376"),
        ("ssh://me@node3/var/run/docker.sock", "ssh://me@node3"),
        ("ssh://node3:22/run/other.sock", "ssh://node3:22/run/other.sock"),
        ("tcp://[::1]:2375", "tcp://[::1]:2375"),
        ("unix:///tmp/engine.sock", "unix:///tmp/engine.sock"),
    ],
)
def test_an_address_has_one_form(text, canonical):
    assert parse_address(text).canonical == canonical


def test_each_plan_and_removal_names_the_engine_and_what_selects_it(moved, select, capsys):
    for address in (THERE, HERE):
        select(address)
        shown, done = moved.up(f"{NAME}:2", dry_run=True).plan, moved.up(f"{NAME}:2").plan
        removed = deployer.down(NAME, settings=moved.settings())
        for plan in (shown, done, removed.plan):
            assert (plan.address, plan.selected_by) == (address, "docker.host")
            assert f"at {address} (docker.host)" in str(plan)
        deployments.show_down([removed])
        assert f"at {address} (docker.host) is down" in capsys.readouterr().out


def test_a_plan_for_another_engine_has_another_digest(moved, select):
    here = moved.up(f"{NAME}:3", dry_run=True).plan
    select("tcp://198.18.0.4:2376")
    assert moved.up(f"{NAME}:3", dry_run=True).plan.digest != here.digest
    with pytest.raises(PlanOutdated):
        deployer.up(f"{NAME}:3", settings=moved.settings(), expect=here.digest)


def test_the_setting_that_selects_an_engine_is_not_in_the_digest():
    plan = Plan(Change.CREATE, "m [local]", engine="docker", address=THERE, selected_by="DOCKER_HOST")
    other = dataclasses.replace(plan, selected_by="DOCKER_CONTEXT=node3")
    assert plan.digest == other.digest
    assert str(plan) != str(other)
