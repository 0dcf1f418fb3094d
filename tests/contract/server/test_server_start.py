"""Starting, and what is said when that fails: rows A, B, C, E, F, G of the recorded behaviour."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from contract.server.server_process import HOST, MODELS, ServerProcess, free_port, model_config, serving, until
from support.files import as_text

from deployer.savedmodel.messages import message_class


def put(directory: Path, version: int, source: Path = MODELS / "half_plus_two" / "1") -> None:
    """Write a version beside its place and rename it, as a deploy does."""
    directory.mkdir(exist_ok=True)
    beside = directory / f".{version}.tmp"
    shutil.copytree(source, beside)
    beside.rename(directory / str(version))


def run_to_the_end(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deployer.server", f"--port={free_port()}", f"--listen_address={HOST}", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def test_a_missing_path_and_an_empty_one_are_waited_for_with_closed_ports(tmp_path: Path) -> None:
    base = tmp_path / "models" / "m"
    ready = tmp_path / "ready.json"
    flags = ("--model_name=m", f"--model_base_path={base}", f"--ready_file={ready}", "--no_such_flag=1")
    with serving(tmp_path, *flags) as server:
        missing = f"Could not find base path {base} for servable m with error NOT_FOUND: {base} not found"
        error = f"FileSystemStoragePathSource encountered a filesystem access error: {missing}"
        until(lambda: server.log.count(error) > 1)
        base.mkdir(parents=True)
        forgot = "Did you forget to name your leaf directory as a number (eg. '/1/')?"
        empty = f"No versions of servable m found under base path {base}. {forgot}"
        until(lambda: server.log.count(empty) > 1)
        assert server.child.poll() is None
        assert not any(is_open(port) for port in (server.port, server.rest_port))
        assert not ready.exists()
        put(base, 1)
        server.wait_ready()
        assert server.predict("m", 1.0) == (200, {"predictions": [2.5]})
        told = until(lambda: ready.exists() and json.loads(ready.read_text()))
        assert told == {"pid": server.child.pid, "port": server.port, "rest_api_port": server.rest_port}
        assert "unknown argument: --no_such_flag=1" in server.log
        assert "Successfully loaded servable version {name: m version: 1}" in server.log
        assert f"Running gRPC ModelServer at {HOST}:{server.port} ..." in server.log


def test_a_broken_model_at_start_ends_the_server_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "saved_model.pb").write_bytes(b"this is not a SavedModel")
    config = tmp_path / "models.config"
    good = model_config("good", MODELS / "half_plus_two")
    config.write_text(f"model_config_list {{ {model_config('m', tmp_path / 'm')} {good} }}")
    done = run_to_the_end(f"--model_config_file={config}", "--max_num_load_retries=0")
    assert done.returncode == 255
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: {{{name: m version: 1} due "
        f"to error: DATA_LOSS: Can't parse {tmp_path}/m/1/saved_model.pb as binary proto}}, }}"
    ) in done.stdout


def test_with_the_default_retries_a_broken_model_is_tried_again_with_closed_ports(tmp_path: Path) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "saved_model.pb").write_bytes(b"this is not a SavedModel")
    with serving(tmp_path, "--model_name=m", f"--model_base_path={tmp_path / 'm'}") as server:
        server.wait_for_log("Loading servable version {name: m version: 1} failed, 5 retries left: DATA_LOSS: Can't")
        assert server.child.poll() is None
        assert not any(is_open(port) for port in (server.port, server.rest_port))


def test_a_file_uri_and_a_model_as_text_are_served(tmp_path: Path) -> None:
    put(tmp_path / "m", 1)
    put(tmp_path / "m", 2)
    as_text(tmp_path / "m" / "2")
    with serving(tmp_path, "--model_name=m", f"--model_base_path=file://{tmp_path}/m") as server:
        server.wait_ready()
        assert server.predict("m", 1.0) == (200, {"predictions": [2.5]})


def test_text_that_is_no_saved_model_does_not_load(tmp_path: Path) -> None:
    names = {"nonsense": "type: 'Pose'", "deep": "meta_graphs {" * 50_000, "bytes": "\udcff"}
    for name, text in names.items():
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "saved_model.pbtxt").write_text(text, errors="surrogateescape")
    config = tmp_path / "models.config"
    config.write_text(f"model_config_list {{ {' '.join(model_config(name, tmp_path / name) for name in names)} }}")
    done = run_to_the_end(f"--model_config_file={config}", "--max_num_load_retries=0")
    assert done.returncode == 255
    for name in names:
        assert f"DATA_LOSS: Can't parse {tmp_path}/{name}/1/saved_model.pbtxt as text proto" in done.stdout


@pytest.mark.parametrize("scheme", ["s3", "gs", "hdfs", "http"])
def test_a_file_system_that_is_not_there_ends_the_server(scheme: str) -> None:
    done = run_to_the_end("--model_name=m", f"--model_base_path={scheme}://bucket/m")
    assert done.returncode == 255
    assert f"UNIMPLEMENTED: File system scheme '{scheme}' not implemented (file: '{scheme}://bucket/m')" in done.stdout


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


def test_a_bad_value_of_a_known_flag_ends_the_server() -> None:
    done = run_to_the_end("--model_name=m", f"--model_base_path={MODELS / 'half_plus_two'}", "--enable_batching=maybe")
    assert done.returncode == 255


def test_a_label_in_the_first_config_ends_the_server(tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    label = 'version_labels { key: "stable" value: 3 }'
    config.write_text(f"model_config_list {{ {model_config('m', MODELS / 'half_plus_two', label)} }}")
    done = run_to_the_end(f"--model_config_file={config}")
    assert done.returncode == 255
    assert (
        "Failed to start server. Error: FAILED_PRECONDITION: Request to assign label to version 3 of model m, which is "
        "not currently available for inference"
    ) in done.stdout


def test_grpc_goes_on_alone_when_the_rest_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        flags = ("--model_name=m", f"--model_base_path={MODELS / 'half_plus_two'}")
        with serving(tmp_path, *flags, rest_port=port) as server:
            server.wait_for_log(f"Failed to start HTTP Server at {HOST}:{port}")
            assert states_over_grpc(server) == [(3, 30)]


def states_over_grpc(server: ServerProcess) -> list[tuple[int, int]]:
    """Version and state of model `m`, asked on a connection of its own."""
    request = message_class("tensorflow.serving.GetModelStatusRequest")()
    request.model_spec.name = "m"
    with grpc.insecure_channel(f"{HOST}:{server.port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        ask = channel.unary_unary(
            "/tensorflow.serving.ModelService/GetModelStatus",
            request_serializer=message_class("tensorflow.serving.GetModelStatusRequest").SerializeToString,
            response_deserializer=message_class("tensorflow.serving.GetModelStatusResponse").FromString,
        )
        return [(each.version, each.state) for each in ask(request, timeout=60).model_version_status]


def test_two_servers_on_one_grpc_port_share_its_connections(tmp_path: Path) -> None:
    """Without a word, as TensorFlow Serving does: 64 connections all going to one would be a wonder."""
    directories = [tmp_path / name for name in ("one", "two")]
    for number, directory in enumerate(directories, 1):
        directory.mkdir()
        put(directory / "m", number)
    with contextlib.ExitStack() as running:
        flags = [("--model_name=m", f"--model_base_path={directory / 'm'}") for directory in directories]
        one = running.enter_context(serving(directories[0], *flags[0])).wait_ready()
        running.enter_context(serving(directories[1], *flags[1], port=one.port)).wait_ready()
        assert {states_over_grpc(one)[0][0] for _ in range(64)} == {1, 2}
