"""The cluster of docker/testbed/cluster.sh: three Docker Engines of a Swarm, a registry, an SSH server. Takes root."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docker" / "testbed" / "cluster.sh"
DIRECTORY = Path(os.environ.get("DEPLOYER_TESTBED_DIR", "/var/lib/deployer-testbed"))
NAME = os.environ.get("DEPLOYER_TESTBED_CLUSTER", "main")
"""The one that test processes share."""
SECONDS = 600


@dataclass(frozen=True)
class Node:
    name: str
    socket: str
    """unix://..., for DOCKER_HOST."""
    tcp: str
    """tcp://..., with the certificates of the cluster."""
    address: str
    netns: str
    """The file of its network namespace: `nsenter --net=FILE`."""

    def docker(self, *arguments: str) -> str:
        """What `docker ARGUMENTS` prints. Fails with its words when it fails."""
        ended = subprocess.run(
            ["docker", "--host", self.socket, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()


@dataclass(frozen=True)
class Cluster:
    name: str
    nodes: tuple[Node, ...]
    """node1, node2 and node3; each is a manager of the Swarm."""
    registry: str
    """host:port; the engines trust its certificate."""
    certificates: Path
    """For DOCKER_CERT_PATH: ca.pem, cert.pem, key.pem."""
    ssh: str
    """ssh://root@..., node2. `member` may use the engine there, too, and `guest` may not."""
    ssh_config: Path
    ssh_path: Path
    """A directory for PATH: its `ssh` uses the configuration."""
    hub_netns: str
    """Where the bridge is. The end of a node's link there has the node's name: set it down to cut the node off."""
    host_address: str
    """The address of this host for the nodes."""


def run(verb: str, *arguments: str, name: str = "main") -> subprocess.CompletedProcess[str]:
    """`cluster.sh VERB ARGUMENTS` to its end, whatever it is."""
    return subprocess.run(
        [str(SCRIPT), verb, *arguments], env={**os.environ, "DEPLOYER_TESTBED_CLUSTER": name},
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip


def start(*images: str, name: str = "main") -> Cluster:
    """Start what does not run, and bring images of the usual engine to the nodes that lack them."""
    made = run("up", *images, name=name)
    assert made.returncode == 0, made.stderr
    return read(name)


def read(name: str = "main") -> Cluster:
    """Addresses and files of the cluster, whether it runs or not."""
    lines = (line.partition("=") for line in run("env", name=name).stdout.splitlines())
    found = {key.removeprefix("CLUSTER_"): " ".join(shlex.split(value)) for key, _, value in lines}
    fields = ("SOCKET", "TCP", "ADDRESS", "NETNS")
    nodes = (Node(node, *(found[f"{node.upper()}_{field}"] for field in fields)) for node in found["NODES"].split())
    return Cluster(
        name=name, nodes=tuple(nodes), registry=found["REGISTRY"], certificates=Path(found["CERTIFICATES"]),
        ssh=found["SSH"], ssh_config=Path(found["SSH_CONFIG"]), ssh_path=Path(found["SSH_PATH"]),
        hub_netns=found["HUB_NETNS"], host_address=found["HOST_ADDRESS"],
    )  # fmt: skip


@contextmanager
def shared(images: Sequence[str]) -> Iterator[Cluster]:
    """The cluster that test processes share, also those of other checkouts. The last one of them stops it, if a test
    process started it."""
    skip_if_none_can_run()
    directory = DIRECTORY / "cluster" / NAME
    directory.mkdir(parents=True, exist_ok=True)
    started = directory / "started-by-tests"
    with (directory / "users").open("w") as users, (directory / "starting").open("w") as starting:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            fcntl.flock(starting, fcntl.LOCK_EX)
            _ensure(images, started)
            fcntl.flock(starting, fcntl.LOCK_UN)
            yield read(NAME)
        finally:
            _stop_if_last(users.fileno(), started)


def _ensure(images: Sequence[str], started: Path) -> None:
    if run("status", name=NAME).returncode == 0:
        made = run("load", *images, name=NAME)
        assert made.returncode == 0, made.stderr
        return
    started.touch()
    start(*images, name=NAME)
    started.touch()  # `up` deletes it: who calls it by hand keeps the cluster


def _stop_if_last(users: int, started: Path) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if started.exists():
        run("down", name=NAME)
        started.unlink()


@contextmanager
def of_its_own(name: str, *images: str) -> Iterator[Cluster]:
    """A cluster under another name, for tests that break it: nobody else uses it, and it is stopped in the end."""
    skip_if_none_can_run()
    directory = DIRECTORY / "cluster"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield start(*images, name=name)
        finally:
            run("down", name=name)


def skip_if_none_can_run() -> None:
    """Skip the tests that ask for a cluster on a machine that cannot run one."""
    if not can_run():
        pytest.skip("a cluster takes root")


def can_run() -> bool:
    """Whether this machine can run one."""
    return os.name == "posix" and os.geteuid() == 0 and all(map(shutil.which, ("docker", "nsenter", "unshare", "ip")))
