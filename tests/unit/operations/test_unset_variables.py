"""Variables without a value, and an `env_file` that cannot be read: commands that need no such value go on."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import in_process
from support.world import only_servers_below

from deployer.config import loader
from deployer.engines import run_dir
from deployer.engines.run_dir import Release
from deployer.errors import ConfigError
from deployer.results.served import ServedModel

MODELS = (ServedModel("m", (1,), (), ("d",)),)
UNSET = {
    "docker.image": '[docker]\nimage = "serving:${NONE}"',
    "models.m.source": '[models.m]\nsource = "${NONE}/m.keras"\nversions = []',
    "models.m.signatures": '[models.m]\nsignatures = ["a=${NONE}"]',
    "server.host": '[server]\nhost = "${NONE}"',
    "gateway.certificate": '[gateway]\nenabled = true\ncertificate = "${NONE}"\nkey = "k"',
    "kubernetes.host": '[kubernetes]\nhost = "${NONE}"\ntls_secret = "t"\nmodels_claim = "m"',
    "templates_dir": 'templates_dir = "${NONE}"',
    "monitoring.path": '[monitoring]\npath = "${NONE}"',
    "docker.environment.A": '[docker]\nenvironment = { A = "${NONE}" }\nimage = "serving:${NONE}"',
}
BAD_FILES = {"missing": None, "no line": b"no line\n", "no text": b"A=\xff\n", "a setting": b"DEPLOYER_ENV=a\n"}
COMMANDS = {"status": 0, "status m": 0, "status --all": 0, "logs m": 0, "history": 0, "history --all": 0,
            "history m": 0, "predict m": 7, "unlock m": 0, "down m": 0, "status m --engine embedded": 0}  # fmt: skip
"""The commands with their exit codes for a server that has ended; `predict` has nobody to ask."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment `m` whose server has ended, with its release in the history."""
    only_servers_below(monkeypatch, tmp_path)
    made = tmp_path / "shop"
    release = made / ".deployer/run" / run_dir.env_dir_name("shop", "local") / "m" / "1"
    run_dir.write_labels(
        release, Release("m", "local", "1", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", MODELS, 0, "shop")
    )
    (release / "server.log").write_text("it ended\n")
    return made


def write(project: Path, text: str) -> None:
    (project / "deployer.toml").write_text(text)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("key", UNSET)
def test_a_variable_that_is_not_set_stops_no_command_that_does_not_need_it(project, key, command):
    write(project, UNSET[key])
    ended = in_process(*command.split(), cwd=project)
    assert ended.code == COMMANDS[command], ended.err
    assert in_process("plan", "m:1", cwd=project).code != 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("content", BAD_FILES)
def test_an_env_file_that_cannot_be_read_stops_no_command_that_does_not_need_it(project, content, command):
    if BAD_FILES[content] is not None:
        (project / "v.env").write_bytes(BAD_FILES[content])
    write(project, 'env_file = "v.env"\n[docker]\nimage = "serving:${TAG}"\n')
    ended = in_process(*command.split(), cwd=project)
    assert ended.code == COMMANDS[command], ended.err
    planned = in_process("plan", "m:1", cwd=project)
    assert (planned.code, "env_file" in planned.err) == (3, True)


@pytest.mark.parametrize("command", ["status m", "logs m", "predict m"])
def test_where_the_next_step_needs_the_value_it_is_named(project, command):
    write(project, UNSET["docker.image"])
    ended = in_process(*command.split(), cwd=project)
    assert "docker.image: the variable NONE is not set" in ended.err + ended.out
    write(project, 'env_file = "v.env"\n[docker]\nimage = "serving:${TAG}"\n')
    ended = in_process(*command.split(), cwd=project)
    assert "v.env cannot be read" in ended.err + ended.out


@pytest.mark.parametrize("command", ["history m", "down m"])
def test_where_nothing_needs_the_value_no_word_is_said(project, command):
    write(project, UNSET["docker.image"])
    ended = in_process(*command.split(), cwd=project)
    assert "NONE" not in ended.err + ended.out


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("key", ["project", "state_dir", "engine", "models_dir", "name", "docker.host"])
def test_a_value_that_selects_what_a_command_is_about_is_needed(project, key, command, monkeypatch):
    """Without it, another deployment would be shown, or removed."""
    monkeypatch.delenv("DEPLOYER_ENGINE", raising=False)
    if f"--{key}" in command:
        return
    for text, says in (("", f"{key}: the variable NONE is not set"), ('env_file = "v.env"', "v.env cannot be read")):
        write(project, f'{text}\n{key} = "${{NONE}}"')
        ended = in_process(*command.split(), cwd=project)
        assert (ended.code, says in ended.err) == (3, True)
    assert (project / ".deployer/run").is_dir()


def test_what_is_no_variable_is_refused_all_the_same(project):
    write(project, '[docker]\nimage = "a:${A b}"')
    assert in_process("status", cwd=project).code == 3


def test_other_keys_of_the_file_keep_their_values(tmp_path):
    (tmp_path / "deployer.toml").write_text('name = "n"\n[docker]\nimage = "a:${NONE}"\nmemory = "1g"\n')
    spec, origins = loader.load_with_origins(tmp_path / "deployer.toml", environ={}, allow_unset=True)
    assert (spec.name, spec.docker.memory) == ("n", "1g")
    assert "docker.image" not in origins.file
    with pytest.raises(ConfigError):
        loader.load(tmp_path / "deployer.toml", environ={})
