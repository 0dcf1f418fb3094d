"""The embedded server against other Python model servers: requests a second and p99, each beside the other in one run.

Needs `wrk`. `SERVING_SECONDS` sets how long each is asked (3 s unless told otherwise), `SERVING_MODELS` which models.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from measure import process, quiet_environment
from rivals import BATCHING, RIVALS, Rival, install, prepare

CONNECTIONS = (1, 8, 64)
SECONDS = int(os.environ.get("SERVING_SECONDS", "3"))
PATIENCE = 120
OURS = "embedded server"
EVERY_MODEL = {
    "half": ("half_plus_two", [1.0, 2.0, 5.0]),
    "dense": ("784-128-10 dense net", [[number / 784 for number in range(784)]]),
    "wide": ("an answer of 4 MB", [0.5]),
}
MODELS = {kind: EVERY_MODEL[kind] for kind in os.environ.get("SERVING_MODELS", "half dense wide").split()}


@dataclass(frozen=True)
class Asked:
    """Where a candidate answers, and what it is asked."""

    name: str
    url: str
    body: str


@dataclass(frozen=True)
class Speed:
    """What wrk saw: requests a second, p99 in milliseconds, answers that were none."""

    rate: float
    p99: float
    failed: int


@dataclass(frozen=True)
class Table:
    """One comparison: a model, the rivals, and our server's flags."""

    kind: str
    title: str
    rows: Sequence[object]
    rivals: Sequence[Rival]
    flags: tuple[str, ...] = ()


def main() -> None:
    """Two tables a model: with and without batching, where there is something to batch."""
    if not shutil.which("wrk"):
        sys.exit("this benchmark needs wrk (Debian, Ubuntu: apt install wrk)")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        programs = {rival.name: install(rival, directory / "environments") for rival in RIVALS}
        for kind, (title, rows) in MODELS.items():
            model = directory / "models" / kind / "1"
            process(sys.executable, str(Path(__file__).with_name("models.py")), kind, str(model), "0")()
            compare(Table(kind, title, rows, RIVALS), directory, programs)
            if kind != "wide":
                compare(Table(kind, f"{title}, batching", rows, BATCHING, ("--enable_batching",)), directory, programs)


def compare(table: Table, directory: Path, programs: Mapping[str, Path]) -> None:
    """Our server and the rivals, all with one model, asked in turn."""
    with ExitStack() as running, tempfile.TemporaryDirectory(dir=directory) as name:
        candidates = [running.enter_context(ours(directory, table.kind, table.rows, *table.flags))]
        for rival in table.rivals:
            port, place = free_port(), Path(name) / rival.name
            prepare(rival, place, directory / "models" / table.kind / "1", port)
            program, *words = rival.command(port)
            asked = Asked(rival.name, f"http://127.0.0.1:{port}{rival.path}", rival.body(table.rows))
            running.enter_context(started([str(programs[rival.name] / program), *words], place, asked))
            candidates.append(asked)
        show(table.title, candidates, directory)


@contextmanager
def ours(directory: Path, kind: str, rows: Sequence[object], *more: str) -> Iterator[Asked]:
    """The embedded server with this model; gRPC is at the port below that of REST."""
    port = free_port()
    rest = port + 1
    base = directory / "models" / kind
    flags = (f"--port={port}", f"--rest_api_port={rest}", "--listen_address=127.0.0.1", "--model_name=m", *more)
    asked = Asked(OURS, f"http://127.0.0.1:{rest}/v1/models/m:predict", json.dumps({"instances": rows}))
    with started([sys.executable, "-m", "deployer.server", *flags, f"--model_base_path={base}"], directory, asked):
        yield asked


@contextmanager
def started(command: Sequence[str], directory: Path, asked: Asked) -> Iterator[None]:
    """A server that answers, and is ended with all that it started."""
    directory.mkdir(parents=True, exist_ok=True)
    path = f"{Path(command[0]).parent}:{os.environ['PATH']}"
    environment = {**quiet_environment(), "PATH": path, "BENTOML_DO_NOT_TRACK": "True", "CUDA_VISIBLE_DEVICES": ""}
    log = directory / f"{asked.name.replace(' ', '-')}.log"
    with log.open("wb") as written:
        child = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=written, stderr=written, start_new_session=True
        )
    try:
        wait_until_it_answers(asked, child, log)
        yield
    finally:
        end(child)


def end(child: subprocess.Popen[bytes]) -> None:
    """Kill it and all below it: workers may have sessions of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for below in psutil.Process(child.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                below.kill()
    child.kill()
    child.wait(PATIENCE)


def wait_until_it_answers(asked: Asked, child: subprocess.Popen[bytes], log: Path) -> None:
    """Ask until there is a good answer; a server that has ended ends the benchmark with its log."""
    end = time.monotonic() + PATIENCE
    while not answers(asked):
        if child.poll() is not None or time.monotonic() > end:
            sys.exit(f"{asked.name} does not answer:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)


def answers(asked: Asked) -> bool:
    """Whether one request gets a good answer."""
    request = urllib.request.Request(asked.url, asked.body.encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bool(answer.read())
    except (OSError, urllib.error.URLError):
        return False


def show(title: str, candidates: Sequence[Asked], directory: Path) -> None:
    """A table in Markdown: each candidate in turn at each number of connections, and its rate to ours."""
    print(f"\n### {title}\n\n| | connections | a second | p99 | failed | ours to it |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for connections in CONNECTIONS:
        seen = {asked.name: wrk(asked, connections, directory) for asked in candidates}
        for name, speed in seen.items():
            row = (name, connections, *shown(speed), speed.failed, ratio(seen[OURS], speed))
            print(f"| {' | '.join(map(str, row))} |", flush=True)


def shown(speed: Speed) -> tuple[str, str]:
    """Rate and p99; a candidate whose first answers took longer than wrk asked has neither."""
    return (f"{speed.rate:,.0f}", f"{speed.p99:,.1f} ms") if speed.rate else ("none in time", "")


def ratio(ours: Speed, theirs: Speed) -> str:
    """Our rate to theirs, where both have one."""
    return f"{ours.rate / theirs.rate:.1f}" if ours.rate and theirs.rate else ""


def wrk(asked: Asked, connections: int, directory: Path) -> Speed:
    """Ask for some seconds, after one that does not count."""
    script = directory / "ask.lua"
    headers = 'wrk.headers["Content-Type"] = "application/json"'
    script.write_text(f'wrk.method = "POST"\nwrk.body = {json.dumps(asked.body)}\n{headers}\n')
    command = ["wrk", "-t1", f"-c{connections}", "--timeout", "30s", "--latency", "-s", str(script), asked.url]
    for seconds in (1, SECONDS):
        ended = subprocess.run(
            [*command, f"-d{seconds}s"], capture_output=True, text=True, timeout=PATIENCE, check=True
        )
    return read(ended.stdout)


def read(text: str) -> Speed:
    """Read what wrk printed."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    return Speed(
        float(rate[1]) if rate else 0.0,
        float(p99[1]) * scale[p99[2]] if p99 else float("inf"),
        int(failed[1]) if failed else 0,
    )


def free_port() -> int:
    """The first of three that are free, from below those that the system gives to clients, of whom there are many."""
    while True:
        first = random.randrange(20_000, 30_000, 4)
        with contextlib.suppress(OSError), ExitStack() as held:
            for port in range(first, first + 3):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
