"""What grows with the number of models in one server, and with the number of servers on one machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from measure import BIN, DEPLOYER, deployed, milliseconds, process, timed

MODELS = (1, 10, 100)
SERVERS = (1, 10)
REST, GRPC = 24101, 24102
MODEL = "m0000"
MEBIBYTE = 1 << 20


def main() -> None:
    """A table of models in one server, and one of servers on this machine, both on the embedded engine."""
    with tempfile.TemporaryDirectory() as name:
        golden = Path(name) / "first"
        golden.mkdir()
        _export(golden)
        print("\n### Models in one server\n\n| models | up | each | up, nothing to do | a new version of one |"
              " status | memory |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")  # fmt: skip
        for count in MODELS:
            _models(golden / "models" / MODEL / "1", Path(name) / f"models-{count}", count)
        print("\n### Servers on one machine\n\n| servers | memory of all | for each | status |\n"
              "| ---: | ---: | ---: | ---: |")  # fmt: skip
        for count in SERVERS:
            _servers(golden / "models" / MODEL / "1", Path(name) / f"servers-{count}", count)


def _export(directory: Path) -> None:
    saved = str(directory / "saved")
    process(str(BIN / "python"), str(Path(__file__).with_name("models.py")), "half", saved, "0")()
    process(DEPLOYER, "export", "saved", "--name", MODEL, "-q", cwd=directory)()


def _models(version: Path, directory: Path, count: int) -> None:
    names = [f"m{number:04}" for number in range(count)]
    for name in names:
        shutil.copytree(version, directory / "models" / name / "1")
    tables = "".join(f"[models.{name}]\n" for name in names)
    ports = f"[server]\nrest_port = {REST}\ngrpc_port = {GRPC}\n"
    (directory / "deployer.toml").write_text(f'name = "many"\n{ports}{tables}')
    first = 0.0

    def create() -> None:
        process(DEPLOYER, "up", "-q", cwd=directory)()

    try:
        first = timed(create)
        again = timed(create)
        status = timed(process(DEPLOYER, "status", cwd=directory))
        memory = _memory(directory)
        shutil.copytree(version, directory / "models" / MODEL / "2")
        reload = timed(process(DEPLOYER, "redeploy", "many", "--model", MODEL, "-q", cwd=directory))
    finally:
        process(DEPLOYER, "down", "--all", "-q", cwd=directory)()
    print(f"| {count:,} | {milliseconds(first)} | {milliseconds(first / count)} | {milliseconds(again)} |"
          f" {milliseconds(reload)} | {milliseconds(status)} | {memory:,.0f} MiB |", flush=True)  # fmt: skip


def _servers(version: Path, directory: Path, count: int) -> None:
    names = [f"m{number:04}" for number in range(count)]
    for name in names:
        shutil.copytree(version, directory / "models" / name / "1")
    with _all_deployed(directory, names):
        memory = _memory(directory)
        status = timed(process(DEPLOYER, "status", cwd=directory))
    print(f"| {count:,} | {memory:,.0f} MiB | {memory / count:,.0f} MiB | {milliseconds(status)} |", flush=True)


@contextmanager
def _all_deployed(directory: Path, names: list[str]) -> Iterator[None]:
    with deployed(directory, names[0]):
        for name in names[1:]:
            process(DEPLOYER, "up", name, "-q", cwd=directory)()
        yield


def _memory(directory: Path) -> float:
    """The proportional memory of the servers below a directory, in MiB: shared pages count once."""
    total = 0
    for each in psutil.process_iter(["cmdline"]):
        if any(str(directory) in word for word in each.info["cmdline"] or ()):
            total += each.memory_full_info().pss
    return total / MEBIBYTE


if __name__ == "__main__":
    main()
