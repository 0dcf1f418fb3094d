"""A version of 1 GiB to an engine on another machine, against `docker cp` into a volume and against raw copies.

The other machine is a node of the test cluster (docker/testbed/cluster.sh up).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from measure import SECONDS, show, timed

from deployer.config.spec import Docker
from deployer.engines.docker.host import DockerHost
from deployer.engines.docker.remote.machine import RemoteMachine
from deployer.store import manifest

ROUNDS = 3
MEBIBYTES = 1024
IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
CLUSTER = Path(__file__).parents[1] / "docker" / "testbed" / "cluster.sh"
MODEL = Path(__file__).parents[1] / "tests" / "contract" / "server" / "data" / "models" / "half_plus_two" / "1"
BARE, COPY = "ssh HOST 'cat > /dev/null'", "docker cp into a volume"
RAW = "docker exec CONTAINER 'cat > /dev/null'"
ALL, ONE = "deployer, all files", "deployer, one small file differs"
CONTAINER, VOLUME = "benchmark-copy", "benchmark-copy"


def main() -> None:
    """A table for SSH and one for TLS. Ours are verified on the other side and on its disk, theirs are not."""
    if not IMAGE:
        print("\n### Another machine\n\nleft out: DEPLOYER_TEST_IMAGE names no image")
        return
    listed = subprocess.run([str(CLUSTER), "env"], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    found = {name: value.strip("'") for name, _, value in (line.partition("=") for line in listed.splitlines())}
    os.environ["PATH"] = f"{found['CLUSTER_SSH_PATH']}{os.pathsep}{os.environ['PATH']}"
    os.environ |= {"DOCKER_CERT_PATH": found["CLUSTER_CERTIFICATES"], "DOCKER_TLS_VERIFY": "1"}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        large = _versions(directory)
        target = found["CLUSTER_SSH"].removeprefix("ssh://")
        _compare("over SSH", directory, found["CLUSTER_SSH"], {BARE: lambda: _bare(target, large)})
        _compare("over TCP with TLS", directory, found["CLUSTER_NODE3_TCP"], {})


def _versions(directory: Path) -> Path:
    """Two versions that differ in one small file; the large file of both."""
    large = directory / "large"
    filler = random.Random(7)
    with large.open("wb") as file:
        for _ in range(MEBIBYTES):
            file.write(filler.randbytes(1 << 20))
    for number in ("1", "2"):
        version = Path(shutil.copytree(MODEL, directory / "models" / "half" / number))
        (version / "assets").mkdir(exist_ok=True)
        os.link(large, version / "assets" / "large")
        (version / "assets" / "number").write_text(number)
        files = manifest.hash_files(version)
        manifest.write(version, manifest.read("half", int(number), version), files)
    return large


def _compare(how: str, directory: Path, address: str, others: dict[str, Callable[[], object]]) -> None:
    models = [manifest.read("half", number, directory / "models" / "half" / str(number)) for number in (1, 2)]
    host = DockerHost(directory / "state", directory / "models", Docker(host=address, image=IMAGE), project="benchmark")
    machine = host.machine
    assert isinstance(machine, RemoteMachine)
    large = directory / "large"
    copy = partial(_docker, address, "cp", str(large), f"{CONTAINER}:/volume/large")
    raw = partial(_docker, address, "exec", "--interactive", CONTAINER, "sh", "-c", "cat > /dev/null", sent=large)
    seconds: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        machine.transfer([], lambda _: None)  # starts the helper
        candidates = {
            **others,
            ALL: lambda: machine.transfer(models[:1], lambda _: None),
            ONE: lambda: machine.transfer(models[1:], lambda _: None),
        }
        for each, run in candidates.items():
            seconds.setdefault(each, []).append(timed(run))
        machine.clear()
        with _container(address):
            seconds.setdefault(COPY, []).append(timed(copy))
            seconds.setdefault(RAW, []).append(timed(raw))
    show(f"A version of 1 GiB to another machine {how}", seconds, COPY)


def _bare(target: str, large: Path) -> None:
    with large.open("rb") as file:
        subprocess.run(["ssh", target, "cat > /dev/null"], stdin=file, timeout=SECONDS, check=True)


@contextmanager
def _container(address: str) -> Iterator[None]:
    mounted = ("--volume", f"{VOLUME}:/volume", "--entrypoint", "cat", "--interactive")
    _docker(address, "run", "--detach", "--name", CONTAINER, *mounted, IMAGE)
    try:
        yield
    finally:
        _docker(address, "rm", "--force", CONTAINER)
        _docker(address, "volume", "rm", VOLUME)


def _docker(address: str, *arguments: str, sent: Path = Path(os.devnull)) -> None:
    with sent.open("rb") as file:
        subprocess.run(
            ["docker", "--host", address, *arguments], stdin=file, capture_output=True, timeout=SECONDS, check=True
        )


if __name__ == "__main__":
    main()
