"""Services on the cluster of Docker Engines, made with plain docker commands, and what is done to their nodes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from deployer.engines.swarm import service_spec
from support.cli import in_process
from support.cluster import Cluster, Node
from support.traffic import Make, grpc_client, rest_client
from support.world import eventually

SECONDS = 120
MONITORED = "[models.half_plus_two]\n[monitoring]\nenabled = true\n"
ASK_METRICS = (
    "exec 3<>/dev/tcp/127.0.0.1/8501 || exit 0; "
    "printf 'GET /monitoring/prometheus/metrics HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3; cat <&3"
)
COUNT = re.compile(r'^:tensorflow:serving:request_count\{.*status="OK".*\} (\d+)', re.MULTILINE)


def build_on_nodes(project: Path, cluster: Cluster, server_image: str, *versions: int) -> dict[int, str]:
    """Images with half_plus_two inside, by version: the same id on each node, so no registry is needed."""
    (project / "deployer.toml").write_text(MONITORED)
    built: dict[int, set[str]] = {version: set() for version in versions}
    for node in cluster.nodes:
        with pytest.MonkeyPatch.context() as chosen:
            chosen.setenv("DEPLOYER_DOCKER_HOST", node.socket)
            chosen.setenv("DEPLOYER_DOCKER_IMAGE", server_image)
            for version, ids in built.items():
                what = ("image", "build", f"half_plus_two:{version}", "--skip-gate", "--json", "-q")
                ended = in_process(*what, cwd=project)
                assert ended.code == 0, ended.err + ended.out
                ids.add(ended.json["id"])
    assert all(len(ids) == 1 for ids in built.values()), built
    return {version: ids.pop() for version, ids in built.items()}


def create_servers(node: Node, name: str, network: str, image: str, replicas: int) -> None:
    """A service as the engine makes it; each task has started when this ends."""
    node.docker(
        "service", "create", "--quiet", "--name", name, "--network", network, "--endpoint-mode", "dnsrr",
        "--replicas", str(replicas), "--health-interval", "500ms", "--stop-signal", "SIGURG",
        "--stop-grace-period", "5s", "--update-order", "start-first", "--update-parallelism", "1",
        "--update-monitor", "1s", "--init", image,
    )  # fmt: skip


@contextmanager
def healthy_soon() -> Iterator[None]:
    """The health of the servers that this process starts is checked as often as engines that know StartInterval do."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setitem(service_spec.HEALTH, "Interval", service_spec.HEALTH["StartInterval"])
        yield


def running(node: Node, service: str) -> list[str]:
    """The nodes of the tasks that run and should; one for each task."""
    form = "{{.Node}} {{.CurrentState}}"
    listed = node.docker("service", "ps", "--filter", "desired-state=running", "--format", form, service)
    return sorted(line.split()[0] for line in listed.splitlines() if line.split()[1] == "Running")


def requests_by_node(cluster: Cluster, service: str) -> dict[str, int]:
    """How many requests the tasks of a service have answered, by their metrics."""
    found = {}
    for node in cluster.nodes:
        listed = node.docker("ps", "--quiet", "--filter", f"label=com.docker.swarm.service.name={service}")
        metrics = [node.docker("exec", container, "bash", "-c", ASK_METRICS) for container in listed.split()]
        found[node.name] = sum(int(count) for text in metrics for count in COUNT.findall(text))
    return found


def endpoints(node: Node, rest_port: int, grpc_port: int) -> dict[str, str]:
    """Those of the gateway on a node."""
    return {"rest": f"http://{node.address}:{rest_port}", "grpc": f"{node.address}:{grpc_port}"}


def clients(there: Sequence[dict[str, str]], protocols: Sequence[Make] = (rest_client, grpc_client)) -> list[Make]:
    """A client of each protocol for each of several endpoints, for `traffic`."""

    def bound(protocol: Make, place: dict[str, str]) -> Make:
        def make(_: dict[str, str], token: str, certificate: str) -> Callable[[], float]:
            return protocol(place, token, certificate)

        return make

    return [bound(protocol, place) for place in there for protocol in protocols]


@contextmanager
def cut_off(cluster: Cluster, node: Node) -> Iterator[None]:
    """A block during which no packet reaches a node or leaves it."""
    set_link(cluster, node, "down")
    try:
        yield
    finally:
        set_link(cluster, node, "up")


def set_link(cluster: Cluster, node: Node, state: str) -> None:
    command = ["nsenter", f"--net={cluster.hub_netns}", "ip", "link", "set", node.name, state]
    subprocess.run(command, check=True, timeout=SECONDS)


def kill_node(node: Node) -> None:
    """All processes of a node end at once, as in a power failure."""
    wanted = Path(node.netns).stat().st_ino
    engines = [pid for pid in psutil.pids() if _netns(pid) == wanted and _name(pid) == "dockerd"]
    for pid in engines:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(_netns(pid) == wanted for pid in psutil.pids()), "the node's processes end")


def _netns(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return 0


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.NoSuchProcess:
        return ""
