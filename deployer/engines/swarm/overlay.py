"""What a process reaches on the network of a deployment: through a helper container that is attached to it.

The addresses of tasks exist on that network alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from docker import DockerClient

from deployer.engines.docker.remote.forwarding import LOCALHOST
from deployer.engines.docker.remote.helper import Helper
from deployer.engines.docker.remote.session import Session, session_for
from deployer.engines.docker.remote.transport import Transport
from deployer.results.deployment import Deployment, Endpoints


@dataclass(frozen=True)
class Overlay:
    """The network with the id `network`, from a helper on the engine of `client`; `image` is what the helper runs."""

    client: DockerClient
    transport: Transport
    image: Callable[[], str]
    network: str

    @property
    def _session(self) -> Session:
        def start() -> Helper:
            return Helper.start(self.client, self.transport, self.image(), {}, self.network)

        return session_for(self.transport.base_url, f"network {self.network}", start)

    def reachable(self, deployment: Deployment) -> Deployment:
        """Return a deployment with local addresses that lead to its own. Opens no connection."""
        scheme, _, address = deployment.endpoints.rest.partition("://")
        rest, grpc = map(self._local_port, (address, deployment.endpoints.grpc))
        forwarded = Endpoints(f"{scheme}://{LOCALHOST}:{rest}", f"{LOCALHOST}:{grpc}")
        return dataclasses.replace(deployment, forwarded=forwarded)

    def end(self) -> None:
        """End the helper: a network with a container cannot be removed. Raise EngineError."""
        self._session.end()

    def _local_port(self, address: str) -> int:
        host, _, port = address.rpartition(":")
        return self._session.forwarder.local_port(host.strip("[]"), int(port))
