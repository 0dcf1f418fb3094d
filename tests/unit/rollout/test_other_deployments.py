"""A name that is deployed elsewhere: the options that reach it; and environments that are nearly named."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS, only_servers_below

from deployer.config.options import Settings
from deployer.config.spec import Spec
from deployer.engines import run_dir
from deployer.engines.embedded.engine import EmbeddedEngine
from deployer.engines.run_dir import Release
from deployer.results.served import ServedModel
from deployer.rollout import other_deployments
from deployer.rollout.workspace import Workspace

MODEL = ServedModel("m", (1,), (), ("d",))
VERBS = (
    ("predict", "m"), ("smoke", "m"), ("logs", "m"), ("status", "m"), ("redeploy", "m"), ("rollback", "m"),
    ("label", "m", "a=1"), ("down", "m"),
)  # fmt: skip
OVERLAYS = "[env.staging]\n[env.production]\n"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    only_servers_below(monkeypatch, tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")  # what a Docker Engine here runs is others'
    made = tmp_path / "shop"
    made.mkdir()
    return made


def put(directory: Path, env: str, project: str = "shop", name: str = "m", state: str = ".deployer") -> None:
    """The run directory of a server that has ended."""
    release = directory / state / "run" / run_dir.env_dir_name(project, env) / name / "1"
    labels = Release(name, env, "1", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", (MODEL,), 0, project)
    run_dir.write_labels(release, labels)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize(
    ("env", "project", "said"),
    [
        ("staging", "shop", "--env staging"),
        ("local", "other", "--project other"),
        ("staging", "other", "--project other --env staging"),
    ],
)
def test_the_options_that_reach_it_are_said(directory, verb, env, project, said):
    put(directory, env, project)
    put(directory, "local", "other", "another")
    ended = in_process(*verb, cwd=directory)
    assert (ended.code, f"reached with {said}" in ended.err) == (10, True), ended.err
    found = in_process("status", "m", *said.split(), "--json", cwd=directory)
    assert (found.code, len(found.json["deployments"])) == (0, 1)


@pytest.mark.parametrize(
    ("place", "project", "says"),
    [
        ("copy", "shop", "of another directory is reached with --state-dir"),
        ("copy", "other", None),
        (".", "other", "of another project is reached with --project other --state-dir"),
        ("shop", "other", "of another project is reached with --project other"),
    ],
)
def test_projects_that_have_no_state_here_or_above_are_not_named(directory, monkeypatch, place, project, says):
    copy = directory.parent / place
    put(copy, "local", project)
    monkeypatch.setattr(
        other_deployments, "other_projects", lambda _: (EmbeddedEngine(copy / ".deployer", project=project),)
    )
    ended = in_process("predict", "m", cwd=directory)
    everything = "deployer status --all-projects shows those of that name in other projects"
    assert ended.code == 10
    assert (says or everything) in ended.err
    assert ("--project other" in ended.err, everything in ended.err) == (bool(says) and project == "other", not says)


def test_an_environment_with_a_state_directory_of_its_own_is_said(directory):
    (directory / "deployer.toml").write_text('[env.staging]\nstate_dir = "apart"\n')
    put(directory, "staging", state="apart")
    told = in_process("predict", "m", cwd=directory).err
    assert re.search(r"reached with --env staging$", told, re.MULTILINE) or "reached with --env staging;" in told
    assert in_process("status", "m", "--env", "staging", cwd=directory).code == 0


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb[0] != "up"], ids=" ".join)
def test_what_this_project_has_is_said_before_what_others_have(directory, verb):
    put(directory, "local", "another")
    put(directory, "staging", name="mm")
    put(directory, "staging")
    told = in_process(*verb, cwd=directory).err
    places = [told.index(text) for text in ("reached with --env staging", "mm [staging]", "--project another")]
    assert places == sorted(places)


def test_not_all_of_many_are_said(directory):
    for number in range(5):
        put(directory, f"e{number}")
    told = in_process("predict", "m", cwd=directory).err
    assert (told.count("with --env"), "status --all-projects" in told) == (3, True)


def test_commands_to_type_keep_the_options_that_say_where():
    def typed(**given: object) -> str:
        return Workspace(Spec(env="staging"), (), Settings(**given)).cli_target("m")

    assert typed() == "m --env staging"
    assert typed(project="f", state_dir=Path("/a b")) == "m --env staging --project f --state-dir '/a b'"


def test_what_is_nowhere_is_reached_by_nothing(directory):
    put(directory, "staging", name="another")
    assert "reached with" not in in_process("predict", "m", cwd=directory).err


def test_status_of_an_empty_environment_says_which_have_something(directory):
    put(directory, "staging")
    ended = in_process("status", cwd=directory)
    assert (ended.code, "[staging]" in ended.err, "status --all" in ended.err) == (0, True, True)
    assert "status --all" not in in_process("status", "--env", "staging", cwd=directory).err


@pytest.mark.parametrize("by", ["option", "variable", "document"])
def test_status_of_another_project_says_what_there_is_beside_it(directory, monkeypatch, by):
    put(directory, "local")
    given = ("--project", "other") if by == "option" else ()
    if by == "variable":
        monkeypatch.setenv("DEPLOYER_PROJECT", "other")
    if by == "document":
        (directory / "deployer.toml").write_text('project = "other"\n')
    ended = in_process("status", *given, cwd=directory)
    assert (ended.code, ended.out) == (0, ""), ended.err
    command = re.search(r"in project other; deployer (status [^;,]*?)(?= shows|,)", ended.err)
    assert command, ended.err
    again = in_process(*command[1].split(), "--json", cwd=directory)
    assert [found["deployment"]["name"] for found in again.json["deployments"]] == ["m"]


@pytest.mark.parametrize("by", ["option", "variable"])
def test_status_of_an_environment_names_commands_for_that_environment(directory, monkeypatch, by):
    put(directory, "staging", "other")
    if by == "variable":
        monkeypatch.setenv("DEPLOYER_ENV", "staging")
    ended = in_process("status", *(("--env", "staging") if by == "option" else ()), cwd=directory)
    command = re.search(r"deployer (status [^;,]*?)(?= shows|,)", ended.err)
    assert command, ended.err
    monkeypatch.delenv("DEPLOYER_ENV", raising=False)
    again = in_process(*command[1].split(), "--json", cwd=directory)
    assert [found["deployment"]["env"] for found in again.json["deployments"]] == ["staging"]


@pytest.mark.parametrize(
    "verb",
    [
        *VERBS, ("up", "m"), ("plan", "m"), ("status",), ("status", "--all"), ("status", "--all-projects"),
        ("down", "--all"), ("history",), ("prune",), ("versions",), ("doctor",), ("render", "m"), ("unlock", "m"),
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("by", ["option", "variable"])
def test_an_environment_without_an_overlay_is_an_error_with_the_nearest_name(directory, monkeypatch, verb, by):
    (directory / "deployer.toml").write_text(OVERLAYS)
    given = ("--env", "stagng") if by == "option" else ()
    if by == "variable":
        monkeypatch.setenv("DEPLOYER_ENV", "stagng")
    ended = in_process(*verb, *given, cwd=directory)
    assert (ended.code, "did you mean staging?" in ended.err) == (3, True), ended.err


@pytest.mark.parametrize("by", ["option", "variable"])
@pytest.mark.parametrize("wrong", ["stagng", "prodution", "qa", "x" * 40])
def test_the_options_that_the_hint_names_for_another_environment_work_as_typed(directory, monkeypatch, wrong, by):
    (directory / "deployer.toml").write_text(OVERLAYS)
    if by == "variable":
        monkeypatch.setenv("DEPLOYER_ENV", wrong)
    ended = in_process("status", *(("--env", wrong) if by == "option" else ()), cwd=directory)
    options = re.findall(r"--env (\S+)", ended.err)
    assert (ended.code, len(options)) == (3, 3 if wrong in {"qa", "x" * 40} else 1)
    assert [in_process("status", "--env", option, cwd=directory).code for option in options] == [0] * len(options)


def test_without_overlays_a_new_environment_that_nearly_has_anothers_name_is_noted(directory):
    shutil.copytree(MODELS / "half_plus_two", directory / "models" / "half_plus_two")

    def noted(*env: str) -> list[str]:
        planned = in_process("plan", "half_plus_two:1", "--skip-gate", *env, "--json", cwd=directory)
        assert planned.code == 0, planned.err
        return [said for said in planned.json["notices"] if "did you mean" in said]

    assert noted("--env", "stagng") == []
    put(directory, "staging")
    (said,) = noted("--env", "stagng")
    assert shlex.split(said)[-2:] == ["--env", "staging?"]
    assert noted("--env", "locl") != []
    assert noted() == noted("--env", "staging") == noted("--env", "production") == []
