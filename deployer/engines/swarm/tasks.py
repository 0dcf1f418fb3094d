"""Waits for the tasks of a service, each wait with a deadline, and says why a task failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from deployer.engines.docker import exit_codes
from deployer.engines.docker.inspection import ContainerState
from deployer.engines.swarm.api import SwarmApi
from deployer.engines.swarm.inspection import NodeInfo, Service, Task
from deployer.errors import EngineError
from deployer.system.wait import Deadline

POLL_SECONDS = 0.1
PENDING_SECONDS = 20.0
"""How long a task may wait for a node that fits it."""
END_SECONDS = 30.0
"""How long a change waits for the end of the last tasks before it."""
SETTLE_SECONDS = 3.0
"""How long nodes and gateways may take to learn that tasks on a node that is gone get no requests any more."""

BROKEN = ("rollback_started", "rollback_paused", "rollback_completed", "paused")
LOG_LINES = 60
NO_IMAGE = "No such image"
"""The message of a node that could not pull an image; the reason is in the log of its engine alone."""

NO_PLATFORM = "unsupported platform"
IMAGE_HINT = "let the node reach the registry, or load the image there; swarm.constraints leaves nodes out"


@dataclass
class Patience:
    """Tells which task has waited too long for a node, or for its container to start."""

    start_seconds: float
    _since: dict[tuple[str, bool], float] = field(default_factory=dict)

    def problem(self, tasks: Iterable[Task]) -> tuple[Task, str] | None:
        """Return a task that gets no node or does not start in time, with the reason; None without one."""
        now = time.monotonic()
        for task in tasks:
            pending = task.state in ("new", "allocated", "pending")
            waited = now - self._since.setdefault((task.id, pending), now)
            if pending and waited > PENDING_SECONDS:
                return task, task.message or "no node takes it"
            if waited > self.start_seconds:
                return task, f"it is still {task.state} after {self.start_seconds:g} s"
        return None


@dataclass(frozen=True)
class Tasks:
    """The tasks of services of one Swarm. A task may take `start_seconds` to start, with the pull of its image."""

    api: SwarmApi
    start_seconds: float

    def await_started(self, service: str) -> Task:
        """Return the only task of a service once its container was started; it may have ended. Raise EngineError."""
        patience = Patience(self.start_seconds)
        while True:
            tasks = self.api.tasks(service)
            if tasks and not tasks[0].is_waiting:
                if tasks[0].state == "rejected":
                    raise self.failure(service, tasks[0])
                return tasks[0]
            if problem := patience.problem(tasks):
                raise self.stuck(*problem)
            time.sleep(POLL_SECONDS)

    def await_running(self, service: str, replicas: int) -> None:
        """Wait until a service has this number of running tasks. Raise EngineError if one fails or does not start."""
        patience = Patience(self.start_seconds)
        seen: set[str] | None = None
        while True:
            tasks = self.api.tasks(service)
            seen = {task.id for task in tasks if task.failed} if seen is None else seen
            current = [task for task in tasks if task.is_current]
            if sum(task.runs for task in current) >= replicas:
                return
            if failed := next((task for task in tasks if task.failed and task.id not in seen), None):
                raise self.failure(service, failed)
            if problem := patience.problem([task for task in current if not task.runs]):
                raise self.stuck(*problem)
            time.sleep(POLL_SECONDS)

    def await_everywhere(self, service: str) -> None:
        """Wait until a service with a task on each node runs there. Raise EngineError for a node where it cannot."""
        patience = Patience(self.start_seconds)
        while True:
            nodes = {node.id: node for node in self.api.nodes().values() if node.ready and node.active}
            tasks = [task for task in self.api.tasks(service) if task.node_id in nodes]
            if failed := next((task for task in tasks if task.failed), None):
                raise EngineError(
                    f"the node {nodes[failed.node_id].name} cannot run the image: {failed.message or failed.state}",
                    hint=IMAGE_HINT,
                )
            waiting = [task for task in tasks if not task.runs]
            if tasks and not waiting:
                return
            if problem := patience.problem(waiting):
                raise self.stuck(*problem)
            time.sleep(POLL_SECONDS)

    def await_update(self, service: Service, observed: Callable[[Service], None] = lambda _: None) -> None:
        """Wait until the update of a service is completed. Raise EngineError if Swarm rolls it back, or if it hangs."""
        patience, began = Patience(self.start_seconds), time.monotonic()
        while True:
            current = self._require(service)
            observed(current)
            if current.update_state == "completed":
                return
            if current.update_state in BROKEN:
                raise self._update_failure(current)
            tasks = [task for task in self.api.tasks(service.id) if task.is_current and not task.runs]
            if problem := patience.problem(tasks):
                raise self.stuck(*problem)
            if not current.update_state and not tasks and time.monotonic() - began > PENDING_SECONDS:
                return  # nothing of the tasks has changed
            time.sleep(POLL_SECONDS)

    def await_rollback(self, service: Service) -> None:
        """Wait until the rollback of a service has ended. Raise EngineError if it fails."""
        patience = Patience(self.start_seconds)
        while True:
            current = self._require(service)
            if current.update_state in ("rollback_completed", "completed", ""):
                return
            tasks = [task for task in self.api.tasks(service.id) if task.is_current and not task.runs]
            problem = patience.problem(tasks)
            if current.update_state != "rollback_started" or problem:
                reason = problem[1] if problem else current.update_message
                raise EngineError(
                    f"the rollback of the service {service.name} does not end: {reason}",
                    hint=f"docker service ps {service.name} shows its tasks",
                )
            time.sleep(POLL_SECONDS)

    def await_replaced(self, service: str, release: str) -> None:
        """Wait until Swarm has every task of another release end, and no gateway sends requests to them.

        When nodes and gateways learn of it depends on how busy they are. So this waits for the end of the tasks, unless
        they drain for long, or their node is gone and never reports it.
        """
        deadline = Deadline.after(self.start_seconds)
        while any(task.is_current for task in self._others(service, release)):
            if deadline.passed:
                raise EngineError(
                    f"servers of another release than {release} go on", hint=f"docker service ps {service}"
                )
            time.sleep(POLL_SECONDS)
        ended = Deadline.after(END_SECONDS)
        while others := self._others(service, release):
            nodes = self.api.nodes()
            if ended.passed:
                return
            if not any(task.node_id in nodes and nodes[task.node_id].ready for task in others):
                time.sleep(SETTLE_SECONDS)
                return
            time.sleep(POLL_SECONDS)

    def _others(self, service: str, release: str) -> list[Task]:
        """Return the tasks of other releases that have not ended."""
        return [task for task in self.api.tasks(service) if task.release != release and not task.has_ended]

    def await_drained(self, service: str, seconds: float) -> None:
        """Wait until the tasks that should end have ended; those of a node that is gone never report it."""
        deadline = Deadline.after(seconds)
        while any(not task.is_current and not task.has_ended for task in self.api.tasks(service)):
            if deadline.passed:
                return
            time.sleep(POLL_SECONDS)

    def failure(self, service: str, task: Task) -> EngineError:
        """Return the error for a task that failed, with its node and its log."""
        node = self.node(task)
        where = f" on {node.name}" if node else ""
        return EngineError(
            f"a server of {service} failed{where}: {reason(task)}",
            hint=IMAGE_HINT if NO_IMAGE in task.message else f"docker service ps --no-trunc {service} shows its tasks",
            log=self.log(task),
        )

    def stuck(self, task: Task, problem: str) -> EngineError:
        """Return the error for a task that does not start."""
        node = self.node(task)
        where = f" on {node.name}" if node else ""
        return EngineError(
            f"a server does not start{where}: {problem}",
            hint="docker.platform names the platform; docker node inspect NODE shows that of a node"
            if NO_PLATFORM in problem
            else "docker node ls shows the nodes; [swarm] has constraints and reservations",
        )

    def node(self, task: Task) -> NodeInfo | None:
        """Return the node of a task."""
        return self.api.nodes().get(task.node_id) if task.node_id else None

    def log(self, task: Task) -> tuple[str, ...]:
        """Return the last lines of a task's log; none if they cannot be read."""
        from deployer.engines.swarm import logs

        return tuple(line.text for line in logs.of_task(self.api, task.id, LOG_LINES)) if task.container else ()

    def _require(self, service: Service) -> Service:
        current = self.api.service(service.id)
        if current is None:
            raise EngineError(f"the service {service.name} is gone", hint="run the command again")
        return current

    def _update_failure(self, service: Service) -> EngineError:
        """Return the error for an update that Swarm ended: with the task that failed, if it is still listed."""
        failed = [task for task in self.api.tasks(service.id) if task.failed and task.id in service.update_message]
        failed = failed or [task for task in self.api.tasks(service.id) if task.failed]
        error = self.failure(service.name, failed[0]) if failed else EngineError(service.update_message)
        return EngineError(f"Swarm ended the update: {error.message}", hint=error.hint, log=error.log)


def reason(task: Task) -> str:
    """Return why a task failed, in one sentence."""
    if task.exit_code:
        error = task.message if "non-zero exit" not in task.message else ""
        return exit_codes.exit_reason(ContainerState(task.exit_code, "OOM" in task.message, error))
    if not task.has_ended:
        return "the node of its server does not answer"
    return task.message or f"its server has ended: {task.state}"
