"""Waits until the tasks of a gateway run, and says on which node and why one does not."""

from __future__ import annotations

import time
from dataclasses import dataclass

from deployer.engines.docker.api import PORT, PORT_TAKEN
from deployer.engines.swarm.api import SwarmApi
from deployer.engines.swarm.gateway import tasks
from deployer.engines.swarm.inspection import Service, Task
from deployer.errors import EngineError, PortTaken
from deployer.system.wait import Deadline, wait_until

READY_SECONDS = 300.0
"""How long nodes may take to pull the image and start."""

SETTLED_SECONDS = 1.0
"""How long all tasks must run: HAProxy ends at once if it cannot read its configuration or open its ports."""

PLACEMENT_SECONDS = 15.0
"""How long a task may wait for a node: those that held the port may be ending."""

POLL_SECONDS = 0.2
COMPLETED, ROLLED_BACK = "completed", "rollback_completed"
UPDATING = ("updating", "rollback_started")
STOPPED = ("paused", "rollback_paused")
NO_NODE = "no suitable node"
HOST_PORT = "host-mode port already in use"


@dataclass(frozen=True)
class Waiting:
    """The start of the tasks of one gateway's service; `ports` are those that it publishes."""

    api: SwarmApi
    name: str
    ports: tuple[int, int]

    def for_creation(self) -> None:
        """Wait until each task of a new service runs. Raise PortTaken or EngineError for the first that does not."""
        began = time.monotonic()
        running_since: list[float] = []

        def settled() -> bool:
            found = self.api.tasks(self.name)
            self._check(found, waited=time.monotonic() - began)
            if not self._all_run(found):
                running_since.clear()
                return False
            running_since[:] = running_since or [time.monotonic()]
            return time.monotonic() - running_since[0] >= SETTLED_SECONDS

        if not wait_until(settled, Deadline.after(READY_SECONDS), POLL_SECONDS):
            raise self._late()

    def for_update(self, known: frozenset[str]) -> None:
        """Wait until Swarm has replaced the tasks; `known` are the ids of those before the update.

        Swarm returns to the former specification if a task fails: that is waited for, and an error is raised.
        """

        def ended() -> bool:
            state = self._service().update_state
            return state in (COMPLETED, ROLLED_BACK, *STOPPED)

        in_time = wait_until(ended, Deadline.after(READY_SECONDS), POLL_SECONDS)
        service = self._service()
        if service.update_state == COMPLETED:
            return
        failed = [task for task in self.api.tasks(self.name) if task.id not in known and task.failed]
        if failed:
            raise self._failure(failed[0])
        raise EngineError(service.update_message, hint=self._hint) if in_time else self._late()

    def for_end_of_update(self) -> None:
        """Wait until Swarm replaces no task any more, by an update or a rollback. Raise EngineError."""
        ended = wait_until(
            lambda: self._service().update_state not in UPDATING, Deadline.after(READY_SECONDS), POLL_SECONDS
        )
        if not ended:
            raise self._late()

    def for_rollback(self) -> None:
        """Wait until the tasks have the former specification again. Raise EngineError."""
        ended = (ROLLED_BACK, *STOPPED)
        wait_until(lambda: self._service().update_state in ended, Deadline.after(READY_SECONDS), POLL_SECONDS)
        if (service := self._service()).update_state != ROLLED_BACK:
            raise EngineError(
                f"the gateway {self.name} did not return to what it was: {service.update_message}", hint=self._hint
            )

    @property
    def _hint(self) -> str:
        return f"docker service ps --no-trunc {self.name} says more"

    def _service(self) -> Service:
        service = self.api.service(self.name)
        if service is None:
            raise EngineError(f"the service {self.name} was removed", hint="run the command again")
        return service

    def _all_run(self, found: tuple[Task, ...]) -> bool:
        current = [task for task in found if task.is_current]
        return bool(current) and all(task.runs for task in current) and len(current) >= self._wanted(current)

    def _wanted(self, current: list[Task]) -> int:
        service = self._service()
        if "Global" not in service.spec["Mode"]:
            return service.replicas
        if service.spec["TaskTemplate"].get("Placement", {}).get("Constraints"):
            return len(current)  # Swarm creates the tasks of all nodes at once
        return sum(node.ready and node.active for node in self.api.nodes().values())

    def _check(self, found: tuple[Task, ...], waited: float) -> None:
        for task in found:
            if task.failed:
                raise self._failure(task)
        if waited < PLACEMENT_SECONDS:
            return
        if not found:
            reason = "no node of the Swarm may run the gateway"
            raise EngineError(reason, hint="check swarm.gateway_constraints, and docker node ls")
        for task in found:
            if task.is_waiting and NO_NODE in task.message:
                raise self._failure(task)

    def _failure(self, task: Task) -> EngineError:
        nodes = self.api.nodes()
        node = nodes.get(task.node_id)
        where = f" on {node.name}" if node else ""
        if PORT_TAKEN.search(task.message):
            found = PORT.search(task.message)
            return port_taken(int(found[1]) if found else None, where.removeprefix(" on "))
        if HOST_PORT in task.message:
            return find_holder(self.api, self.name, self.ports) or port_taken(None, node.name if node else "a node")
        reason = task.message or "it ended at once"
        log = tasks.log(self.api, task.id) if task.container else ()
        return EngineError(f"the gateway cannot run{where}: {reason}", hint=_remedy(reason, self._hint), log=log)

    def _late(self) -> EngineError:
        waiting = [task for task in self.api.tasks(self.name) if task.is_current and not task.runs]
        nodes = self.api.nodes()
        states = (
            f"{nodes[task.node_id].name if task.node_id in nodes else 'no node'}: {task.message or task.state}"
            for task in waiting
        )
        return EngineError(
            f"the gateway does not run on each node within {READY_SECONDS:g} s: {'; '.join(states)}", hint=self._hint
        )


def find_holder(api: SwarmApi, name: str, ports: tuple[int, int]) -> PortTaken | None:
    """Return the error for a port that tasks of another service than `name` hold; None if none does."""
    for service in api.services():
        shared = [port for port in ports if port in service.published_ports]
        if service.name == name or not shared:
            continue
        nodes = api.nodes()
        current = [task for task in api.tasks(service.id) if task.is_current and task.node_id in nodes]
        if current:
            held = sorted({nodes[task.node_id].name for task in current})
            return port_taken(shared[0], ", ".join(held), f"the service {service.name}")
    return None


def port_taken(port: int | None, node: str, holder: str = "another program") -> PortTaken:
    """Return the error for a port that something else holds on a node."""
    where = f" on {node}" if node else ""
    return PortTaken(
        f"the gateway cannot open port {port or ''}{where}: {holder} holds it".replace("port  ", "a port "),
        port=port,
        hint="choose another server.rest_port and server.grpc_port, or stop what holds it; "
        "swarm.gateway_constraints can leave the node out",
    )


def _remedy(reason: str, otherwise: str) -> str:
    if "No such image" in reason or "pull access" in reason:
        return "push gateway.image to a registry that each node reaches, and name it with the registry"
    return f"check [gateway], and haproxy.cfg.j2 if it is your own; {otherwise}"
