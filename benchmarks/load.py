"""`deployer bench` against a bare loop of the same request and against `wrk`, in turn in one run.

The bare loop writes the same bytes to a socket that waits for the answer. Needs `wrk`, and HAProxy for a server that
answers faster than any generator asks.
"""

from __future__ import annotations

import json
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from measure import process
from serving import Asked, free_port, ours, started, wrk

from deployer.benchmark import figures, processes
from deployer.benchmark.job import GRPC, REST, Address, Job, Payload, Stage
from deployer.client import encoding
from deployer.client.encoding import ModelTarget
from deployer.results.bench import BenchStage

ROUNDS = 5
SECONDS = 2.0
ROWS = [1.0, 2.0, 5.0]
CONNECTIONS = (1, 8, 64)
PREDICT = "/tensorflow.serving.PredictionService/Predict"
HAPROXY = """
global
    nbthread 1
defaults
    mode http
    timeout client 30s
frontend quick
    bind 127.0.0.1:{port}
    http-request return status 200 content-type application/json string '{{"predictions": [2.5, 3.0, 4.5]}}'
"""


def main() -> None:
    """Print the tables of latencies and of rates."""
    if not shutil.which("wrk") or not shutil.which("haproxy"):
        sys.exit("this benchmark needs wrk and haproxy (Debian, Ubuntu: apt install wrk haproxy)")
    with tempfile.TemporaryDirectory() as name, processes.started(1) as workers:
        directory = Path(name)
        models = str(Path(__file__).with_name("models.py"))
        process(sys.executable, models, "half", str(directory / "models" / "half" / "1"), "0")()
        with ours(directory, "half", ROWS) as asked, quick(directory) as static:
            port = _port(asked.url)
            compare_latencies(workers, {REST: _rest_job(asked), GRPC: _grpc_job(port - 1)})
            print(
                "\n### The highest rate\n\n| | connections | wrk | bench | ratio |\n| --- | ---: | ---: | ---: | ---: |"
            )
            for each in (asked, static):
                for connections in CONNECTIONS:
                    compare_rates(workers, each, connections, directory)


def compare_latencies(workers: processes.Workers, jobs: dict[str, Job]) -> None:
    """Print the latencies that one client sees, bare and by the generator; the median of the rounds."""
    print("\n### Latencies of one client\n\n| | p50 | p90 | p99 |\n| --- | ---: | ---: | ---: |")
    for api, job in jobs.items():
        bare: Callable[[Job], Callable[[], object]] = _bare_rest if api == REST else _bare_grpc
        seen: dict[str, list[tuple[float, ...]]] = {f"{api}, bare loop": [], f"{api}, bench": []}
        for _ in range(ROUNDS):
            seen[f"{api}, bare loop"].append(_loop(bare(job)))
            latency = measure(workers, job, None, 1).latency
            assert latency is not None
            seen[f"{api}, bench"].append((latency.p50_ms, latency.p90_ms, latency.p99_ms))
        for name, rounds in seen.items():
            cells = (f"{statistics.median(column) * 1000:,.0f} µs" for column in zip(*rounds, strict=True))
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def compare_rates(workers: processes.Workers, asked: Asked, connections: int, directory: Path) -> None:
    """Print the answers a second that each gets in the closed loop; the median of the rounds."""
    rates: dict[str, list[float]] = {"wrk": [], "bench": []}
    for _ in range(ROUNDS):
        rates["wrk"].append(wrk(asked, connections, directory).rate)
        rates["bench"].append(measure(workers, _rest_job(asked), None, connections).answered_per_second)
    whole, part = (statistics.median(rates[name]) for name in ("wrk", "bench"))
    ratio = statistics.median(mine / theirs for mine, theirs in zip(rates["bench"], rates["wrk"], strict=True))
    print(f"| {asked.name} | {connections} | {whole:,.0f} | {part:,.0f} | {ratio:.2f} |", flush=True)


def measure(workers: processes.Workers, job: Job, rate: float | None, clients: int) -> BenchStage:
    """Return the figures of a job at a load."""
    stage = Stage(job.stage.api, rate, clients, 0.5, SECONDS)
    wanted = Job(stage, job.address, job.payloads, job.deadline, clients)
    return figures.of_stage(stage, workers.measure(wanted, lambda _: None))


def _loop(ask: Callable[[], object]) -> tuple[float, ...]:
    took, end = [], time.perf_counter() + SECONDS
    for _ in range(100):
        ask()
    while (began := time.perf_counter()) < end:
        ask()
        took.append((time.perf_counter() - began) * 1000)
    cuts = statistics.quantiles(took, n=100)
    return cuts[49], cuts[89], cuts[98]


def _bare_rest(job: Job) -> Callable[[], object]:
    connection = socket.create_connection((job.address.host, job.address.port), 30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = job.payloads[0].data

    def ask() -> None:
        connection.sendall(data)
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200"), answer

    return ask


def _bare_grpc(job: Job) -> Callable[[], object]:
    call = grpc.insecure_channel(str(job.address)).unary_unary(PREDICT)
    return lambda: call(job.payloads[0].data, timeout=30)


def _rest_job(asked: Asked) -> Job:
    port, body = _port(asked.url), asked.body.encode()
    head = f"POST {asked.url.partition(str(port))[2]} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return _job(REST, port, Payload(head.encode() + body))


def _grpc_job(port: int) -> Job:
    import numpy as np

    message = encoding.predict_message(ModelTarget("m", None, "serving_default"), {"x": np.float32(ROWS)})
    return _job(GRPC, port, Payload(message.SerializeToString(), PREDICT))


def _job(api: str, port: int, payload: Payload) -> Job:
    return Job(Stage(api, None, 1, 0.0, 1.0), Address("127.0.0.1", port, None), (payload,), 30.0, 1)


def _port(url: str) -> int:
    return int(url.split(":")[2].partition("/")[0])


@contextmanager
def quick(directory: Path) -> Iterator[Asked]:
    """HAProxy on one thread, which answers every request at once."""
    port = free_port()
    config = directory / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port))
    asked = Asked("HAProxy", f"http://127.0.0.1:{port}/v1/models/m:predict", json.dumps({"instances": ROWS}))
    with started([str(shutil.which("haproxy")), "-db", "-f", str(config)], directory / "haproxy", asked):
        yield asked
