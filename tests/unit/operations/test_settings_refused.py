"""What cannot work is refused before anything starts, by every command and for every engine alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS

from deployer.engines import flags
from deployer.errors import SettingRefused

COMMANDS = {
    "init": ("init",),
    "render": ("render",),
    "render compose": ("render", "compose"),
    "plan": ("plan",),
    "up": ("up",),
    "redeploy": ("redeploy", "m"),
}
WRONG = [
    ('[server.flags]\nrest_api_num_threads = "four"', "server.flags.rest_api_num_threads: expected an integer", ""),
    ("[server.flags]\nmax_num_load_retries = true", "server.flags.max_num_load_retries: expected an integer", ""),
    ("[server.flags]\nrest_api_timeout = 5", "server.flags.rest_api_timeout: ", "rest_api_timeout_in_ms"),
    ("[server.flags]\nrest_api_port = 9000", "server.flags.rest_api_port: ", "server.rest_port"),
    ("[server.flags]\ngrpc_max_threads = 9999999999", "server.flags.grpc_max_threads: expected an integer", ""),
    (
        '[batching]\npad_variable_length_inputs = "yes"',
        "batching.pad_variable_length_inputs: expected true or false",
        "",
    ),
    ("[batching]\nmax_batch_sise = 8", "batching.max_batch_sise: ", "did you mean max_batch_size?"),
    ('[monitoring]\npath = "/v1/models/h"', "monitoring.path: ", "/monitoring/prometheus/metrics"),
    ("[gateway]\ntls = true", "gateway.tls has no effect: gateway.enabled is not set", "gateway.enabled = true"),
    ("[gateway]\nmax_connections = 9\ntls = true", "gateway.max_connections and gateway.tls have no effect", ""),
    ('[docker]\nplatform = "linux-amd64"', "docker.platform: ", "did you mean linux/amd64?"),
    ('[gate]\nskip = "no"', "gate.skip: expected true or false", ""),
    ("[models.m]\nversions = [9223372036854775808]", "models.m.versions: expected an integer of 64 bits", ""),
]
ON_ONE_ENGINE = [
    ("docker", "rest_api_num_threads = 1", "server.flags.rest_api_num_threads: expected at least 2, got 1"),
    ("docker", "file_system_poll_wait_seconds = 0", "server.flags.file_system_poll_wait_seconds: expected at least 1"),
    ("docker", 'ssl_config_file = "/tls"', "server.flags.ssl_config_file: the docker engine cannot honour"),
    ("embedded", 'ssl_config_file = "/tls"', "server.flags.ssl_config_file: the embedded engine cannot honour"),
    ("embedded", "prefer_tflite_model = true", "server.flags.prefer_tflite_model: the embedded engine cannot honour"),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / "m" / "1")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    return tmp_path


@pytest.mark.parametrize("engine", ["docker", "embedded", "auto"])
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong[0])
def test_every_command_refuses_alike(project, monkeypatch, engine, wrong):
    text, says, near = wrong
    monkeypatch.setenv("DEPLOYER_ENGINE", engine)
    models = "" if "[models" in text else "\n[models.m]\n"
    (project / "deployer.toml").write_text(f"{text}{models}")
    before = sorted(project.rglob("*"))
    for command in COMMANDS.values():
        ended = in_process(*command, "--json", cwd=project)
        error = ended.json["error"]
        assert ended.code == error["code"] == 3, command
        assert error["message"].startswith(f"deployer.toml: {says}")
        assert near in (error["hint"] or "")
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "variable",
    [
        ("DEPLOYER_SERVER_REST_PORT", "four", "DEPLOYER_SERVER_REST_PORT: server.rest_port: expected an integer"),
        ("DEPLOYER_DOCKER_PLATFORM", "amd64", "DEPLOYER_DOCKER_PLATFORM: docker.platform: "),
        ("DEPLOYER_GATE_SKP", "true", "DEPLOYER_GATE_SKP"),
    ],
    ids=lambda variable: variable[0],
)
def test_variables_too(project, monkeypatch, command, variable):
    name, text, says = variable
    monkeypatch.setenv(name, text)
    ended = in_process(*COMMANDS[command], "--json", cwd=project)
    assert ended.code == 3
    assert says in ended.json["error"]["message"]


@pytest.mark.parametrize("engine", ["docker", "embedded"])
def test_options_too(project, engine):
    for command in ("up", "plan"):
        ended = in_process(command, "m", "--engine", engine, "--rest-port", "70000", "--json", cwd=project)
        assert ended.code == 3
        assert "options: server.rest_port: port 70000" in ended.json["error"]["message"]


@pytest.mark.parametrize(("engine", "flag", "says"), ON_ONE_ENGINE)
def test_what_one_engine_cannot_honour_is_refused_without_asking_it(project, monkeypatch, engine, flag, says):
    monkeypatch.setenv("DEPLOYER_ENGINE", engine)
    (project / "deployer.toml").write_text(f"[server.flags]\n{flag}\n[models.m]\n")
    commands = [("render",), ("plan",), ("up",), *([("render", "compose")] if engine == "docker" else [])]
    for command in commands:
        ended = in_process(*command, "--json", cwd=project)
        assert (ended.code, ended.json["error"]["code"]) == (3, 3), command
        assert ended.json["error"]["message"].startswith(says)


def test_the_other_engine_honours_it():
    flags.check("embedded", [("rest_api_num_threads", "1"), ("file_system_poll_wait_seconds", "0")])
    flags.check("docker", [("rest_api_num_threads", "2"), ("prefer_tflite_model", "true"), ("num_tflite_pools", "2")])
    with pytest.raises(SettingRefused):
        flags.check("docker", [("rest_api_num_threads", "1")])


def test_init_overwrites_a_file_that_is_wrong_only_when_forced(project):
    (project / "deployer.toml").write_text("[env.staging.server]\nrest_prt = 1\n")
    ended = in_process("init", cwd=project)
    assert ended.code == 3
    assert "server.rest_prt" in ended.err
    assert in_process("init", "--force", cwd=project).code == 0
    assert in_process("init", cwd=project).code == 2


@pytest.mark.parametrize("env", ["local", "staging"])
@pytest.mark.parametrize("command", [("plan",), ("render", "compose"), ("render", "k8s")], ids=" ".join)
def test_the_hint_where_there_is_no_gateway_is_for_the_environment_and_works(project, command, env):
    toml = project / "deployer.toml"
    text = '[gateway]\nenabled = true\n[kubernetes]\nmodels_claim = "m"\n[models.m]\n[env.staging]\n'
    toml.write_text(text)
    arguments = (*command, "--env", env, "--engine", "embedded") if command == ("plan",) else (*command, "--env", env)
    refused = in_process(*arguments, "--json", cwd=project)
    hint = refused.json["error"]["hint"]
    assert (refused.code, "--engine docker" in hint) == (3, True)
    setting, _, table = hint.partition(" leaves")[0].partition(" under ")
    assert table == f"[env.{env}]"
    toml.write_text(f"{text.replace('[env.staging]', '')}{table}\n{setting}\n")
    accepted = in_process(*arguments, *(("--skip-gate",) if command == ("plan",) else ()), cwd=project)
    assert accepted.code == 0, accepted.err


OF_CONTAINERS = [
    ("--image", "serving:1"),
    ("--gpus", "-1", "--image", "serving:1"),
    ("--memory", "2g"),
    ("--cpus", "1.5"),
    ("--user", "1000:1000"),
]


@pytest.mark.parametrize("command", ["up", "plan"])
@pytest.mark.parametrize("options", OF_CONTAINERS, ids=lambda options: options[0])
def test_options_of_containers_are_refused_by_name_where_there_are_none(project, options, command):
    ended = in_process(command, "m", *options, "--engine", "embedded", "--json", cwd=project)
    error = ended.json["error"]
    assert ended.code == 3
    assert {option for option in options if option.startswith("--")} <= set(error["message"].replace(":", "").split())
    assert "--engine docker" in error["hint"]
    assert not (project / ".deployer" / "run").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--memory", "512"), ("--cpus", "-1"), ("--gpus", "-2"), ("--user", "me")]
)
def test_options_of_containers_are_checked_as_their_keys_are(project, option, value):
    ended = in_process("plan", "m", option, value, "--json", cwd=project)
    assert ended.code == 3
    assert f"docker.{option[2:]}" in ended.json["error"]["message"]


def test_keys_of_containers_are_for_another_engine(project):
    (project / "deployer.toml").write_text('[docker]\nmemory = "2g"\n')
    assert in_process("plan", "m", "--engine", "embedded", "--skip-gate", cwd=project).code == 0
