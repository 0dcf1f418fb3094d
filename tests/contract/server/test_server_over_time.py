"""What happens while the server runs: rows D, H to L, N and O of the recorded behaviour, and how it stops."""

from __future__ import annotations

import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from contract.server.server_process import (
    HOST,
    MODELS,
    ServerProcess,
    free_port,
    model_config,
    serving,
    until,
)

HALF = MODELS / "half_plus_two"
GOOD_WARM_UP = bytes.fromhex(
    "1e00000000000000d9dc1232321c0a1a0a030a016d12130a0178120e08011204120208012a040000803f5680b8a3"
)
BAD_WARM_UP = bytes.fromhex(
    "2400000000000000422b804d32220a200a090a016d1a046e6f706512130a0178120e08011204120208012a040000803fed485d05"
)


def put(directory: Path, version: int, source: int = 1) -> Path:
    """Write a version beside its place and rename it, as a deploy does."""
    directory.mkdir(parents=True, exist_ok=True)
    beside = directory / f".{version}.tmp"
    shutil.copytree(HALF / str(source), beside)
    return beside.rename(directory / str(version))


def specific(*versions: int) -> str:
    return f"model_version_policy {{ specific {{ {' '.join(f'versions: {v}' for v in versions)} }} }}"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("over_time")


@pytest.fixture(scope="module")
def server(base: Path) -> Iterator[ServerProcess]:
    config = base / "models.config"
    put(base / "first", 1)
    config.write_text(f"model_config_list {{ {model_config('first', base / 'first')} }}")
    flags = ("--max_num_load_retries=0", "--allow_version_labels_for_unavailable_models=true")
    with serving(base, f"--model_config_file={config}", *flags) as started:
        yield started.wait_ready()


def test_a_version_without_variables_is_available_and_fails_every_predict(server: ServerProcess, base: Path) -> None:
    shutil.rmtree(put(base / "bare", 1) / "variables")
    server.reload(model_config("bare", base / "bare"))
    _, answer = server.ask("GET", "/v1/models/bare")
    good = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert answer["model_version_status"] == [good]
    status, answer = server.predict("bare", 1.0)
    assert status == 400
    deleted = "Could not find variable Variable. This could mean that the variable has been deleted. "
    assert answer["error"].startswith(deleted)


def test_a_reload_with_a_missing_path_waits_and_the_next_one_waits_behind_it(server: ServerProcess, base: Path) -> None:
    put(base / "next", 1)
    for name in ("late", "next"):
        with pytest.raises(grpc.RpcError) as caught:
            server.reload(model_config(name, base / name), seconds=1)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert server.states("next") == {}
    put(base / "late", 1)
    until(lambda: server.states("next") == {1: "AVAILABLE"})
    until(lambda: server.states("late") == {1: "END"})


def test_a_reload_with_a_broken_model_keeps_its_other_changes(server: ServerProcess, base: Path) -> None:
    (put(base / "broken", 1) / "saved_model.pb").write_bytes(b"this is not a SavedModel")
    put(base / "sound", 1)
    with pytest.raises(grpc.RpcError) as caught:
        server.reload(model_config("broken", base / "broken") + model_config("sound", base / "sound"))
    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    why = f"DATA_LOSS: Can't parse {base}/broken/1/saved_model.pb as binary proto"
    said = f"1 model(s) did not become available: {{{{{{name: broken version: 1}} due to error: {why}}}, }}"
    assert caught.value.details() == said
    assert server.states("sound") == {1: "AVAILABLE"}
    _, answer = server.ask("GET", "/v1/models/broken")
    assert answer["model_version_status"][0]["state"] == "END"
    assert answer["model_version_status"][0]["status"]["error_code"] == "DATA_LOSS"


def test_a_reload_to_a_version_that_is_not_there_unloads_all(server: ServerProcess, base: Path) -> None:
    put(base / "gone", 1)
    server.reload(model_config("gone", base / "gone"))
    server.reload(model_config("gone", base / "gone", specific(7)))
    until(lambda: server.states("gone") == {1: "END"})
    assert server.predict("gone", 1.0) == (404, {"error": "Servable not found for request: Latest(gone)"})


def test_a_label_moves_only_to_a_version_that_serves(server: ServerProcess, base: Path) -> None:
    put(base / "labelled", 1)
    put(base / "labelled", 2, source=2)
    stable = 'version_labels {{ key: "stable" value: {} }} '
    server.reload(model_config("labelled", base / "labelled", stable.format(1) + specific(1)))
    with pytest.raises(grpc.RpcError) as caught:
        server.reload(model_config("labelled", base / "labelled", stable.format(2) + specific(1, 2)))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert server.states("labelled") == {1: "AVAILABLE"}
    assert server.predict("labelled/labels/stable", 0.0) == (200, {"predictions": [2.0]})
    server.reload(model_config("labelled", base / "labelled", stable.format(1) + specific(1, 2)))
    until(lambda: server.states("labelled") == {1: "AVAILABLE", 2: "AVAILABLE"})
    assert server.predict("labelled/labels/stable", 0.0) == (200, {"predictions": [2.0]})
    server.reload(model_config("labelled", base / "labelled", stable.format(2) + specific(1, 2)))
    assert server.predict("labelled/labels/stable", 0.0) == (200, {"predictions": [3.0]})


def test_the_latest_two_follow_the_disk_and_files_changed_in_place_do_not_matter(
    server: ServerProcess, base: Path
) -> None:
    for version in (1, 2):
        put(base / "two", version, source=version)
    server.reload(model_config("two", base / "two", "model_version_policy { latest { num_versions: 2 } }"))
    until(lambda: server.states("two") == {1: "AVAILABLE", 2: "AVAILABLE"})
    put(base / "two", 3, source=3)
    until(lambda: server.states("two") == {1: "END", 2: "AVAILABLE", 3: "AVAILABLE"})
    shutil.copytree(HALF / "1", base / "two" / "3", dirs_exist_ok=True)
    put(base / "two", 4, source=2)
    until(lambda: server.states("two").get(4) == "AVAILABLE")
    assert server.predict("two/versions/3", 0.0) == (200, {"predictions": [0.0]})


def test_a_truncated_version_ends_and_the_old_one_answers(server: ServerProcess, base: Path) -> None:
    put(base / "cut", 1)
    server.reload(model_config("cut", base / "cut"))
    whole = (HALF / "2" / "saved_model.pb").read_bytes()
    half = base / "cut" / ".half"
    half.mkdir()
    (half / "saved_model.pb").write_bytes(whole[: len(whole) // 2])
    half.rename(base / "cut" / "2")
    until(lambda: server.states("cut") == {1: "AVAILABLE", 2: "END"})
    _, answer = server.ask("GET", "/v1/models/cut/versions/2")
    assert answer["model_version_status"][0]["status"] == {
        "error_code": "OUT_OF_RANGE",
        "error_message": "Read less bytes than requested",
    }
    assert server.predict("cut", 0.0) == (200, {"predictions": [2.0]})


def warmup_file(version: Path, data: bytes) -> None:
    (version / "assets.extra").mkdir(exist_ok=True)
    (version / "assets.extra" / "tf_serving_warmup_requests").write_bytes(data)


def test_warm_up_records_run_at_load_and_one_that_fails_fails_the_load(server: ServerProcess, base: Path) -> None:
    """The record asks for a signature; its framing (length, checksum, data, checksum) is that of a TFRecord."""
    records = {"warm": GOOD_WARM_UP, "cold": BAD_WARM_UP, "junk": b"this is no TFRecord at all"}
    for name, record in records.items():
        warmup_file(put(base / name, 1), record)
    server.reload(model_config("warm", base / "warm"))
    assert server.states("warm") == {1: "AVAILABLE"}
    server.wait_for_log("Number of warmup records read: 1.")
    for name, said in (("cold", 'Serving signature key "nope" not found.'), ("junk", "verify your warmup data is in")):
        with pytest.raises(grpc.RpcError) as caught:
            server.reload(model_config(name, base / name))
        assert said in caught.value.details()


def test_no_request_fails_while_versions_are_swapped(server: ServerProcess, base: Path) -> None:
    for version in (1, 2):
        put(base / "swapped", version, source=version)
    server.reload(model_config("swapped", base / "swapped", specific(1)))
    stop = threading.Event()
    answers: list[tuple[int, object]] = []

    def ask() -> None:
        while not stop.is_set():
            answers.append(server.predict("swapped", 0.0))

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    for version in (2, 1, 2, 1):
        server.reload(model_config("swapped", base / "swapped", specific(version)))
        until(lambda version=version: server.states("swapped") == {version: "AVAILABLE", 3 - version: "END"})
    stop.set()
    for client in clients:
        client.join(60)
    assert {str(answer) for answer in answers} == {str((200, {"predictions": [v]})) for v in (2.0, 3.0)}


def test_config_polling_public_ports_and_a_drain(tmp_path: Path) -> None:
    """One server's life: it reads its config again, opens its public ports when told, and finishes what it began."""
    config, public, public_rest = tmp_path / "models.config", free_port(), free_port()
    config.write_text(f"model_config_list {{ {model_config('m', HALF, specific(1))} }}")
    poll = (f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1")
    ports = (f"--public_port={public}", f"--public_rest_api_port={public_rest}", "--reuse_port=true")
    with serving(tmp_path, *poll, *ports) as server:
        server.wait_ready()
        config.write_text("this is { no config")
        server.wait_for_log(f"Failed to read ModelServerConfig file: Invalid protobuf file: '{config}'")
        assert server.predict("m", 0.0) == (200, {"predictions": [2.0]})
        config.write_text(f"model_config_list {{ {model_config('m', HALF, specific(2))} }}")
        until(lambda: server.states("m") == {1: "END", 2: "AVAILABLE"})
        with socket.socket() as client:
            assert client.connect_ex((HOST, public_rest)) != 0
        server.child.send_signal(signal.SIGUSR1)
        server.wait_for_log(f"Serving on public ports: gRPC {HOST}:{public}, REST {HOST}:{public_rest}")
        assert server.predict("m", 0.0, port=public_rest) == (200, {"predictions": [3.0]})
        with socket.create_connection((HOST, public), timeout=60):
            pass
        assert b'"predictions": [3.0' in _asked_while_it_stops(server, public_rest)
        assert server.wait_for_exit() == 0


def _asked_while_it_stops(server: ServerProcess, port: int) -> bytes:
    """Begin a request, tell the server to stop, see that the port closes, and only then send the body."""
    body = b'{"instances": [0.0]}'
    head = (
        f"POST /v1/models/m:predict HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((HOST, port), timeout=60) as client:
        client.sendall(head.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 100 Continue")
        server.child.send_signal(signal.SIGTERM)
        until(lambda: _refused(port))
        client.sendall(body)
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        return answer


def _refused(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) != 0
