"""Five hundred swaps of versions under load: no request fails, and memory stays flat."""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import grpc
import psutil
import pytest
from contract.server.server_process import HOST, MODELS, ServerProcess, model_config, serving, until

from deployer.savedmodel.messages import message_class

SWAPS = 500
SETTLED = 50


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("swaps")
    config = directory / "models.config"
    config.write_text(f"model_config_list {{ {half(1)} }}")
    with serving(directory, f"--model_config_file={config}") as started:
        yield started.wait_ready()


def half(version: int) -> str:
    return model_config(
        "half", MODELS / "half_plus_two", f"model_version_policy {{ specific {{ versions: {version} }} }}"
    )


@contextlib.contextmanager
def rest(server: ServerProcess) -> Iterator[Callable[[], object]]:
    """A client on one REST connection."""
    connection = http.client.HTTPConnection(HOST, server.rest_port, timeout=60)

    def ask() -> object:
        connection.request("POST", "/v1/models/half:predict", body='{"instances": [0.0]}')
        answer = connection.getresponse()
        body = json.loads(answer.read())
        return body["predictions"][0] if answer.status == 200 else body

    with contextlib.closing(connection):
        yield ask


@contextlib.contextmanager
def rpc(server: ServerProcess) -> Iterator[Callable[[], object]]:
    """A client on one gRPC channel."""
    request = message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "half"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=1)
    request.inputs["x"].float_val.append(0.0)
    with grpc.insecure_channel(f"{HOST}:{server.port}") as channel:
        predict = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=message_class("tensorflow.serving.PredictRequest").SerializeToString,
            response_deserializer=message_class("tensorflow.serving.PredictResponse").FromString,
        )
        yield lambda: predict(request, timeout=60).outputs["y"].float_val[0]


@contextlib.contextmanager
def load(server: ServerProcess) -> Iterator[Counter[str]]:
    """Clients that ask one request after the other meanwhile, and what was answered how often."""
    answers: Counter[str] = Counter()
    over = threading.Event()

    def run(kind: Callable[[ServerProcess], contextlib.AbstractContextManager[Callable[[], object]]]) -> None:
        with kind(server) as ask:
            while not over.wait(0.005):
                try:
                    answers[f"{kind.__name__} {ask()}"] += 1
                except (OSError, http.client.HTTPException, grpc.RpcError) as error:
                    answers[f"{kind.__name__} {error!r}"] += 1
                    return

    clients = [threading.Thread(target=run, args=(kind,)) for kind in (rest, rpc)]
    for client in clients:
        client.start()
    try:
        yield answers
    finally:
        over.set()
        for client in clients:
            client.join(60)


def swap(server: ServerProcess, version: int) -> None:
    server.reload(half(version))
    until(lambda: server.states("half") == {version: "AVAILABLE", 3 - version: "END"})


def test_five_hundred_swaps_under_load_fail_nothing_and_leak_nothing(server: ServerProcess) -> None:
    process = psutil.Process(server.child.pid)
    memory, threads = [], []
    with load(server) as answers:
        for number in range(SWAPS):
            swap(server, 2 - number % 2)
            memory.append(process.memory_info().rss)
            threads.append(process.num_threads())
    assert set(answers) == {f"{kind} {value}" for kind in ("rest", "rpc") for value in (2.0, 3.0)}
    assert min(answers.values()) > SWAPS
    settled = statistics.median(memory[SETTLED : 2 * SETTLED])
    assert statistics.median(memory[-SETTLED:]) == pytest.approx(settled, rel=0.1)
    assert max(threads[-SETTLED:]) <= max(threads[:SETTLED]) + 4
