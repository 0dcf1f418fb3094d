"""Every recorded answer of TensorFlow Serving 2.19.1: 192 REST and 69 gRPC requests over small models.

What was not recorded is in the files `*_sources.jsonl`: requests of the same kinds, with the answers that the sources
named in each case give (their own code was asked, where a piece of it could be run alone).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from contract.server.answers import grpc_fault, rest_fault
from contract.server.server_process import DATA, MODELS, ServerProcess, config_message, serving, until

from deployer.savedmodel.messages import message_class

SETUP = json.loads((DATA / "setup.json").read_text().replace("{models}", str(MODELS)))


def cases(name: str) -> list[dict[str, Any]]:
    text = (DATA / name).read_text().replace("{models}", str(MODELS))
    return [json.loads(line) for line in text.splitlines()]


REST, GRPC = cases("rest.jsonl"), cases("grpc.jsonl")
REST_OF_SOURCES, GRPC_OF_SOURCES = cases("rest_sources.jsonl"), cases("grpc_sources.jsonl")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("conformance")
    config = directory / "models.config"
    config.write_text(SETUP["model_config"])
    with serving(directory, f"--model_config_file={config}", *SETUP["flags"]) as started:
        yield started.wait_ready()


def settled_fault(server: ServerProcess, case: dict[str, Any]) -> str | None:
    """Ask a recorded gRPC request, and again while a dropped version is still on its way out."""

    def fault_at_rest() -> list[str | None]:
        fault = grpc_fault(server, case)
        return [] if "'UNLOADING'" in (fault or "") else [fault]

    return until(fault_at_rest)[0]


@pytest.fixture(scope="module")
def grpc_faults(server: ServerProcess) -> Iterator[dict[str, str | None]]:
    """Ask all gRPC requests in their recorded order: some change what is served."""
    yield {case["id"]: settled_fault(server, case) for case in GRPC}
    text = SETUP["model_config"].removeprefix("model_config_list {").rpartition("}")[0]
    server.reload(text)
    until(lambda: server.states("half_latest_two").get(2) == "AVAILABLE")


def test_all_recordings_are_here() -> None:
    assert (len(REST), len(GRPC)) == (192, 69)


@pytest.mark.parametrize("case", REST, ids=lambda case: case["id"])
def test_rest_answers_as_recorded(server: ServerProcess, case: dict[str, Any]) -> None:
    assert rest_fault(server, case) is None


@pytest.mark.parametrize("case", REST_OF_SOURCES, ids=lambda case: case["id"])
def test_rest_answers_as_the_sources_say(server: ServerProcess, case: dict[str, Any]) -> None:
    assert rest_fault(server, case) is None


@pytest.mark.parametrize("case", GRPC_OF_SOURCES, ids=lambda case: case["id"])
def test_grpc_answers_as_the_sources_say(server: ServerProcess, case: dict[str, Any]) -> None:
    assert grpc_fault(server, case) is None


@pytest.mark.parametrize("name", [case["id"] for case in GRPC])
def test_grpc_answers_as_recorded(grpc_faults: dict[str, str | None], name: str) -> None:
    assert grpc_faults[name] is None


SAME_ROWS = "Batching Run() input tensors must have equal 0th-dimension size"
NO_ROWS = "Batching Run() input tensors must have at least one dimension"
SCALAR_OUTPUT = "Batched output tensor has 0 dimensions"
REFUSED_IN_BATCHES = {
    "several/different_batches": SAME_ROWS,
    "odd/scalar_inputs": NO_ROWS,
    "odd/scalar_inputs_named": NO_ROWS,
    "odd/any_shape_scalar": NO_ROWS,
    "odd/no_batch_row": SCALAR_OUTPUT,
    "odd/no_batch_column": SCALAR_OUTPUT,
    "grpc/odd/any_shape": "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes",
}


@pytest.fixture(scope="module")
def batching_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("batching")
    config = directory / "models.config"
    config.write_text(SETUP["model_config"])
    with serving(directory, f"--model_config_file={config}", *SETUP["flags"], "--enable_batching") as started:
        yield started.wait_ready()


@pytest.mark.parametrize("case", [case for case in REST if case["id"] not in REFUSED_IN_BATCHES], ids=lambda c: c["id"])
def test_rest_answers_are_the_same_in_batches(batching_server: ServerProcess, case: dict[str, Any]) -> None:
    assert rest_fault(batching_server, case) is None


def test_grpc_answers_are_the_same_in_batches(batching_server: ServerProcess) -> None:
    alike = [case for case in GRPC if case["id"] not in REFUSED_IN_BATCHES]
    faults = {case["id"]: settled_fault(batching_server, case) for case in alike}
    assert {name: fault for name, fault in faults.items() if fault} == {}


@pytest.mark.parametrize(
    "case", [case for case in REST + GRPC if case["id"] in REFUSED_IN_BATCHES], ids=lambda c: c["id"]
)
def test_what_has_no_rows_is_refused_in_batches(batching_server: ServerProcess, case: dict[str, Any]) -> None:
    fault = (grpc_fault if case["id"].startswith("grpc/") else rest_fault)(batching_server, case)
    assert fault is not None
    assert REFUSED_IN_BATCHES[case["id"]] in fault


def test_concurrent_clients_get_their_own_answers(server: ServerProcess) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as clients:
        values = [float(number) for number in range(200)]
        answers = list(clients.map(lambda value: server.predict("half_plus_two/versions/1", value), values))
    assert answers == [(200, {"predictions": [value / 2 + 2]}) for value in values]


def test_a_batch_of_three_hundred_and_one_of_thirty_thousand(server: ServerProcess) -> None:
    for size in (300, 30_000):
        values = [float(number) for number in range(size)]
        status, answer = server.predict("half_plus_two/versions/1", *values)
        assert (status, answer["predictions"]) == (200, [value / 2 + 2 for value in values])


def test_messages_beyond_four_mebibytes_are_taken(server: ServerProcess) -> None:
    request = message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=1_200_000)
    request.inputs["x"].tensor_content = bytes(4_800_000)
    request.output_filter.append("nope")
    method = "tensorflow.serving.PredictionService/Predict"
    with pytest.raises(Exception, match="output tensor alias not found in signature: nope"):
        server.call(method, request, message_class("tensorflow.serving.PredictResponse"))


@pytest.mark.parametrize("junk", [b"\0" * 100, b"GET /\r\n\r\n", b"POST /v1/models/odd:predict HTTP/1.1\r\nContent-Le"])
def test_bad_bytes_and_cut_connections_do_no_harm(server: ServerProcess, junk: bytes) -> None:
    import socket

    for port in (server.rest_port, server.port):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(junk)
    assert server.predict("half_plus_two/versions/1", 2.0) == (200, {"predictions": [3.0]})


def test_config_of_the_setup_is_what_is_served(server: ServerProcess) -> None:
    text = SETUP["model_config"].removeprefix("model_config_list {").rpartition("}")[0]
    names = {config.name for config in config_message(text).model_config_list.config}
    assert all(server.states(name) for name in names)
