"""Paired measurements: candidates run in turn, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

BIN = Path(sys.executable).parent
DEPLOYER = str(BIN / "deployer")
SECONDS = 600
Seconds = Mapping[str, Sequence[float]]


def alternate(rounds: int, candidates: Mapping[str, Callable[[], object]]) -> Seconds:
    """The seconds of each candidate in every round, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, candidate in candidates.items():
            took = timed(candidate)
            if number:
                seconds[name].append(took)
    return seconds


def timed(run: Callable[[], object]) -> float:
    """The seconds that one call takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def process(*arguments: str, cwd: Path | None = None) -> Callable[[], None]:
    """A candidate that is a whole process; a failed one ends the benchmark with what it said."""

    def run() -> None:
        ended = subprocess.run(
            arguments,
            cwd=cwd,
            env=quiet_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if ended.returncode:
            sys.exit(f"{' '.join(arguments)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")

    return run


def peak_megabytes(*arguments: str, cwd: Path) -> int:
    """Run a whole process; the most memory that it held at once. A failed one ends the benchmark."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            arguments, cwd=cwd, env=quiet_environment(), stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        watch = threading.Timer(SECONDS, child.kill)
        watch.start()
        _, status, used = os.wait4(child.pid, 0)
        watch.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(arguments)} ended with {child.returncode}:\n{said.read().decode(errors='replace')}")
    return int(used.ru_maxrss) // 1024


def quiet_environment() -> dict[str, str]:
    """This environment with the embedded engine, a quiet TensorFlow and kept bytecode, as an installed tool has it."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("DEPLOYER_", "PYTHON"))}
    return {**mine, "DEPLOYER_ENGINE": "embedded", "TF_CPP_MIN_LOG_LEVEL": "3"}


def show(title: str, seconds: Seconds, baseline: str) -> None:
    """A table in Markdown: the median and the best of each candidate, and the median's ratio to the baseline's."""
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    print(f"\n### {title}\n\n| | median | best | ratio |\n| --- | ---: | ---: | ---: |")
    for name, found in seconds.items():
        ratio = medians[name] / medians[baseline]
        print(f"| {name} | {milliseconds(medians[name])} | {milliseconds(min(found))} | {ratio:.2f} |", flush=True)


def milliseconds(seconds: float) -> str:
    """With three digits or more."""
    return f"{seconds * 1000:,.1f} ms" if seconds < 1 else f"{seconds * 1000:,.0f} ms"


@contextmanager
def deployed(directory: Path, *arguments: str) -> Iterator[None]:
    """A deployment that is there meanwhile."""
    process(DEPLOYER, "up", *arguments, "-q", cwd=directory)()
    try:
        yield
    finally:
        process(DEPLOYER, "down", "--all", "-q", cwd=directory)()
