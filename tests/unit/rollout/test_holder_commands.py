"""The command that shows the deployment which holds a port: it names that one, and works as typed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import only_servers_below

from deployer.config.options import Settings
from deployer.engines import run_dir
from deployer.engines.port_holders import PortHolder, deployment_holder
from deployer.engines.run_dir import Release
from deployer.results.served import ServedModel
from deployer.rollout.other_deployments import holder_command
from deployer.rollout.workspace import open_workspace

MODEL = ServedModel("m", (1,), (), ("d",))
OVERLAYS = '[env.staging]\nstate_dir = ".staging"\n[env.production]\n'


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    only_servers_below(monkeypatch, tmp_path)
    monkeypatch.setenv("DEPLOYER_ENGINE", "embedded")
    made = tmp_path / "shop"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def put(state_dir: Path, env: str, project: str, name: str) -> PortHolder:
    """The run directory of a server; the port holder that it would be."""
    release = state_dir / "run" / run_dir.env_dir_name(project, env) / name / "1"
    run_dir.write_labels(
        release, Release(name, env, "1", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", (MODEL,), 0, project)
    )
    return deployment_holder("embedded", project, env, name, state_dir)


@pytest.mark.parametrize("own", ["local", "staging"])
@pytest.mark.parametrize(
    "holds",
    [
        (".deployer", "local", "shop", ""),
        (".staging", "staging", "shop", "--env staging"),
        (".deployer", "production", "shop", "--env production"),
        (".deployer", "local", "other", "--project other"),
        ("a part", "staging", "other", "--env staging --project other --state-dir '{}'"),
        (".deployer", "old", "shop", None),
    ],
    ids=str,
)
def test_the_command_shows_the_holder_and_no_other(directory, own, holds):
    state, env, project, options = holds
    (directory / "deployer.toml").write_text(OVERLAYS)
    for other in ("local", "staging", "production"):
        put(directory / ".deployer", other, "unrelated", "m")
    holder = put(directory / state, env, project, "m")
    command = holder_command(open_workspace(Settings(env=own)), holder)
    expected = "--all" if options is None else options.format(directory / state)
    assert command.startswith(" ".join(filter(None, ("deployer status", "" if options is None else "m", expected))))
    assert "unrelated" not in command
    shown = in_process(*shlex.split(command)[1:], "--json", cwd=directory).json["deployments"]
    found = [each["deployment"] for each in shown]
    assert (env, project) in [(each["env"], each["project"]) for each in found]
    assert options is None or len(found) == 1


def test_the_engine_is_named_where_the_settings_choose_another(directory):
    holder = deployment_holder("docker", "shop", "local", "m", directory / ".deployer")
    workspace = open_workspace(Settings(engine="embedded", project="shop"))
    assert holder_command(workspace, holder) == "deployer status m --engine docker --project shop"


def test_other_programs_and_deployments_without_a_project(directory):
    workspace = open_workspace(Settings())
    assert holder_command(workspace, PortHolder("process 7 (python3)")) == ""
    old = deployment_holder("docker", "", "local", "m", None)
    assert holder_command(workspace, old) == "deployer status --all-projects"
