"""The embedded server's own ways beside each other: REST, REST with batching, gRPC. Needs `wrk`.

What tells is the processor time that the server takes for a request: on a busy machine the rates say little.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from measure import process
from serving import CONNECTIONS, MODELS, PATIENCE, SECONDS, Asked, Speed, ours, shown, wrk

KINDS = {**{kind: MODELS[kind] for kind in ("half", "dense")}, "deep": ("eight layers of 1,024", [[0.5] * 4])}


def main() -> None:
    """One table a model."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for kind, (title, rows) in KINDS.items():
            model = directory / "models" / kind / "1"
            process(sys.executable, str(Path(__file__).with_name("models.py")), kind, str(model), "0")()
            print(f"\n### {title}\n\n| | connections | a second | p99 | processor time each |")
            print("| --- | ---: | ---: | ---: | ---: |")
            with ours(directory, kind, rows) as plain, ours(directory, kind, rows, "--enable_batching") as batching:
                for connections in CONNECTIONS:
                    show("REST", connections, plain, lambda asked, number: wrk(asked, number, directory))
                    show("REST, batching", connections, batching, lambda asked, number: wrk(asked, number, directory))
                    show("gRPC", connections, plain, grpc)


def show(name: str, connections: int, asked: Asked, ask: Callable[[Asked, int], Speed]) -> None:
    """A row of the table."""
    server = listener(port_of(asked))
    before = sum(server.cpu_times()[:2])
    speed = ask(asked, connections)
    seconds = SECONDS + (0 if ask is grpc else 1)  # wrk asks for a second that does not count
    each = (sum(server.cpu_times()[:2]) - before) / max(1.0, speed.rate * seconds)
    print(f"| {name} | {connections} | {' | '.join(shown(speed))} | {each * 1e6:,.0f} µs |", flush=True)


def grpc(asked: Asked, connections: int) -> Speed:
    """What a Python client saw; the gRPC port is the one below that of REST."""
    script = str(Path(__file__).with_name("grpc_load.py"))
    rows = json.dumps(json.loads(asked.body)["instances"])
    command = [sys.executable, script, str(port_of(asked) - 1), str(connections), str(SECONDS), rows]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    rate, p99 = map(float, ended.stdout.split())
    return Speed(rate, p99, 0)


def port_of(asked: Asked) -> int:
    """Where it answers REST."""
    return int(urlsplit(asked.url).port or 0)


def listener(port: int) -> psutil.Process:
    """The process that listens at a port."""
    found = (each.pid for each in psutil.net_connections("tcp") if each.laddr.port == port and each.status == "LISTEN")
    return psutil.Process(next(found))
