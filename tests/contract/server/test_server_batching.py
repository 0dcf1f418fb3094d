"""Batching seen from outside: a model that tells in which run, and among how many rows, it made each answer.

Nothing here depends on the time: a batch goes when it is full, or at once when the time-out is zero.
"""

from __future__ import annotations

import contextlib
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from contract.server.server_process import HOST, MODELS, ServerProcess, free_port, serving, until

from deployer.savedmodel.messages import message_class

AN_HOUR = "batch_timeout_micros { value: 3600000000 }"
MODEL = ("--model_name=counting", f"--model_base_path={MODELS / 'counting'}")


@contextlib.contextmanager
def batching(directory: Path, parameters: str, *flags: str) -> Iterator[ServerProcess]:
    file = directory / "batching.config"
    file.write_text(parameters)
    own = ("--enable_batching", f"--batching_parameters_file={file}", "--rest_api_num_threads=8")
    with serving(directory, *MODEL, *own, *flags) as server:
        yield server.wait_ready()


def predict(server: ServerProcess, values: list[Any], signature: str = "serving_default") -> tuple[int, Any]:
    body = {"signature_name": signature, "instances": values}
    status, answer = server.ask("POST", "/v1/models/counting:predict", body)
    return status, answer["predictions"] if status == 200 else answer["error"]


def grpc_predict(server: ServerProcess, *values: float) -> Any:
    request = message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "counting"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=len(values))
    request.inputs["x"].float_val.extend(values)
    return server.call(
        "tensorflow.serving.PredictionService/Predict", request, message_class("tensorflow.serving.PredictResponse")
    )


def test_concurrent_requests_of_both_apis_are_one_run(tmp_path: Path) -> None:
    with batching(tmp_path, f"max_batch_size {{ value: 4 }} {AN_HOUR}") as server, ThreadPoolExecutor(4) as clients:
        rest = [clients.submit(predict, server, [value]) for value in (1.0, 2.0)]
        grpc = [clients.submit(grpc_predict, server, value) for value in (3.0, 4.0)]
        answers = [row for each in rest for row in each.result()[1]]
        assert [(row["y"], row["rows"], row["run"]) for row in answers] == [(2.5, 4, 1), (3.0, 4, 1)]
        outputs = [each.result().outputs for each in grpc]
        assert [list(told["y"].float_val) for told in outputs] == [[3.5], [4.0]]
        assert [list(told["rows"].int_val) + list(told["run"].int64_val) for told in outputs] == [[4, 1]] * 2


def test_two_hundred_requests_take_fewer_runs_and_get_their_own_answers(tmp_path: Path) -> None:
    with batching(tmp_path, f"max_batch_size {{ value: 5 }} {AN_HOUR}") as server, ThreadPoolExecutor(5) as clients:
        asked = [[float(value)] for value in range(200)]
        answers = [rows[0] for _, rows in clients.map(lambda values: predict(server, values), asked)]
        assert [row["y"] for row in answers] == [value / 2 + 2 for value in range(200)]
        assert {row["rows"] for row in answers} == {5}
        assert sorted({row["run"] for row in answers}) == list(range(1, 41))


def test_a_batch_is_filled_up_to_an_allowed_size(tmp_path: Path) -> None:
    sizes = "max_batch_size { value: 8 } allowed_batch_sizes: 2 allowed_batch_sizes: 8"
    with batching(tmp_path, sizes) as server:
        for values, rows in (([1.0], 2), ([1.0, 2.0], 2), ([1.0, 2.0, 3.0], 8)):
            status, answers = predict(server, values)
            assert status == 200
            assert [(row["y"], row["rows"]) for row in answers] == [(value / 2 + 2, rows) for value in values]


def test_a_request_beyond_the_largest_batch_is_refused(tmp_path: Path) -> None:
    with batching(tmp_path, "max_batch_size { value: 2 }") as server:
        refusal = "Task size 3 is larger than maximum input batch size 2"
        assert predict(server, [1.0, 2.0, 3.0]) == (400, refusal)
        with pytest.raises(Exception, match=refusal):
            grpc_predict(server, 1.0, 2.0, 3.0)


def test_a_large_request_is_split_where_that_is_allowed(tmp_path: Path) -> None:
    splitting = "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 4 }"
    with batching(tmp_path, f"max_batch_size {{ value: 10 }} {splitting}") as server:
        _, answers = predict(server, [float(value) for value in range(10)])
        assert [row["y"] for row in answers] == [value / 2 + 2 for value in range(10)]
        assert [row["rows"] for row in answers] == [4] * 8 + [2] * 2
        assert predict(server, [0.0] * 11) == (400, "Task size 11 is larger than maximum input batch size 10")


def insisting(server: ServerProcess, values: list[float]) -> tuple[int, Any]:
    """Ask again while there is no room."""
    return until(lambda: (answer := predict(server, values))[0] != 503 and answer)


def test_a_full_queue_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    parameters = f"max_batch_size {{ value: 2 }} max_enqueued_batches {{ value: 1 }} {AN_HOUR}"
    with batching(tmp_path, parameters) as server, ThreadPoolExecutor(2) as clients:
        waiting = clients.submit(insisting, server, [1.0])
        until(lambda: predict(server, [2.0, 3.0])[0] == 503)
        assert predict(server, [2.0, 3.0]) == (
            503,
            "The batch scheduling queue to which this task was submitted is full; currently 1 batches enqueued and "
            "max_enqueued_batches is 1",
        )
        with pytest.raises(Exception, match=r"The batch scheduling queue .* is full") as refused:
            grpc_predict(server, 2.0, 3.0)
        assert refused.value.code().name == "UNAVAILABLE"  # type: ignore[attr-defined]
        assert predict(server, [5.0])[1][0]["rows"] == 2
        assert waiting.result()[1][0]["y"] == 2.5


@pytest.mark.parametrize("pads", [True, False])
def test_rows_of_different_width_share_a_batch_only_with_padding(tmp_path: Path, pads: bool) -> None:
    parameters = f"max_batch_size {{ value: 2 }} {AN_HOUR} pad_variable_length_inputs: {str(pads).lower()}"
    with batching(tmp_path, parameters) as server, ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(predict, server, [row], "total") for row in ([1.0], [2.0, 3.0, 4.0])]
        (status, narrow), (_, wide) = (each.result() for each in asked)
        if pads:
            assert [(row["total"], row["width"], row["rows"]) for row in (narrow[0], wide[0])] == [
                (3.0, 3, 2),
                (9, 3, 2),
            ]
        else:
            assert (status, narrow) == (400, wide)
            assert narrow.startswith("Tensors with name 'total_x:0' from different tasks have different shapes and")


def test_examples_are_batched_too(tmp_path: Path) -> None:
    with batching(tmp_path, f"max_batch_size {{ value: 4 }} {AN_HOUR}") as server, ThreadPoolExecutor(2) as clients:
        bodies = [{"signature_name": "classify", "examples": [{"x": n}, {"x": n + 1}]} for n in (1.0, 3.0)]
        path = "/v1/models/counting"
        answers = [clients.submit(server.ask, "POST", f"{path}:classify", body) for body in bodies]
        assert [each.result() for each in answers] == [
            (200, {"results": [[["4", 1.0]], [["4", 2.0]]]}),
            (200, {"results": [[["4", 3.0]], [["4", 4.0]]]}),
        ]
        regress = {"signature_name": "regress", "examples": [{"x": float(n)} for n in range(4)]}
        assert server.ask("POST", f"{path}:regress", regress) == (200, {"results": [0.5, 1.5, 2.5, 3.5]})


def test_a_version_brings_its_own_parameters_or_is_not_batched(tmp_path: Path) -> None:
    base = tmp_path / "counting"
    for version, parameters in ((1, "max_batch_size { value: 2 }"), (2, "")):
        shutil.copytree(MODELS / "counting" / "1", base / str(version))
        if parameters:
            (base / str(version) / "batching_params.pbtxt").write_text(parameters)
    common = tmp_path / "batching.config"
    common.write_text("max_batch_size { value: 1 } num_batch_threads { value: 2 }")
    models = tmp_path / "models.config"
    models.write_text(
        f'model_config_list {{ config {{ name: "counting" base_path: "{base}" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    flags = ("--enable_batching", f"--batching_parameters_file={common}", "--enable_per_model_batching_parameters")
    with serving(tmp_path, f"--model_config_file={models}", *flags) as server:
        server.wait_ready()
        until(lambda: server.states("counting") == {1: "AVAILABLE", 2: "AVAILABLE"})
        body = {"instances": [1.0, 2.0, 3.0]}
        path = "/v1/models/counting/versions"
        refusal = {"error": "Task size 3 is larger than maximum input batch size 2"}
        assert server.ask("POST", f"{path}/1:predict", body) == (400, refusal)
        assert server.ask("POST", f"{path}/2:predict", body)[0] == 200


def leaves_a_row(server: ServerProcess) -> bool:
    """Send a row, wait until there is no room beside it for two others, and leave; False when the row was refused."""
    body = b'{"instances": [1.0]}'
    with socket.create_connection((HOST, server.rest_port), timeout=60) as client:
        client.sendall(b"POST /v1/models/counting:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return until(lambda: predict(server, [2.0, 3.0])[0] == 503 or answered(client)) and not answered(client)


def answered(client: socket.socket) -> bool:
    return bool(select.select([client], [], [], 0)[0])


def test_a_client_that_leaves_does_no_harm_to_its_batch(tmp_path: Path) -> None:
    parameters = f"max_batch_size {{ value: 2 }} max_enqueued_batches {{ value: 1 }} {AN_HOUR}"
    with batching(tmp_path, parameters) as server:
        until(lambda: leaves_a_row(server))
        outputs = grpc_predict(server, 4.0).outputs
        assert (list(outputs["y"].float_val), list(outputs["rows"].int_val)) == ([4.0], [2])


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("num_batch_threads { value: 0 }", "INVALID_ARGUMENT: num_batch_threads must be positive; was 0"),
        ("max_batch_size: 128", "INVALID_ARGUMENT: Invalid protobuf file: '{file}'"),
        (None, "NOT_FOUND: {file}; No such file or directory"),
        (
            "max_batch_size { value: 32 } allowed_batch_sizes: 8",
            "UNKNOWN: 1 servable(s) did not become available: {{{{{{name: counting version: 1}} due to error: "
            "INVALID_ARGUMENT: Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; "
            "expected 32}}, }}",
        ),
    ],
)
def test_parameters_that_cannot_be_used_end_the_server(tmp_path: Path, parameters: str | None, says: str) -> None:
    file = tmp_path / "batching.config"
    if parameters is not None:
        file.write_text(parameters)
    flags = (*MODEL, "--enable_batching", f"--batching_parameters_file={file}", "--max_num_load_retries=0")
    command = [sys.executable, "-m", "deployer.server", f"--port={free_port()}", f"--listen_address={HOST}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 255
    assert f"Failed to start server. Error: {says.format(file=file)}" in done.stdout
