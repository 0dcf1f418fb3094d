"""`up` and `down`, as a person uses them: real exports, real servers, real requests."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import psutil
import pytest
import requests
from support.cli import ANY_PORTS, Ended, deployer, start, started_anew
from support.files import copy_model
from support.stores import record_files
from support.world import eventually, free_port, listens, servers, state_left


@pytest.fixture(scope="session")
def keras_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("keras") / "model.keras"
    model = keras.Sequential([keras.Input((4,), name="feat"), keras.layers.Dense(3, name="scores")])
    model.save(file)
    return file


def ask(endpoints: dict[str, str], value: float, version: str = "") -> float:
    url = f"{endpoints['rest']}/v1/models/half_plus_two{version}:predict"
    return requests.post(url, json={"instances": [value]}, timeout=60).json()["predictions"][0]


def up(project: Path, *arguments: str, by: Callable[..., Ended] = deployer) -> dict:
    ended = by("up", *arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err + ended.out
    return ended.json


def test_one_command_from_a_keras_file_to_a_proven_endpoint_and_back(empty_project, keras_file):
    first = up(empty_project, str(keras_file), "--name", "digits", *ANY_PORTS, by=started_anew)
    assert (first["name"], first["engine"], first["plan"]["change"]) == ("digits", "embedded", "create")
    assert first["models"][0]["name"] == "digits"
    assert first["models"][0]["versions"] == [1]
    assert first["report"]["ok"] is True
    names = {check["name"] for check in first["report"]["checks"] if check["ok"] and check["detail"]}
    assert names == {
        "status", "signatures", "source", "parity REST", "concurrent REST", "repeated REST",
        "parity gRPC", "concurrent gRPC", "repeated gRPC",
    }  # fmt: skip
    again = up(empty_project, str(keras_file), "--name", "digits", *ANY_PORTS, by=started_anew)
    assert (again["plan"]["change"], again["endpoints"]) == ("nothing", first["endpoints"])
    assert again["report"]["ok"] is True

    ports = [int(first["endpoints"][api].rpartition(":")[2]) for api in ("rest", "grpc")]
    assert all(map(listens, ports))
    assert started_anew("down", "digits", cwd=empty_project).code == 0
    assert not servers(empty_project)
    assert not any(map(listens, ports))
    assert state_left(empty_project) == []
    assert deployer("down", "digits", cwd=empty_project).code == 10


def test_versions_change_in_place_and_no_request_fails(project):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    failures: list[str] = []
    answers: list[float] = []
    stop = threading.Event()

    def traffic() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                try:
                    url = f"{first['endpoints']['rest']}/v1/models/half_plus_two:predict"
                    answers.append(session.post(url, json={"instances": [2.0]}, timeout=60).json()["predictions"][0])
                except (requests.RequestException, KeyError) as error:
                    failures.append(repr(error))
                time.sleep(0.005)

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        second = up(project, "half_plus_two:2", *ANY_PORTS)
        third = up(project, "half_plus_two:1", *ANY_PORTS)
        asked = len(answers)
        eventually(lambda: len(answers) > asked + 1, "the last version is asked")  # the first may be on its way
    finally:
        stop.set()
        thread.join()
    assert (second["plan"]["change"], third["plan"]["change"]) == ("reload", "reload")
    assert first["endpoints"] == second["endpoints"] == third["endpoints"]
    assert failures == []
    assert set(answers) == {3.0, 4.0}
    assert answers[0] == answers[-1] == 3.0
    assert len(servers(project)) == 1


def test_another_port_replaces_the_server(project):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    port = free_port()
    second = up(project, "half_plus_two:1", "--rest-port", str(port))
    assert second["plan"]["change"] == "replace"
    assert second["endpoints"] == {"rest": f"http://127.0.0.1:{port}", "grpc": first["endpoints"]["grpc"]}
    assert ask(second["endpoints"], 2.0) == 3.0
    assert not listens(int(first["endpoints"]["rest"].rpartition(":")[2]))
    assert len(servers(project)) == 1


def test_several_models_versions_and_labels_from_deployer_toml(project):
    (project / "deployer.toml").write_text(
        'name = "both"\n[server]\nrest_port = 0\ngrpc_port = 0\n'
        "[models.half_plus_two]\nversions = [1, 3]\nlabels = { stable = 1, canary = 3 }\n[models.text]\n"
    )
    result = up(project)
    assert result["name"] == "both"
    assert [model["versions"] for model in result["models"]] == [[1, 3], [1]]
    assert ask(result["endpoints"], 2.0, "/labels/stable") == 3.0
    assert ask(result["endpoints"], 2.0, "/labels/canary") == 2.0
    toml = (project / "deployer.toml").read_text()
    (project / "deployer.toml").write_text(toml.replace("[1, 3]", "[2, 3]").replace("stable = 1", "stable = 2"))
    moved = up(project)
    assert moved["plan"]["change"] == "reload"
    assert ask(moved["endpoints"], 2.0, "/labels/stable") == 4.0
    status = deployer("status", "--json", cwd=project).json["deployments"][0]
    assert status["healthy"] is True


def test_batching_and_monitoring_from_deployer_toml_run_requests_together_and_count_them(project):
    (project / "deployer.toml").write_text(
        "[batching]\nmax_batch_size = 4\nbatch_timeout_micros = 5000\n"
        '[monitoring]\npath = "/metrics"\n[models.half_plus_two]\nversions = [1]\n'
    )
    endpoints = up(project, *ANY_PORTS)["endpoints"]
    with ThreadPoolExecutor(4) as clients:
        assert list(clients.map(lambda value: ask(endpoints, value), (1.0, 2.0, 3.0, 4.0))) == [2.5, 3.0, 3.5, 4.0]
    url = f"{endpoints['rest']}/v1/models/half_plus_two:predict"
    refused = requests.post(url, json={"instances": [1.0] * 5}, timeout=60)
    assert refused.json() == {"error": "Task size 5 is larger than maximum input batch size 4"}
    counted = ':tensorflow:serving:request_count{model_name="half_plus_two",status="OK"} '
    page = requests.get(f"{endpoints['rest']}/metrics", timeout=60).text
    before = float(next(line for line in page.splitlines() if line.startswith(counted)).removeprefix(counted))
    ask(endpoints, 2.0)
    page = requests.get(f"{endpoints['rest']}/metrics", timeout=60).text
    assert f"{counted}{before + 1}" in page.splitlines()


def spoil_golden(project: Path, version: int, donor: int) -> None:
    """Give a version the golden answers of another, as if it had been exported wrong."""
    home = project / "models" / "half_plus_two"
    answers = (home / str(donor) / "assets.extra" / "golden.tfrecord").read_bytes()
    (home / str(version) / "assets.extra" / "golden.tfrecord").write_bytes(answers)
    record_files(home / str(version))


def test_a_version_that_answers_otherwise_never_takes_traffic(project):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    spoil_golden(project, 2, donor=3)
    refused = deployer("up", "half_plus_two:2", "--json", *ANY_PORTS, cwd=project)
    assert refused.code == 8
    assert "half_plus_two:2 parity REST: serving_default/y:" in refused.json["error"]["message"]
    assert ask(first["endpoints"], 2.0) == 3.0
    assert len(servers(project)) == 1


def test_a_first_version_that_answers_otherwise_leaves_nothing(project):
    spoil_golden(project, 2, donor=3)
    assert deployer("up", "half_plus_two:2", *ANY_PORTS, cwd=project).code == 8
    assert not servers(project)
    assert state_left(project) == []


def test_a_version_that_lost_its_variables_is_refused_with_the_servers_words(project):
    version = project / "models" / "half_plus_two" / "2"
    (version / "variables" / "variables.index").write_bytes(b"garbage")
    record_files(version)
    refused = deployer("up", "half_plus_two:2", *ANY_PORTS, cwd=project)
    assert refused.code == 7, refused.err
    assert "half_plus_two:2 failed to load" in refused.err or "the process of release" in refused.err
    assert "  | " in refused.err
    assert not servers(project)


def candidate_pid(project: Path) -> bool:
    return any(json.loads(path.read_text())["pid"] for path in project.glob(".deployer/run/local@*/*/*/release.json"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_command_ended_midway_leaves_the_next_one_a_clean_start(project, number):
    child = start("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    eventually(lambda: candidate_pid(project), "the candidate started")
    child.send_signal(number)
    code = child.wait(60)
    if number == signal.SIGKILL:
        assert code == -signal.SIGKILL
    else:
        assert code == 130
        assert not servers(project)
    result = up(project, "half_plus_two:1", *ANY_PORTS)
    assert ask(result["endpoints"], 2.0) == 3.0
    assert len(servers(project)) == 1
    assert deployer("down", cwd=project).code == 0
    assert state_left(project) == []


def test_a_command_killed_during_a_change_leaves_the_old_version_serving(project):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    child = start("up", "half_plus_two:2", *ANY_PORTS, cwd=project)
    eventually(lambda: len(servers(project)) == 2, "the candidate started")
    child.kill()
    child.wait(60)
    newest = deployer("history", "--json", cwd=project).json["releases"][0]
    assert (newest["outcome"], "was killed at: " in newest["detail"]) == ("interrupted", True)
    assert ask(first["endpoints"], 2.0) == 3.0
    second = up(project, "half_plus_two:2", *ANY_PORTS)
    assert ask(second["endpoints"], 2.0) == 4.0
    assert len(servers(project)) == 1


def test_down_removes_what_a_killed_command_left_and_says_that_nothing_was_deployed(project):
    child = start("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    eventually(lambda: candidate_pid(project), "the candidate started")
    child.kill()
    child.wait(60)
    assert deployer("down", "half_plus_two", cwd=project).code == 10
    assert not servers(project)
    assert state_left(project) == []


def test_a_killed_server_is_noticed_and_mended(project):
    up(project, "half_plus_two:1", *ANY_PORTS)
    server = servers(project)[0]
    server.kill()
    eventually(lambda: not servers(project), "the server is gone")
    status = deployer("status", "--json", cwd=project).json["deployments"][0]
    detail = "its server is not running: deployer up half_plus_two:1 starts it"
    assert (status["healthy"], status["detail"]) == (False, detail)
    mended = up(project, "half_plus_two:1", *ANY_PORTS)
    assert mended["plan"]["change"] == "create"
    assert "is not running" in mended["plan"]["steps"][0]["cause"]
    assert ask(mended["endpoints"], 2.0) == 3.0
    assert len(list(project.glob(".deployer/run/local@*/*/*"))) == 1


def test_a_reused_pid_is_never_taken_for_the_server(project):
    up(project, "half_plus_two:1", *ANY_PORTS)
    server = servers(project)[0]
    server.kill()
    eventually(lambda: not servers(project), "the server is gone")
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    try:
        label = next(project.glob(".deployer/run/local@*/*/*/release.json"))
        label.write_text(json.dumps({**json.loads(label.read_text()), "pid": stranger.pid}))
        assert deployer("status", "--json", cwd=project).json["deployments"][0]["deployment"]["running"] is False
        assert deployer("down", cwd=project).code == 0
        assert psutil.Process(stranger.pid).is_running()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait(60)


def test_two_commands_on_one_deployment_do_not_mix(project):
    child = start("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    eventually(lambda: candidate_pid(project), "the first command is at work")
    refused = deployer("up", "half_plus_two:2", *ANY_PORTS, cwd=project)
    assert refused.code == 9
    assert f"process {child.pid} of" in refused.err
    waited = up(project, "half_plus_two:2", "--lock-wait", "100", *ANY_PORTS)
    assert child.wait(60) == 0
    assert waited["plan"]["change"] == "reload"
    assert len(servers(project)) == 1


def test_environments_are_deployments_of_their_own(project):
    (project / "deployer.toml").write_text(
        "[models.half_plus_two]\n[env.staging.models.half_plus_two]\nversions = [1]\n"
    )
    local = up(project, *ANY_PORTS)
    staging = up(project, "--env", "staging", *ANY_PORTS)
    assert ask(local["endpoints"], 2.0) == 2.0
    assert ask(staging["endpoints"], 2.0) == 3.0
    there = deployer("status", "--all", "--json", cwd=project).json["deployments"]
    assert {each["deployment"]["env"] for each in there} == {"local", "staging"}
    assert deployer("down", "--env", "staging", cwd=project).code == 0
    assert ask(local["endpoints"], 2.0) == 2.0


def test_smoke_compares_with_the_version_that_is_served_and_not_with_another_of_its_number(project):
    copy_model(project / "other" / "half_plus_two" / "1", version=2)
    up(project, "half_plus_two:1", *ANY_PORTS)
    ended = deployer("smoke", "--models-dir", "other", "--json", cwd=project)
    assert (ended.code, "--models-dir" in ended.json["error"]["hint"]) == (4, True), ended.out
    assert deployer("smoke", cwd=project).code == 0


def test_the_verbs_that_look_tell_what_is_there(project):
    result = up(project, "half_plus_two:2", *ANY_PORTS)
    smoke = deployer("smoke", "--json", cwd=project)
    assert (smoke.code, smoke.json["report"]["ok"]) == (0, True)
    answer = deployer("predict", "half_plus_two", "--input", '{"instances": [2.0, 4.0]}', cwd=project)
    assert answer.json == {"predictions": [4.0, 5.0]}
    assert list(deployer("predict", cwd=project).json) == ["outputs"]
    refused = deployer("predict", "--input", '{"instances": ["x"]}', cwd=project)
    assert refused.code == 1
    assert "is not of expected type: float" in refused.err
    assert "deployer inspect half_plus_two:2 shows requests that it answers" in refused.err
    (server,) = servers(project)
    server.suspend()
    paused = deployer("predict", "half_plus_two", cwd=project, DEPLOYER_GATE_REQUEST_SECONDS="1")
    server.resume()
    assert (paused.code, "its server is paused" in paused.err, "hint" in paused.err) == (7, True, True)
    assert "Successfully loaded servable version {name: half_plus_two version: 2}" in deployer("logs", cwd=project).out
    assert deployer("logs", "--tail", "1", cwd=project).out.count("\n") == 1
    assert deployer("ps", "--json", cwd=project).json == deployer("status", "--json", cwd=project).json
    assert result["endpoints"]["rest"] in deployer("status", cwd=project).out
    nothing = deployer("plan", "half_plus_two:2", "--exit-code", cwd=project)
    assert (nothing.code, nothing.out.splitlines()[0]) == (0, "half_plus_two is up to date: version 2")
    assert deployer("plan", "half_plus_two:1", "--exit-code", cwd=project).code == 20
    spoil_golden(project, 2, donor=1)
    failed = deployer("smoke", "--json", cwd=project)
    assert failed.code == 8
    checks = failed.json["report"]["checks"]
    wrong = {(each["model"], each["name"]) for each in checks if not each["ok"]}
    assert wrong >= {("half_plus_two:2", "parity REST"), ("half_plus_two:2", "parity gRPC")}


def test_logs_follow_until_the_server_ends(project):
    up(project, "half_plus_two:1", *ANY_PORTS)
    follower = subprocess.Popen(
        [sys.executable, "-m", "deployer", "logs", "-f"], cwd=project, stdout=subprocess.PIPE, text=True
    )
    assert follower.stdout is not None
    first = follower.stdout.readline()
    assert deployer("down", cwd=project).code == 0
    with follower.stdout as lines:
        followed = [first, *lines]
    assert any("Serving on public ports" in line for line in followed)
    assert "Stopped" in followed[-1]
    assert follower.wait(60) == 0
