"""Deploys of a model that takes 20 ms a call: to a server with few gRPC threads, and under 32 gRPC clients.

    python busy.py embedded [--rounds 50] [--clients 0] [--threads 8] [--image IMAGE]

A round is `up`, `redeploy`, `rollback`, `down`; with clients, `up` and `down` are done once, and the clients ask
without pause from the one to the other. What was refused, retried and lost is counted.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import deployer
from deployer.client.client import Client, ModelTarget
from deployer.errors import DeployerError, DeploymentNotFound
from deployer.results.changes import UpResult

NAME = "gate-busy"
MODEL = Path(__file__).with_name("slow_model.py")


@dataclasses.dataclass
class Tally:
    """What became of the deploys, and of the calls of the clients."""

    done: Counter[str] = dataclasses.field(default_factory=Counter)
    failed: list[str] = dataclasses.field(default_factory=list)
    retried: int = 0
    calls: int = 0
    lost: list[str] = dataclasses.field(default_factory=list)

    def take(self, verb: str, act: Callable[[], UpResult]) -> None:
        """Do it, and note what came of it."""
        try:
            result = act()
        except DeployerError as error:
            self.failed.append(f"{verb}: exit {error.exit_code}: {error.message}")
            print(f"FAILED {self.failed[-1]}", flush=True)
            return
        self.done[verb] += 1
        self.retried += sum(check.retried for check in result.report.checks) if result.report else 0


@contextmanager
def clients(number: int, result: UpResult, tally: Tally) -> Iterator[None]:
    """So many, each on a connection of its own, that ask again at once and repeat nothing."""
    over, lock = threading.Event(), threading.Lock()

    def ask() -> None:
        client = Client(result.endpoints, 60.0, retry_seconds=0.0)
        while not over.is_set():
            try:
                client.predict_grpc(ModelTarget(NAME, None, "serving_default"), {"x": np.float32([1.0])})
                fault = ""
            except DeployerError as error:
                fault = error.message
            with lock:
                tally.calls += 1
                tally.lost += [fault] if fault else []
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(120)


def main() -> None:
    """Print a line of figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=("embedded", "docker"))
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--clients", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--image")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        os.chdir(directory)
        shutil.copy(MODEL, "slow.py")
        flags = f"[server.flags]\ngrpc_max_threads = {options.threads}\n" if options.threads else ""
        image = f'[docker]\nimage = "{options.image}"\n' if options.image else ""
        ports = "[server]\nrest_port = 0\ngrpc_port = 0\n"
        Path("deployer.toml").write_text(f'engine = "{options.engine}"\n{ports}{flags}{image}', encoding="utf-8")
        for target in ("one", "two"):
            deployer.export_model(f"slow.py:{target}", options=deployer.ExportOptions(name=NAME))
        _run(options)


def _run(options: argparse.Namespace) -> None:
    tally, began = Tally(), time.monotonic()
    try:
        if options.clients:
            first = deployer.up(f"{NAME}:1")
            with clients(options.clients, first, tally):
                for _ in range(options.rounds):
                    _change(tally)
        else:
            for _ in range(options.rounds):
                tally.take("up", lambda: deployer.up(f"{NAME}:1"))
                _change(tally)
                deployer.down(NAME)
    finally:
        print(options)
        print(f"{dict(tally.done)}, {len(tally.failed)} failed, {tally.retried} requests retried by the last proofs")
        print(f"clients: {tally.calls} calls, {len(tally.lost)} lost {Counter(tally.lost).most_common(3)}")
        print(f"{time.monotonic() - began:.0f} s", flush=True)
        with contextlib.suppress(DeploymentNotFound):
            deployer.down(NAME)


def _change(tally: Tally) -> None:
    tally.take("redeploy", lambda: deployer.redeploy(NAME))
    tally.take("rollback", lambda: deployer.rollback(NAME))


if __name__ == "__main__":
    main()
