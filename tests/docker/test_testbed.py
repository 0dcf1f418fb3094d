"""The image under test keeps the contract of `tensorflow/serving`, down to the recorded answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from contract.server.answers import grpc_fault, rest_fault
from contract.server.server_process import MODELS
from contract.server.test_server_conformance import GRPC, REST, SETUP
from support.containers import docker
from support.docker import HARDENED, ContainerServer, container, left_behind, mounted

from deployer.savedmodel.messages import message_class

PORTS = ("-p", "127.0.0.1:{port}:8500", "-p", "127.0.0.1:{rest_port}:8501")
HALF = ("-e", "MODEL_NAME=half_plus_two", *mounted(MODELS, "/models"))
KILLED = 137
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert left_behind() == []


@pytest.fixture
def run(tmp_path: Path, server_image: str) -> Any:
    """Runs the image hardened: `run(OPTIONS, *FLAGS)` is a context."""

    def runs(options: tuple[str, ...], *flags: str) -> AbstractContextManager[ContainerServer]:
        return container(tmp_path, server_image, (*HARDENED, *options), *flags)

    return runs


def test_the_image_says_what_the_official_one_says(server_image: str) -> None:
    config = json.loads(docker("image", "inspect", server_image))[0]["Config"]
    assert config["Entrypoint"] == ["/usr/bin/tf_serving_entrypoint.sh"]
    assert not config.get("Cmd")
    assert set(config["ExposedPorts"]) == {"8500/tcp", "8501/tcp"}
    assert {"MODEL_BASE_PATH=/models", "MODEL_NAME=model"} <= set(config["Env"])


def test_hardened_it_serves_both_apis_on_published_ports_and_hears_a_stop(run: Any) -> None:
    with run((*PORTS, *HALF)) as server:
        server.wait_ready()
        assert server.predict("half_plus_two", 1.0) == (200, {"predictions": [1.0]})
        assert server.predict("half_plus_two/versions/3", 5.0)[0] == 200
        assert _grpc_predict(server, 4.0) == 4.0
        found = json.loads(docker("inspect", server.name))[0]
        bindings = found["HostConfig"]["PortBindings"]
        assert {each["HostIp"] for port in bindings.values() for each in port} == {"127.0.0.1"}
        assert [(mount["Destination"], mount["RW"]) for mount in found["Mounts"]] == [("/models", False)]
        assert_bash_can_ask_whether_the_port_is_open(server)
        assert_a_stop_with_init_is_not_dropped(server)


def _grpc_predict(server: ContainerServer, value: float) -> float:
    request = message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=1)
    request.inputs["x"].float_val.append(value)
    answer = server.call(
        "tensorflow.serving.PredictionService/Predict", request, message_class("tensorflow.serving.PredictResponse")
    )
    return answer.outputs["y"].float_val[0]


def assert_bash_can_ask_whether_the_port_is_open(server: ContainerServer) -> None:
    docker("exec", server.name, "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8501")


def assert_a_stop_with_init_is_not_dropped(server: ContainerServer) -> None:
    """A server that does not hear SIGTERM is killed at the end of the minute, and that shows in its exit code."""
    docker("stop", "--time", "60", server.name)
    assert server.wait_for_exit() != KILLED


def test_flags_behind_the_image_come_last_and_win(run: Any) -> None:
    """One that is unknown is printed and ignored."""
    ports = ("-p", "127.0.0.1:{port}:8700", "-p", "127.0.0.1:{rest_port}:8701")
    flags = ("--port=8700", "--rest_api_port=8701", "--model_name=renamed", "--no_such_flag=1")
    with run((*ports, *HALF), *flags) as server:
        server.wait_ready()
        assert "unknown argument: --no_such_flag=1" in server.log
        assert server.predict("renamed", 1.0) == (200, {"predictions": [1.0]})
        assert server.predict("half_plus_two", 1.0)[0] == 404


def test_the_default_name_and_base_path(run: Any) -> None:
    with run((*PORTS, *mounted(MODELS / "half_plus_two", "/models/model"))) as server:
        server.wait_ready()
        assert server.predict("model", 1.0) == (200, {"predictions": [1.0]})


def test_the_base_path_is_the_variables(run: Any) -> None:
    with run(
        (*PORTS, "-e", "MODEL_BASE_PATH=/elsewhere", *mounted(MODELS / "half_plus_two", "/elsewhere/model"))
    ) as it:
        it.wait_ready()
        assert it.predict("model", 1.0) == (200, {"predictions": [1.0]})


def test_ports_stay_closed_while_the_base_path_is_missing(run: Any) -> None:
    options = ("-e", "MODEL_NAME=absent", *mounted(MODELS, "/models"))
    with run((*PORTS, *options)) as server:
        server.wait_for_log("Could not find base path /models/absent for servable absent")
        with pytest.raises(subprocess.CalledProcessError):
            _inside(server, "exec 3<>/dev/tcp/127.0.0.1/8501")


def _inside(server: ContainerServer, script: str) -> None:
    subprocess.run(["docker", "exec", server.name, "bash", "-c", script], capture_output=True, timeout=60, check=True)


def test_a_broken_model_ends_it_with_255_and_its_reason(run: Any, tmp_path: Path) -> None:
    version = tmp_path / "broken" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"this is not a SavedModel")
    options = ("-e", "MODEL_NAME=broken", *mounted(tmp_path / "broken", "/models/broken"))
    with run((*PORTS, *options), "--max_num_load_retries=0") as server:
        assert server.wait_for_exit() == 255
        assert "Can't parse /models/broken/1/saved_model.pb as binary proto" in server.log


def test_a_bad_value_of_a_flag_ends_it_with_255(run: Any) -> None:
    with run((*PORTS, *HALF), "--max_num_load_retries=many") as server:
        assert server.wait_for_exit() == 255


def test_the_command_tells_its_version(server_image: str) -> None:
    said = docker("run", "--rm", *HARDENED, "--entrypoint", "tensorflow_model_server", server_image, "--version")
    assert said.startswith("TensorFlow ModelServer: ")
    assert "TensorFlow Library: 2." in said


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, server_image: str) -> Iterator[ContainerServer]:
    """The server of the recordings: the models at the paths that their config names."""
    directory = tmp_path_factory.mktemp("recorded")
    (directory / "models.config").write_text(SETUP["model_config"])
    options = (*PORTS, *mounted(MODELS, str(MODELS)), *mounted(directory, "/config"))
    with container(
        directory, server_image, options, "--model_config_file=/config/models.config", *SETUP["flags"]
    ) as made:
        yield made.wait_ready()


def test_every_recorded_answer_over_rest(recorded: ContainerServer) -> None:
    faults = {case["id"]: rest_fault(recorded, case) for case in REST}
    assert {name: fault for name, fault in faults.items() if fault} == {}


def test_every_recorded_answer_over_grpc(recorded: ContainerServer) -> None:
    """Last: some of these requests change what is served."""
    faults = {case["id"]: grpc_fault(recorded, case) for case in GRPC}
    assert {name: fault for name, fault in faults.items() if fault} == {}


def test_the_image_has_the_versions_of_the_constraints() -> None:
    """Where a package's version depends on Python's, the marker too; tensorflow-cpu has tensorflow's."""
    held = set((ROOT / "requirements" / "constraints.txt").read_text().splitlines())
    held |= {line.partition(" ;")[0] for line in held if "python_full_version" not in line}
    for line in _pins():
        pin = line.partition(" ; platform_machine")[0].replace("tensorflow-cpu==", "tensorflow==")
        assert pin in held, line


def _pins() -> list[str]:
    lines = (ROOT / "docker" / "server" / "requirements.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def ask_testbed(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "docker" / "testbed" / "testbed.sh")
    return subprocess.run(
        [script, command], env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_testbed_prints_the_image_that_is_named() -> None:
    named = ask_testbed("image", DEPLOYER_TEST_IMAGE="some/image:7", DOCKER_HOST="unix:///nowhere.sock")
    assert (named.returncode, named.stdout) == (0, "some/image:7\n")


def test_the_testbed_prints_an_image_that_the_engine_has(server_image: str) -> None:
    found = ask_testbed("image").stdout.strip()
    assert found == server_image or json.loads(docker("image", "inspect", found))


@pytest.mark.parametrize("command", ["image", "status"])
def test_without_an_engine_the_testbed_says_how_to_get_one(command: str) -> None:
    ended = ask_testbed(command, DOCKER_HOST="unix:///nowhere.sock")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "error: no Docker Engine answers at unix:///nowhere.sock" in ended.stderr
    assert "testbed.sh up" in ended.stderr


def test_the_testbed_starts_no_engine_for_another_machine(tmp_path: Path) -> None:
    ended = ask_testbed("up", DOCKER_HOST="tcp://127.0.0.1:1", DEPLOYER_TESTBED_DIR=str(tmp_path))
    assert ended.returncode == 1
    assert "error: no Docker Engine answers at tcp://127.0.0.1:1" in ended.stderr


def test_the_testbed_stops_no_engine_that_it_did_not_start(tmp_path: Path) -> None:
    before = docker("info", "--format", "{{.ID}}")
    (tmp_path / "dockerd.pid").write_text(str(os.getpid()))
    ended = ask_testbed("down", DEPLOYER_TESTBED_DIR=str(tmp_path))
    assert (ended.returncode, docker("info", "--format", "{{.ID}}")) == (0, before)
    assert "no engine runs" in ended.stderr


OWN_IMAGES = ("base", "server", "gateway")
"""Those that `up` makes; other tests build more."""


def test_a_testbed_that_is_up_stays_as_it_is(server_image: str, tmp_path: Path) -> None:
    """The first of the two may have a change of the code to build in."""
    settings = {"DEPLOYER_TEST_IMAGE": server_image, "DEPLOYER_TESTBED_DIR": str(tmp_path)}
    seen = []
    for _ in range(2):
        ended = ask_testbed("up", **settings)
        assert ended.returncode == 0, ended.stderr
        seen.append([docker("images", "--no-trunc", "--quiet", f"deployer-testbed/{own}") for own in OWN_IMAGES])
    assert seen[0] == seen[1]
