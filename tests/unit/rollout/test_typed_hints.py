"""Commands in hints and notes are typed as printed: they reach the deployment that the first command was about."""

from __future__ import annotations

import dataclasses
import re
import shlex

import pytest
from support.cli import Ended, in_process
from support.memory import MemoryEngine, platform
from support.memory.project import Project

from deployer.results.deployment import Deployment
from deployer.results.served import ServedModel

ALT = "server.rest_port = 0\nserver.grpc_port = 0\n"
LOCATIONS = {
    "project": ("--project", "other"),
    "config": ("--config", "alt.toml"),
    "state_dir": ("--state-dir", "a state"),
    "store": ("--models-dir", "another store"),
    "env": ("--env", "staging"),
}


@pytest.fixture(autouse=True)
def _own_platform() -> None:
    """Commands run in the directory of their test: a relative state directory is another one in each."""
    platform._resolved.cache_clear()


def run(project: Project, *arguments: str, code: int = 0) -> Ended:
    ended = in_process(*arguments, cwd=project.directory)
    assert ended.code == code, ended.err
    return ended


def commands(text: str) -> list[list[str]]:
    """The commands of a text, each up to what it does, in the order of the text."""
    ends = "starts|shows|serves|asks|takes|deploys|points|ends|goes|would|replaces|makes"
    found = re.findall(rf"deployer ([^\n]+?)(?=,? (?:{ends})\b|[;,?`]|$)", text, re.MULTILINE)
    return [shlex.split(command) for command in found]


def command(ended: Ended, verb: str) -> list[str]:
    (found,) = {tuple(each) for each in commands(ended.err) if each[0] == verb}
    return list(found)


def serving(project: Project, *options: str) -> list[str]:
    """What the deployments of a location serve, as `status` prints it in JSON."""
    found = run(project, "status", "--json", *options).json["deployments"]
    return [each["deployment"]["name"] for each in found]


@pytest.fixture
def twice(project: Project) -> Project:
    """`m` serves in the project of the directory; another project and other directories have none."""
    (project.directory / "deployer.toml").write_text(ALT)
    (project.directory / "alt.toml").write_text(f'project = "alt"\n{ALT}')
    (project.directory / "another store").symlink_to(project.store.root)
    run(project, "up", "m:1", "-q")
    return project


VARIABLES = {
    "DEPLOYER_PROJECT": "other",
    "DEPLOYER_CONFIG": "alt.toml",
    "DEPLOYER_STATE_DIR": "a state",
    "DEPLOYER_ENV": "staging",
}


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_next_steps_of_up_reach_what_it_has_deployed_also_without_the_variable(twice, variable, monkeypatch):
    with monkeypatch.context() as given:
        given.setenv(variable, VARIABLES[variable])
        ended = run(twice, "up", "m:2")
    (ask,) = (each for each in commands(ended.err.replace("ask it:", "")) if each[0] == "predict")
    run(twice, *ask)
    run(twice, *command(ended, "down"))
    assert serving(twice) == ["m"]
    run(twice, *command(ended, "down"), code=10)


@pytest.mark.parametrize("given", LOCATIONS.values(), ids=LOCATIONS)
def test_the_next_steps_of_up_reach_what_up_has_deployed(twice, given):
    if given[0] == "--models-dir":
        run(twice, "down", "m")
    ended = run(twice, "up", "m:2", *given)
    (ask,) = (each for each in commands(ended.err.replace("ask it:", "")) if each[0] == "predict")
    assert set(given) <= set(ask)
    run(twice, *ask)
    run(twice, *command(ended, "down"))
    assert serving(twice) == ([] if given[0] == "--models-dir" else ["m"])
    run(twice, *command(ended, "down"), code=10)


@pytest.mark.parametrize("given", LOCATIONS.values(), ids=LOCATIONS)
def test_the_hint_of_a_missing_deployment_deploys_it_where_it_was_missed(twice, given):
    if given[0] == "--models-dir":
        run(twice, "down", "m")
    missed = run(twice, "predict", "m", *given, code=10)
    run(twice, *command(missed, "up"))
    run(twice, "predict", "m", *given)


def served(project: Project, name: str = "m") -> dict[str, tuple[tuple[int, ...], dict[str, int]]]:
    (found,) = run(project, "status", name, "--json").json["deployments"]
    return {model["name"]: (tuple(model["versions"]), dict(model["labels"])) for model in found["deployment"]["models"]}


def kill(project: Project) -> None:
    for running in project.platform.all():
        running.end()


PAIR = f'name = "pair"\n{ALT}[models.m]\nversions = [{{}}]\n[models.n]\n'


@pytest.mark.parametrize("case", ["one version", "labels", "models", "listed labels", "models since changed"])
def test_what_is_named_where_a_server_is_not_running_serves_what_ran(project, case):
    toml = project.directory / "deployer.toml"
    name = "pair" if case.startswith("models") else "m"
    project.publish(1, "n")
    if name == "pair":
        toml.write_text(PAIR.format(2))
        run(project, "up", "-q")
    else:
        toml.write_text(ALT + ("[models.m]\nversions = [1, 2]\nlabels = {a = 1}\n" if "listed" in case else ""))
        run(project, "up", *(() if "listed" in case else ("m:1",)), "-q")
    if case == "labels":
        run(project, "label", "m", "stable=1", "next=2", "-q")
    if case == "models since changed":
        toml.write_text(PAIR.format(1))
    before = served(project, name)
    kill(project)
    texts = [
        run(project, "predict", name, code=7).err,
        run(project, "logs", name).err,
        run(project, "status", name).err,
        run(project, "doctor", code=6).out,
    ]
    (typed,) = {tuple(each) for text in texts for each in commands(text) if each[0] in ("up", "rollback")}
    assert typed[0] == ("rollback" if case == "labels" else "up")
    run(project, *typed)
    assert served(project, name) == before
    run(project, "predict", name, *(("--model", "m") if name == "pair" else ()))


@pytest.mark.parametrize(("target", "kept"), [("m:1", True), ("m:2", False)])
def test_a_stopped_deployment_keeps_the_labels_of_the_versions_that_it_keeps(project, target, kept):
    (project.directory / "deployer.toml").write_text(ALT)
    run(project, "up", "m:1", "-q")
    run(project, "label", "m", "stable=1", "-q")
    kill(project)
    shown = run(project, "plan", target, "--json").json["plan"]["digest"]
    run(project, "up", target, "--expect", shown, "-q")
    assert served(project) == {"m": ((int(target[-1]),), {"stable": 1} if kept else {})}


def test_a_label_is_removed_from_a_stopped_deployment(project):
    (project.directory / "deployer.toml").write_text(ALT)
    run(project, "up", "m:1", "-q")
    run(project, "label", "m", "stable=1", "-q")
    kill(project)
    run(project, "label", "m", "stable=", "-q")
    assert served(project) == {"m": ((1,), {})}


@pytest.fixture
def labelled(project: Project) -> Project:
    """`m` serves 1, which is stable, and 2, which has no label."""
    (project.directory / "deployer.toml").write_text(f"{ALT}[models.m]\nversions = [1, 2]\nlabels = {{stable = 1}}\n")
    run(project, "up", "-q")
    (project.directory / "deployer.toml").write_text(ALT)
    return project


def test_redeploy_gives_the_requests_without_a_version_to_the_version_that_it_names(labelled):
    assert "unload m:2" in run(labelled, "redeploy", "m", "--version", "1", "--dry-run").out
    refused = run(labelled, "redeploy", "m", "--version", "1", "--keep-previous", code=2)
    assert "m:2 cannot stay loaded with 1" in refused.err
    run(labelled, "redeploy", "m", "--version", "1")
    assert served(labelled) == {"m": ((1,), {"stable": 1})}
    assert "up to date" in run(labelled, "redeploy", "m", "--version", "1").out


def test_a_version_that_a_label_keeps_gets_them_and_a_note_says_so(labelled):
    run(labelled, "label", "m", "canary=2")
    note = run(labelled, "redeploy", "m", "--version", "1").err
    assert "requests without a version go to m:2, which stays for label canary" in note
    assert served(labelled) == {"m": ((1, 2), {"canary": 2, "stable": 1})}


@pytest.mark.parametrize(("verb", "version"), [("predict", "2"), ("redeploy", "2"), ("smoke", None), ("logs", None)])
def test_a_version_in_the_place_of_a_deployment_is_given_as_the_verb_takes_it(labelled, verb, version):
    refused = run(labelled, verb, "m:2", code=2)
    (typed,) = commands(refused.err.replace(" is for", "; is for"))
    assert typed == [verb, "m", *(["--version", version] if version else [])]
    run(labelled, *typed)


def test_down_of_a_version_says_that_it_takes_all(labelled):
    hint = run(labelled, "down", "m:2", code=2).err
    assert "deployer down m is for all its versions" in hint
    assert "redeploy" not in hint


@pytest.mark.parametrize("verb", ["predict", "redeploy", "smoke", "logs", "status", "down"])
def test_a_model_in_the_place_of_its_deployment_is_answered_with_the_deployment(project, verb):
    project.publish(1, "n")
    (project.directory / "deployer.toml").write_text(PAIR.format(2))
    run(project, "up", "-q")
    missed = run(project, verb, "m", code=10)
    assert "m is a model of pair: deployer" in missed.err
    assert "deployer up" not in missed.err
    (typed,) = commands(missed.err.replace(" is for", "; is for"))
    assert typed == [verb, "pair", *(["--model", "m"] if verb in ("predict", "redeploy") else [])]
    run(project, *typed)


def test_an_unknown_label_is_answered_with_a_near_one_or_the_command_that_sets_it(labelled):
    assert "did you mean stable?" in run(labelled, "predict", "m", "--label", "stabel", code=2).err
    missed = run(labelled, "predict", "m", "--label", "canary", code=2)
    run(labelled, *command(missed, "label"))
    run(labelled, "predict", "m", "--label", "canary")


@pytest.fixture
def staged(project: Project) -> Project:
    """`m` serves in an environment that has a store of its own; the store of the others is empty."""
    (project.directory / "deployer.toml").write_text(
        f'models_dir = "none"\n{ALT}[env.staging]\nmodels_dir = "models"\n[env.qa]\n'
    )
    run(project, "up", "m:1", "--env", "staging", "-q")
    return project


@pytest.mark.parametrize(
    ("typed", "code", "verb"),
    [
        (("predict", "m", "--version", "9"), 2, "versions"),
        (("inspect", "zz"), 4, "versions"),
        (("redeploy", "m", "--version", "9"), 4, "versions"),
        (("redeploy", "m:2"), 2, "redeploy"),
        (("rollback", "m:2"), 2, "redeploy"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_hint_names_the_environment_that_chose_the_store(staged, typed, code, verb):
    ended = run(staged, *typed, "--env", "staging", code=code)
    (hint,) = {tuple(each) for each in commands(ended.err.replace(" lists", " shows")) if each[0] == verb}
    result = run(staged, *hint)
    assert verb == "redeploy" or "m:3" in result.out


def test_a_hint_names_the_default_environment_where_a_variable_chooses_another(staged, monkeypatch):
    monkeypatch.setenv("DEPLOYER_ENV", "staging")
    ended = run(staged, "up", "m:2", "--env", "local", "--models-dir", "models")
    (ask,) = (each for each in commands(ended.err.replace("ask it:", "")) if each[0] == "predict")
    run(staged, *ask)
    run(staged, *command(ended, "down"))
    assert serving(staged) == ["m"]
    assert serving(staged, "--env", "local") == []


def test_an_environment_that_the_file_no_longer_accepts_is_named_with_what_it_lacks(project):
    (project.directory / "deployer.toml").write_text(ALT)
    run(project, "up", "m:1", "--env", "docker", "-q")
    assert "reached with --env docker;" in run(project, "predict", "m", code=10).err
    (project.directory / "deployer.toml").write_text(f"{ALT}[env.staging]\n")
    assert "--env docker (once deployer.toml has a table [env.docker])" in run(project, "predict", "m", code=10).err
    ended = run(project, "history", "m")
    found = commands(ended.err)
    assert found
    for each in found:
        assert "docker" not in each
        assert "m:1" in run(project, *each).out


def test_down_of_all_and_of_one_is_answered_with_commands_for_that_environment(staged):
    refused = run(staged, "down", "m", "--all", "--env", "staging", code=2)
    run(staged, *command(refused, "down"))


@pytest.fixture
def reloaded(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """`m` serves 1, and its engine reports 2, with which the server started: the record of the reload is lost."""
    (project.directory / "deployer.toml").write_text(ALT)
    run(project, "up", "m:1", "-q")
    observe = MemoryEngine.observe

    def stale(engine: MemoryEngine, name: str, env: str) -> Deployment | None:
        found = observe(engine, name, env)
        models = (ServedModel("m", (2,)),)
        return found and dataclasses.replace(found, models=models, config_lost=True)

    monkeypatch.setattr(MemoryEngine, "observe", stale)
    return project


def test_a_lost_run_directory_is_answered_with_the_version_that_the_server_has(reloaded):
    asked = run(reloaded, "predict", "m")
    assert command(asked, "up") == ["up", "m:1"]
    assert "m:1 is asked" in asked.err
    assert "served: 1" in run(reloaded, "predict", "m", "--version", "2", code=2).err


def test_a_version_that_the_server_does_not_have_is_answered_with_what_it_has(project, monkeypatch):
    (project.directory / "deployer.toml").write_text(ALT)
    run(project, "up", "m:1", "-q")
    observe = MemoryEngine.observe
    monkeypatch.setattr(
        MemoryEngine,
        "observe",
        lambda *key: dataclasses.replace(observe(*key), models=(ServedModel("m", (2,)),)),
    )
    refused = run(project, "predict", "m", "--version", "2", code=1)
    assert command(refused, "predict") == ["predict", "m", "--version", "1"]
