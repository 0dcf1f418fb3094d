"""Counters, distributions and their page, read back as Prometheus reads it. No TensorFlow."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from deployer.server import flags
from deployer.server.http.message import Reply, Request
from deployer.server.metrics import monitoring
from deployer.server.metrics.instruments import Counter, Sampler, exponential, page
from deployer.server.metrics.monitoring import Metrics
from deployer.server.metrics.page import MetricsPage
from deployer.server.status import ServingError


def test_counters_have_tensorflow_servings_names_and_types() -> None:
    counter = Counter("/tensorflow/serving/request_count", ("model_name", "status"))
    counter.add("m", "OK")
    counter.add("m", "OK", by=2)
    counter.add("m", "NOT_FOUND")
    bare = Counter("/tensorflow/serving/batching_session/wrapped_run_count")
    bare.add()
    total = Counter("/tensorflow/serving/request_example_count_total", ("model",))
    total.add("a_total {", by=5)
    assert [line for line in page([counter, bare, total]).decode().splitlines() if not line.startswith("# HELP ")] == [
        "# TYPE :tensorflow:serving:request_count counter",
        ':tensorflow:serving:request_count{model_name="m",status="OK"} 3.0',
        ':tensorflow:serving:request_count{model_name="m",status="NOT_FOUND"} 1.0',
        "# TYPE :tensorflow:serving:batching_session:wrapped_run_count counter",
        ":tensorflow:serving:batching_session:wrapped_run_count 1.0",
        "# TYPE :tensorflow:serving:request_example_count_total counter",
        ':tensorflow:serving:request_example_count_total{model="a_total {"} 5.0',
    ]


def test_distributions_have_tensorflow_servings_buckets() -> None:
    sampler = Sampler("/s", ("model",), [1, 2.5, 1234567.0])
    for value in (0.5, 2, 2, 99, 9_999_999):
        sampler.add(value, "m")
    (family,) = text_string_to_metric_families(page([sampler]).decode())
    assert (family.name, family.type) == (":s", "histogram")
    found = {(sample.name, float(sample.labels.get("le", "nan"))): sample.value for sample in family.samples}
    buckets = [found[":s_bucket", limit] for limit in (1.0, 2.5, 1234567.0, math.inf)]
    assert buckets == [1, 3, 4, 5]
    assert {sample.name: sample.value for sample in family.samples}[":s_sum"] == 10_000_102.5


def test_buckets_grow_by_a_factor() -> None:
    assert [f"{limit:g}" for limit in exponential(10, 1.8, 5)] == ["10", "18", "32.4", "58.32", "104.976"]


def test_an_empty_page_has_the_types_of_all_metrics() -> None:
    lines = [line for line in Metrics().page().decode().splitlines() if line.startswith("# TYPE ")]
    assert len(lines) == 14
    assert all(line.startswith("# TYPE :tensorflow:") for line in lines)


@given(st.lists(st.tuples(st.text(max_size=8) | st.just("\udcff"), st.integers(0, 10**9)), max_size=8))
def test_no_label_value_can_smuggle_in_a_line(asked: list[tuple[str, int]]) -> None:
    metrics = Metrics()
    for name, micros in asked:
        metrics.request_count.add(name, "OK")
        metrics.request_latency.add(micros, name, "predict", "REST")
    families = {family.name: family for family in text_string_to_metric_families(metrics.page().decode())}
    counts = families[":tensorflow:serving:request_count"].samples
    assert sum(sample.value for sample in counts) == len(asked)
    assert len(counts) == len({name.encode("utf-8", "replace") for name, _ in asked})
    latencies = families[":tensorflow:serving:request_latency"].samples
    assert sum(sample.value for sample in latencies if sample.name.endswith("_count")) == len(asked)


def test_clients_cannot_fill_the_memory_with_names_of_models() -> None:
    metrics = Metrics()
    for number in range(3000):
        metrics.request_count.add(f"m{number}", "NOT_FOUND")
        metrics.request_latency.add(1, f"m{number}", "predict", "REST")
    metrics.request_count.add("x" * 100_000, "NOT_FOUND")
    metrics.request_count.add("m1", "NOT_FOUND")
    told = metrics.page().decode()
    assert told.count("\n:tensorflow:serving:request_count{") == 1000
    assert told.count("\n:tensorflow:serving:request_latency_count{") == 1000
    assert ':tensorflow:serving:request_count{model_name="m1",status="NOT_FOUND"} 2.0' in told


def test_no_count_is_lost_between_threads() -> None:
    metrics = Metrics()

    def work() -> None:
        for _ in range(2000):
            metrics.request_count.add("m", "OK")
            metrics.request_latency.add(3, "m", "predict", "REST")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = metrics.page().decode()
    assert 'request_count{model_name="m",status="OK"} 8000.0' in told
    assert 'request_latency_sum{API="predict",entrypoint="REST",model_name="m"} 24000.0' in told


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", None),
        ("prometheus_config { enable: false path: '/m' }", None),
        ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
        ("prometheus_config { enable: true, path: '/m' }", "/m"),
    ],
)
def test_where_the_metrics_are_read(tmp_path, text: str, path: str | None) -> None:
    file = tmp_path / "monitoring.config"
    file.write_text(text)
    assert monitoring.path_from_options(flags.parse([f"--monitoring_config_file={file}"])) == path


def test_without_a_file_there_are_none_and_a_bad_file_is_refused(tmp_path) -> None:
    assert monitoring.path_from_options(flags.parse([])) is None
    file = tmp_path / "monitoring.config"
    with pytest.raises(ServingError, match=f"NOT_FOUND: {file}; No such file or directory"):
        monitoring.path_from_options(flags.parse([f"--monitoring_config_file={file}"]))
    file.write_text("prometheus { enable: true }")
    with pytest.raises(ServingError, match=f"INVALID_ARGUMENT: Invalid protobuf file: '{file}'"):
        monitoring.path_from_options(flags.parse([f"--monitoring_config_file={file}"]))


def asked(target: bytes) -> Any:
    page = MetricsPage(lambda request: Reply(200, b"passed on"), "/m", lambda: b"page\n")
    return page(Request(b"GET", target, {}, b"", keep_alive=True))


def test_one_path_is_the_page_and_all_others_are_passed_on() -> None:
    assert asked(b"/m") == Reply(200, b"page\n", content_type=b"text/plain")
    assert asked(b"/m?x=1") == Reply(400, b"Unexpected path: /m?x=1. Should be /m", content_type=b"text/plain")
    assert asked(b"/m/") == Reply(200, b"passed on")
