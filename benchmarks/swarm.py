"""Three replicas on a Swarm: an update against `docker service update`, and the throughput of 1, 2 and 3 replicas.

The Swarm is that of the test cluster (docker/testbed/cluster.sh up), whose nodes share the processors of this machine:
more replicas cannot be faster here. The figures say what the gateway and the network between the nodes cost.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway import gateway_image, over_grpc, rest
from measure import DEPLOYER, SECONDS, process, show, timed

ROUNDS = 3
PARTS = 3
"""How often each number of replicas is asked, in turn."""

ASK_SECONDS = 4.0
CLIENTS = 8
IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
CLUSTER = Path(__file__).parents[1] / "docker" / "testbed" / "cluster.sh"
MODELS = str(Path(__file__).with_name("models.py"))
REST, GRPC, BARE_REST, BARE_GRPC = 9701, 9700, 9711, 9710
SERVICE, BARE = "benchmark-service", "benchmark-bare"
UPDATE, UP = "docker service update", "deployer up IMAGE"
BARE_ROW = "one container, a port published by Docker"
SETTINGS = """
project = "benchmark"
[docker]
image = "{image}"
host = "{host}"
[server]
rest_port = {rest}
grpc_port = {grpc}
"""
ON_SWARM = """
[gateway]
image = "{gateway}"
[swarm]
replicas = 3
monitor_seconds = 5
"""


def main() -> None:
    """A table of updates and one of throughput for each protocol."""
    if not IMAGE:
        print("\n### Swarm\n\nleft out: DEPLOYER_TEST_IMAGE names no image (docker/testbed/testbed.sh makes one)")
        return
    listed = subprocess.run([str(CLUSTER), "env"], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    found = {name: value.strip("'") for name, _, value in (line.partition("=") for line in listed.splitlines())}
    with tempfile.TemporaryDirectory() as name:
        site = Site(
            Path(name), found["CLUSTER_NODE1_SOCKET"], found["CLUSTER_NODE1_ADDRESS"], found["CLUSTER_REGISTRY"]
        )
        images = site.build()
        try:
            with site.plain_service(images[0]):
                _updates(site, images)
            with site.bare_container(images[0]):
                _throughput(site)
        finally:
            site.command("down", "--all")()


@dataclass(frozen=True)
class Site:
    """A project on the first node of the cluster."""

    directory: Path
    host: str
    address: str
    registry: str

    def build(self) -> list[str]:
        """Push images with two versions of a tiny model, so that only the procedure counts; their references."""
        self.directory.chmod(0o755)
        document = self.directory / "deployer.toml"
        settings = SETTINGS.format(image=IMAGE, host=self.host, rest=REST, grpc=GRPC)
        document.write_text(settings)
        images = []
        for version in ("1", "2"):
            made = self.directory / "made" / version
            process(sys.executable, MODELS, "half", str(made), version)()
            process(DEPLOYER, "export", str(made), "--name", "half", "--force", cwd=self.directory)()
            process(DEPLOYER, "image", "build", f"half:{version}", "--skip-gate", "-q", cwd=self.directory)()
            tag = f"{self.registry}/benchmark/half:{version}"
            images.append(self.said(DEPLOYER, "image", "push", f"half:{version}", "--tag", tag))
        document.write_text(settings + ON_SWARM.format(gateway=gateway_image()))
        return images

    def command(self, *arguments: str) -> Callable[[], None]:
        """Return deployer's command on the cluster."""
        return process(DEPLOYER, *arguments, "--engine", "swarm", "-q", cwd=self.directory)

    def said(self, *command: str) -> str:
        """Return what a command prints."""
        ended = subprocess.run(
            command, cwd=self.directory, stdout=subprocess.PIPE, text=True, check=True, timeout=SECONDS
        )
        return ended.stdout.strip()

    def docker(self, *arguments: str) -> str:
        """Run docker on the first node."""
        return self.said("docker", "--host", self.host, *arguments)

    @contextmanager
    def plain_service(self, image: str) -> Iterator[None]:
        """A service as deployer makes it, with the same settings of the update."""
        self.docker("network", "create", "--driver", "overlay", SERVICE)
        self.docker(
            "service", "create", "--quiet", "--name", SERVICE, "--network", SERVICE, "--endpoint-mode", "dnsrr",
            "--replicas", "3", "--health-interval", "2s", "--stop-signal", "SIGURG", "--stop-grace-period", "10s",
            "--update-order", "start-first", "--update-parallelism", "1", "--update-monitor", "5s",
            "--update-failure-action", "rollback", image,
        )  # fmt: skip
        try:
            yield
        finally:
            self.docker("service", "rm", SERVICE)
            self._remove_network()

    def _remove_network(self) -> None:
        """Remove the network as soon as the tasks have ended that use it."""
        command = ["docker", "--host", self.host, "network", "rm", SERVICE]
        deadline = time.monotonic() + SECONDS
        while subprocess.run(command, capture_output=True, timeout=SECONDS, check=False).returncode:
            if time.monotonic() > deadline:
                sys.exit(f"the network {SERVICE} cannot be removed")
            time.sleep(1)

    @contextmanager
    def bare_container(self, image: str) -> Iterator[None]:
        """A container of the image without service and gateway."""
        ports = ("--publish", f"{BARE_REST}:8501", "--publish", f"{BARE_GRPC}:8500")
        self.docker("run", "--detach", "--name", BARE, *ports, image)
        try:
            yield
        finally:
            self.docker("rm", "--force", BARE)


def _updates(site: Site, images: list[str]) -> None:
    site.command("up", images[0])()
    seconds: dict[str, list[float]] = {UPDATE: [], UP: []}
    for number in range(ROUNDS):
        image = images[1 - number % 2]
        plain = process("docker", "--host", site.host, "service", "update", "--quiet", "--image", image, SERVICE)
        seconds[UPDATE].append(timed(plain))
        seconds[UP].append(timed(site.command("up", image)))
    show("Three replicas to another version", seconds, UPDATE)


def _throughput(site: Site) -> None:
    clients = {"REST": (rest, REST, BARE_REST), "gRPC": (over_grpc, GRPC, BARE_GRPC)}
    rates: dict[str, dict[str, list[float]]] = {protocol: {BARE_ROW: []} for protocol in clients}
    ratios: dict[str, dict[str, list[float]]] = {protocol: {BARE_ROW: [1.0]} for protocol in clients}
    for replicas in (1, 2, 3) * PARTS:
        site.command("scale", "half", str(replicas))()
        for protocol, (client, gated_port, bare_port) in clients.items():
            gated, bare = (_rate(client, f"{site.address}:{port}") for port in (gated_port, bare_port))
            name = f"{replicas} server{'s' * (replicas > 1)} behind the gateways"
            rates[protocol].setdefault(name, []).append(gated)
            rates[protocol][BARE_ROW].append(bare)
            ratios[protocol].setdefault(name, []).append(gated / bare)
    for protocol, found in rates.items():
        print(f"\n### {protocol}, {CLIENTS} clients\n\n| | a second | ratio |\n| --- | ---: | ---: |")
        for name, seen in found.items():
            ratio = statistics.median(ratios[protocol][name])
            print(f"| {name} | {statistics.median(seen):,.0f} | {ratio:.2f} |", flush=True)


def _rate(client: Callable[[str], Callable[[], object]], address: str) -> float:
    """Return how many requests a second several clients get answers to, each over one connection."""
    over, counts = threading.Event(), [0] * CLIENTS

    def ask_on(number: int) -> None:
        ask = client(address)
        ask()
        while not over.is_set():
            ask()
            counts[number] += 1

    threads = [threading.Thread(target=ask_on, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    began, before = time.perf_counter(), sum(counts)
    time.sleep(ASK_SECONDS)
    rate = (sum(counts) - before) / (time.perf_counter() - began)
    over.set()
    for thread in threads:
        thread.join()
    return rate


if __name__ == "__main__":
    main()
