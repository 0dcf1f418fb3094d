"""The gateways in front of the deployments of a Swarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployer.engines.docker.locks import DockerLocks
from deployer.engines.swarm.gateway.config import Route
from deployer.engines.swarm.gateway.undo import TRIAL
from deployer.engines.swarm.host import SwarmHost
from deployer.engines.swarm.inspection import RELEASE
from deployer.engines.swarm.observer import Observer
from deployer.engines.swarm.recovery import last_accepted
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class SwarmGateways:
    """The Gateways of a Swarm: one service of HAProxy for each deployment."""

    host: SwarmHost
    locks: DockerLocks
    observer: Observer

    def digest(self, name: str, env: str, host: str) -> str:
        return self.host.gateway.digest(name, env, host)

    def new_certificate(self, name: str, env: str, host: str) -> Path | None:
        del host
        # Without a server, recovery removes the gateway with its certificate.
        server = self.host.state.services(name, env).server
        stays = server is not None and last_accepted(server) is not None
        return self.host.gateway.new_certificate(name, env, stays=stays)

    def self_signed(self, name: str, env: str) -> Path | None:
        return self.host.gateway.self_signed(name, env)

    def replace(self, deployment: Deployment, accept: Callable[[Deployment], None]) -> Deployment:
        """Update the gateway; if `accept` raises, it gets its former settings with the newer tokens.

        After a kill, the mark TRIAL has `recovery` complete or undo the change.
        """
        host, (name, env) = self.host, (deployment.name, deployment.env)
        self.locks.check(deployment)
        network = host.state.services(name, env).network
        route = Route(network, host.state.name(name, env), deployment.rest_port, deployment.grpc_port)
        host.gateway.ensure(name, env, route, {RELEASE: deployment.release, TRIAL: "true"})
        try:
            accept(self.observer.require(name, env, deployment.release))
        except BaseException:
            host.gateway.restore(name, env)
            host.gateway.accept(name, env)  # a first gateway stays
            raise
        host.gateway.accept(name, env)
        host.gateway.prune(name, env)
        return self.observer.require(name, env, deployment.release)
