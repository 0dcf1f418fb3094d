"""One project with two state directories: every command that looks into one names the other."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

import pytest
from support.cli import in_process
from support.memory.linear import Linear, publish
from support.results import DEPLOYMENT

from deployer.config.options import Settings
from deployer.engines import run_dir
from deployer.engines.embedded import processes
from deployer.engines.embedded.processes import ServerProcess
from deployer.engines.run_dir import Release
from deployer.results.served import ServedModel
from deployer.rollout import other_deployments
from deployer.rollout.workspace import open_workspace
from deployer.store.store import Store

RELEASE = "20260101-000000-000000000-"
MODEL = ServedModel("m", (1,), (), ("d",))


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project `shop`; the embedded engine finds servers by their processes, which these directories stand for."""
    made = tmp_path / "shop"
    publish(Store(made / "models"), "m", Linear(0.5, 2.0), 1)
    monkeypatch.setenv("DEPLOYER_ENGINE", "embedded")

    def find_servers() -> tuple[ServerProcess, ...]:
        found = tmp_path.glob(f"shop/*/run/*/*/{RELEASE}*")
        return tuple(ServerProcess(1, path, "127.0.0.1", 1, 2, "2026-01-01T00:00:00Z") for path in sorted(found))

    monkeypatch.setattr(processes, "find_servers", find_servers)
    return made


def put(directory: Path, state: str, env: str = "local", project: str = "shop") -> None:
    release = f"{RELEASE}{len(state):04x}"
    labels = Release("m", env, release, "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", (MODEL,), 0, project)
    run_dir.write_labels(directory / state / "run" / run_dir.env_dir_name(project, env) / "m" / release, labels)


@pytest.mark.parametrize("verb", [("status",), ("status", "--all"), ("down",), ("down", "--all")], ids=" ".join)
def test_where_nothing_is_deployed_the_command_for_the_other_directory_is_named(directory, verb):
    put(directory, "A b")
    option = f"--state-dir {shlex.quote(str(directory / 'A b'))}"
    ended = in_process(*verb, cwd=directory)
    assert (ended.code, ended.out) == (0 if verb[0] == "status" else 10, "")
    assert option in ended.err
    assert "other projects have" not in ended.err
    found = in_process(*verb, "--state-dir", str(directory / "A b"), cwd=directory)
    assert (found.code, "m" in found.out.split()) == (0, True)


@pytest.mark.parametrize("verb", ["status", "status --env staging", "down --env staging"])
def test_the_command_for_the_other_directory_is_for_an_environment_that_has_something_there(directory, verb):
    put(directory, "A", env="staging")
    told = in_process(*verb.split(), cwd=directory).err
    (command,) = re.findall(rf"deployer ({verb.split()[0]} --state-dir .+?)(?=,|;| shows |$)", told, re.MULTILINE)
    found = in_process(*shlex.split(command), "--json", cwd=directory)
    assert (found.code, "staging" in found.out) == (0, True)


@pytest.mark.parametrize(
    ("verb", "noted"),
    [
        (("plan", "m"), "--state-dir {}"),
        (("status",), "deployer status --state-dir {}"),
        (("status", "m"), "deployer status --state-dir {}"),
        (("down", "--all"), "deployer down --all --state-dir {}"),
    ],
    ids=str,
)  # fmt: skip
def test_a_note_names_the_directory_with_the_same_deployment(directory, verb, noted):
    if verb[0] != "plan":
        put(directory, ".deployer")
    assert "--state-dir" not in in_process(*verb, cwd=directory).err
    put(directory, ".deployer")
    put(directory, "A")
    if verb[0] == "plan":
        in_process("down", "m", cwd=directory)
    ended = in_process(*verb, cwd=directory)
    assert ended.code == 0
    (note,) = [line for line in ended.err.splitlines() if "--state-dir" in line]
    assert note.startswith("note: m [local] ")
    assert noted.format(directory / "A") in note


def test_deployments_of_other_names_and_of_other_projects_are_not_noted(directory):
    put(directory, ".deployer")
    put(directory, "A", env="staging")
    put(directory, "B", project="other")
    for verb in (("status",), ("plan", "m"), ("status", "m")):
        assert "--state-dir" not in in_process(*verb, cwd=directory).err
    assert str(directory / "A") in in_process("down", "--all", cwd=directory).err


def test_the_directory_of_an_overlay_is_no_other_one(directory):
    (directory / "deployer.toml").write_text('[env.staging]\nstate_dir = "A"\n')
    put(directory, ".deployer")
    put(directory, "A", env="staging")
    for verb in (("status", "--all"), ("status",), ("down", "--all")):
        assert "--state-dir" not in in_process(*verb, cwd=directory).err


def test_rows_that_look_alike_name_their_directories(directory):
    put(directory, ".deployer")
    assert "STATE DIRECTORY" not in in_process("status", "--all-projects", cwd=directory).out
    put(directory, "A")
    head, *rows = in_process("status", "--all-projects", cwd=directory).out.splitlines()
    assert head.endswith("STATE DIRECTORY")
    assert {row.split()[-1] for row in rows} == {str(directory / each) for each in (".deployer", "A")}


@pytest.mark.parametrize(("engine", "option"), [("docker", " --engine embedded"), ("embedded", "")])
def test_an_engine_that_is_not_chosen_is_asked_too(directory, monkeypatch, engine, option):
    put(directory, "A")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{directory}/no.sock")
    (found,) = other_deployments.other_directories(open_workspace(Settings(engine=engine)))
    assert (found.deployments, found.option) == ((("m", "local"),), f"--state-dir {directory / 'A'}{option}")


def test_the_engine_that_auto_leaves_out_for_a_new_deployment_is_asked_too(directory, monkeypatch):
    put(directory, "A")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{directory}/no.sock")
    workspace = open_workspace(Settings(engine="auto"))
    narrowed = dataclasses.replace(workspace, engines=workspace.engines[:1])
    assert narrowed.engine_names == ("docker",)
    assert [each.option for each in other_deployments.other_directories(narrowed)] == [f"--state-dir {directory / 'A'}"]


@pytest.mark.parametrize(("state", "is_other"), [("apart", False), (".deployer", False), ("elsewhere", True)])
def test_the_origin_is_told_from_the_directory_of_the_environment(directory, monkeypatch, state, is_other):
    monkeypatch.chdir(directory)
    (directory / "deployer.toml").write_text('[env.staging]\nstate_dir = "apart"\n')
    release = directory / state / "docker" / "staging@shop" / "m" / "1"
    observed = dataclasses.replace(DEPLOYMENT, env="staging", directory=release)
    found = other_deployments.origin(open_workspace(Settings()), observed)
    assert found == (directory / state if is_other else None)
