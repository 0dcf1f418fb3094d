"""Another number of servers: the same image and settings, so nothing is verified again.

Swarm goes on with a change whose command was killed. So `recovery` completes it, and returns to the number before only
if a server does not run, as the command itself does.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.engines.swarm import service_spec
from deployer.engines.swarm.host import SwarmHost
from deployer.engines.swarm.inspection import Service
from deployer.engines.swarm.tasks import Tasks
from deployer.errors import EngineError

DRAIN_MARGIN_SECONDS = 10.0
"""How much longer than `drain_seconds` the end of a task may take."""


@dataclass(frozen=True)
class Scaling:
    """Changes the number of tasks of services."""

    host: SwarmHost
    tasks: Tasks

    def run(self, service: Service, replicas: int) -> None:
        """Change the number; if a new server does not run, return to the number before and raise the error."""
        self.host.api.update_service(service, service_spec.scaling(service.spec, replicas))
        self._await(service, service.replicas, replicas)

    def complete(self, service: Service, before: int) -> str:
        """Complete a change whose command was killed; return what was done, with the number that is in force."""
        try:
            self._await(service, before, service.replicas)
        except EngineError as error:
            return f"a killed change to {service.replicas} servers is undone, {before} run: {error.message}"
        return f"a killed change from {before} to {service.replicas} servers is completed: {service.replicas} run"

    def _await(self, service: Service, before: int, replicas: int) -> None:
        try:
            self.tasks.await_running(service.name, replicas)
            if replicas < before:
                self.tasks.await_drained(service.id, self.host.swarm.drain_seconds + DRAIN_MARGIN_SECONDS)
        except BaseException:
            self._set(service, before)
            raise
        self._set(service, replicas)

    def _set(self, service: Service, replicas: int) -> None:
        """Record a number, without the mark of a change that has not ended."""
        current = self.host.api.service(service.id)
        if current is None:
            raise EngineError(f"the service {service.name} is gone", hint="run the command again")
        self.host.api.update_service(current, service_spec.scaled(current.spec, replicas))


def shown(service: Service) -> str:
    """Return what `complete` will do, as an imperative; empty if no change was killed."""
    before = service_spec.scaled_from(service.labels)
    if before is None:
        return ""
    return (
        f"complete the killed change from {before} to {service.replicas} servers: {service.running} of them run "
        f"({before} again if they do not)"
    )
