"""Promotion of a verified candidate: its specification becomes that of the server's service, by a rolling update.

A killed command leaves a service that is not accepted: `recovery` returns it to its former specification.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployer.engines.swarm import service_spec
from deployer.engines.swarm.gateway.config import Route
from deployer.engines.swarm.host import SwarmHost
from deployer.engines.swarm.inspection import RELEASE, Service
from deployer.engines.swarm.recovery import Recovery
from deployer.engines.swarm.state import Services
from deployer.engines.swarm.tasks import Tasks
from deployer.errors import EngineError
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class Promotion:
    """The promotion of one candidate. `observe` returns the deployment as it is now, reachable from this machine."""

    host: SwarmHost
    tasks: Tasks
    candidate: Deployment
    observe: Callable[[], Deployment]
    accept: Callable[[Deployment], None]

    def run(self) -> None:
        """Promote the candidate. If `accept` raises, what served before serves again, and the error is raised."""
        services = self.host.state.services(*self._key)
        verified = self._verified(services)
        if services.pull is not None:
            self.tasks.await_everywhere(services.pull.id)
        self.host.state.remove_services(services.pull, services.candidate)
        name = self.host.state.name(*self._key)
        spec = service_spec.server(name, verified.spec, self.host.docker.settings.restart, self.host.swarm)
        try:
            self._start(services.server, spec)
            self._open(spec["TaskTemplate"]["Networks"][0]["Target"])
            self.accept(self.observe())
        except BaseException:
            Recovery(self.host, self.tasks, *self._key).run()
            raise
        self._record()

    @property
    def _key(self) -> tuple[str, str]:
        return self.candidate.name, self.candidate.env

    def _verified(self, services: Services) -> Service:
        candidate = services.candidate
        if candidate is None or candidate.labels.get(RELEASE) != self.candidate.release:
            raise EngineError(f"the service of release {self.candidate.release} is gone", hint="run the command again")
        return candidate

    def _start(self, old: Service | None, spec: service_spec.Spec) -> None:
        api = self.host.api
        if old is None:
            api.create_service(spec)
            self.tasks.await_running(spec["Name"], int(spec["Mode"]["Replicated"]["Replicas"]))
            return
        spec["Labels"][service_spec.REPLACES] = old.labels.get(RELEASE, "")
        task = old.spec["TaskTemplate"]
        spec["TaskTemplate"]["ForceUpdate"] = int(task.get("ForceUpdate") or 0)
        api.update_service(old, spec)
        self.tasks.await_update(old)
        self.tasks.await_replaced(old.id, self.candidate.release)

    def _open(self, network: str) -> None:
        """Have the gateways route to the service, on the ports of the candidate."""
        server, candidate = self.host.state.name(*self._key), self.candidate
        route = Route(network, server, candidate.rest_port, candidate.grpc_port)
        self.host.gateway.ensure(*self._key, route, {RELEASE: candidate.release})

    def _record(self) -> None:
        """Mark the server as accepted, and remove what the one before it needed."""
        service = self.host.state.services(*self._key).server
        if service is None:
            raise EngineError(f"the service of {self.candidate.name} is gone", hint="run the command again")
        self.host.api.update_service(service, service_spec.accepted(service.spec))
        self.host.state.remove_unused_secrets(*self._key, self.host.state.services(*self._key))
        self.host.gateway.prune(*self._key)
