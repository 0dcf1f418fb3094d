"""An engine on another machine: a node of the cluster, reached as a person would reach it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.cli import in_process
from support.cluster import Cluster, Node
from support.containers import PROJECT


@dataclass(frozen=True)
class Far:
    """The engine of `node`, which DOCKER_HOST reaches at `address`. `host` is its host name there."""

    node: Node
    address: str
    host: str

    def left(self) -> list[str]:
        """Containers, networks and volumes of this run's deployments, without the helpers of commands."""
        named = ("--filter", f"name=deployer-{PROJECT}")
        containers = self.node.docker("ps", "--all", "--format", "container {{.Names}}", *named)
        networks = self.node.docker("network", "ls", "--format", "network {{.Name}}", *named)
        volumes = self.node.docker("volume", "ls", "--format", "volume {{.Name}}", *named)
        return sorted(filter(None, f"{containers}\n{networks}\n{volumes}".splitlines()))

    def volume(self) -> Path:
        """The directory of the volume with the models, which the host sees."""
        (name,) = self.node.docker("volume", "ls", "--quiet", "--filter", f"name=deployer-{PROJECT}-models").split()
        return Path(self.node.docker("volume", "inspect", "--format", "{{.Mountpoint}}", name))


def by_ssh(cluster: Cluster) -> Far:
    return Far(cluster.nodes[1], cluster.ssh, cluster.ssh.rpartition("@")[2])


def by_tls(cluster: Cluster) -> Far:
    node = cluster.nodes[2]
    return Far(node, node.tcp, node.address)


BY = {"ssh": by_ssh, "tls": by_tls}


@contextmanager
def selected(cluster: Cluster, way: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """Commands of a block deploy there; afterwards the engine has what it had."""
    far = BY[way](cluster)
    before = far.left()
    with monkeypatch.context() as changed:
        changed.setenv("DOCKER_HOST", far.address)
        changed.setenv("PATH", str(cluster.ssh_path), prepend=os.pathsep)
        changed.setenv("DOCKER_TLS_VERIFY", "1")
        changed.setenv("DOCKER_CERT_PATH", str(cluster.certificates))
        yield far
        in_process("down", "--all", "-q", cwd=project)
        in_process("prune", cwd=project)
    assert far.left() == before
