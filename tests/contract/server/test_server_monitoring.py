"""Metrics of a running server, read as Prometheus reads them."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from contract.server.server_process import HOST, MODELS, ServerProcess, serving
from google.protobuf import text_format
from prometheus_client.parser import text_string_to_metric_families

from deployer.savedmodel.messages import message_class

PATH = "/monitoring/prometheus/metrics"
BASE = MODELS / "counting"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    config = tmp_path / "monitoring.config"
    config.write_text("prometheus_config { enable: true }")
    flags = ("--model_name=counting", f"--model_base_path={BASE}", f"--monitoring_config_file={config}")
    with serving(tmp_path, *flags, "--enable_batching") as started:
        yield started.wait_ready()


def fetch(server: ServerProcess, path: str = PATH, method: str = "GET") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(HOST, server.rest_port, timeout=60)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.getheader("Content-Type") or "", text


def samples(server: ServerProcess) -> dict[str, dict[tuple[str, ...], float]]:
    """The samples of every metric, by their label values in the order of the labels' names."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(fetch(server)[2]):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name.rpartition(":")[2].removesuffix("_total"), {})[labels] = sample.value
    return found


def call(server: ServerProcess, method: str, name: str, text: str) -> None:
    request = text_format.Parse(text, message_class(f"tensorflow.serving.{name}Request")())
    response_type = message_class(f"tensorflow.serving.{name}Response")
    server.call(f"tensorflow.serving.PredictionService/{method}", request, response_type)


EXAMPLES = 'input { example_list { examples { features { feature { key: "x" value { float_list { value: 1 } } } } } } }'
SPEC = 'model_spec { name: "counting" signature_name: "%s" }'


def test_requests_of_both_apis_are_counted_by_model_and_status(server: ServerProcess) -> None:
    server.predict("counting", 1.0, 2.0)
    server.states("counting")
    server.predict("nope", 1.0)
    server.ask("POST", "/v1/models/counting:predict", {"signature_name": "nope", "instances": [1.0]})
    server.ask("POST", "/v1/models/counting:regress", {"signature_name": "regress", "examples": [{"x": 1.0}]})
    server.ask("DELETE", "/v1/models/counting")
    predict = f"{SPEC % ''} inputs {{ key: 'x' value {{ dtype: DT_FLOAT tensor_shape {{ dim {{ size: 1 }} }} }} }}"
    call(server, "Predict", "Predict", predict)
    with pytest.raises(grpc.RpcError):
        call(server, "Predict", "Predict", SPEC % "nope")
    call(server, "Classify", "Classification", f"{SPEC % 'classify'} {EXAMPLES}")
    call(server, "Regress", "Regression", f"{SPEC % 'regress'} {EXAMPLES}")
    tasks = f"tasks {{ {SPEC % 'classify'} method_name: 'tensorflow/serving/classify' }}"
    call(server, "MultiInference", "MultiInference", f"{tasks} {EXAMPLES}")
    found = samples(server)
    assert found["request_count"] == {
        ("counting", "OK"): 6,
        ("nope", "NOT_FOUND"): 1,
        ("counting", "INVALID_ARGUMENT"): 1,
        ("counting", "FAILED_PRECONDITION"): 1,
        ("", "INVALID_ARGUMENT"): 1,
    }
    assert found["request_latency_count"] == {
        ("predict", "REST", "counting"): 1,
        ("regress", "REST", "counting"): 1,
        ("", "REST", "counting"): 1,
        ("Predict", "GRPC", "counting"): 1,
        ("Classify", "GRPC", "counting"): 1,
        ("Regress", "GRPC", "counting"): 1,
    }
    assert found["runtime_latency_count"] == {
        ("Predict", "counting", "TF1"): 2,
        ("Classify", "counting", "TF1"): 1,
        ("Regress", "counting", "TF1"): 2,
    }
    assert found["request_example_count"] == {("counting",): 1}
    assert found["load_attempt_count"] == {(str(BASE / "1"), "success"): 1}
    assert found["load_latency"][str(BASE / "1"),] > 0
    assert found["wrapped_run_count"] == {(): 6}
    assert (found["processed_batch_size_sum"], found["input_batch_size_count"]) == ({(): 7}, {(): 6})


def test_the_page_has_a_path_of_its_own(server: ServerProcess) -> None:
    assert [fetch(server, method=method)[:2] for method in ("GET", "POST")] == [(200, "text/plain")] * 2
    assert fetch(server, f"{PATH}?x=1")[::2] == (400, f"Unexpected path: {PATH}?x=1. Should be {PATH}")
    assert fetch(server, f"{PATH}/")[0] == 404
    assert server.predict("counting", 1.0)[0] == 200


def test_without_monitoring_there_is_no_page_and_a_bad_file_ends_the_server(tmp_path: Path) -> None:
    with serving(tmp_path, "--model_name=counting", f"--model_base_path={BASE}") as server:
        assert fetch(server.wait_ready())[0] == 404
    file = tmp_path / "monitoring.config"
    file.write_text("prometheus { enable: true }")
    with serving(tmp_path, f"--model_base_path={BASE}", f"--monitoring_config_file={file}") as server:
        assert server.wait_for_exit() == 255
        assert f"Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '{file}'" in server.log
