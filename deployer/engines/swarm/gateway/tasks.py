"""What a gateway needs to know of tasks and networks."""

from __future__ import annotations

import contextlib

from docker.errors import DockerException
from requests import RequestException
from urllib3.exceptions import HTTPError

from deployer.engines.docker.api import decode_lines
from deployer.engines.swarm.api import SwarmApi, swarm_errors
from deployer.engines.swarm.inspection import Task
from deployer.system.wait import Deadline, wait_until

LOG_LINES = 15
POLL_SECONDS = 0.2
LOG_SECONDS = 5
"""The manager asks the task's node for its log, and that node may be lost."""


def remaining(api: SwarmApi, service_id: str) -> tuple[Task, ...]:
    """Return the tasks of a removed service that have not ended."""
    with swarm_errors("listing tasks"):
        answers = api.client.api.tasks()
    found = (Task.parse(each) for each in answers if each.get("ServiceID") == service_id)
    return tuple(task for task in found if not task.has_ended)


def remove(api: SwarmApi, service_id: str, seconds: float) -> None:
    """Remove a service, and wait until its tasks have ended, for at most `seconds`."""
    api.remove_service(service_id)
    wait_until(lambda: not remaining(api, service_id), Deadline.after(seconds), POLL_SECONDS)


def running_nodes(api: SwarmApi, service: str) -> tuple[tuple[str, str], ...]:
    """Return names and addresses of the nodes where a service runs, sorted by name."""
    nodes = api.nodes()
    running = {task.node_id for task in api.tasks(service) if task.runs and task.is_current} & nodes.keys()
    return tuple(sorted((nodes[each].name, nodes[each].address) for each in running if nodes[each].ready))


def network_id(api: SwarmApi, name: str) -> str:
    """Return the id of a network, which is what Swarm keeps of it."""
    with swarm_errors(f"looking at the network {name}"):
        return str(api.client.api.inspect_network(name)["Id"])


def log(api: SwarmApi, task_id: str) -> tuple[str, ...]:
    """Return the last lines of a task's log; none if they cannot be read."""
    engine = api.client.api
    query = {"stdout": "true", "stderr": "true", "tail": str(LOG_LINES)}
    with contextlib.suppress(DockerException, RequestException, HTTPError):
        answer = engine._get(engine._url("/tasks/{0}/logs", task_id), params=query, timeout=LOG_SECONDS)
        return tuple(decode_lines(iter(engine._multiplexed_buffer_helper(answer))))
    return ()
