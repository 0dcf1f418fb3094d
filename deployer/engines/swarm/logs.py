"""The logs of services: the lines of all tasks, each with the task and the node that wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import docker.errors

from deployer.engines.docker.api import decode_lines
from deployer.engines.swarm.api import SwarmApi, swarm_errors
from deployer.engines.swarm.inspection import Task
from deployer.system.wait import Deadline, items_until, items_while

DETAILS = re.compile(r"^(?:[A-Za-z0-9_.%-]+=[^ ,]*,?)+ ")
TASK = "com.docker.swarm.task.id"
SECONDS = 20.0
"""How long the nodes may take to send their logs."""
FOLLOW_SECONDS = 2.0
"""After how long without a line a log that is followed may be at its end."""


def of_service(api: SwarmApi, service: str, tail: int | None, *, follow: bool) -> Iterator[str]:
    """Yield the lines of the tasks that should run, in the order of their times; nothing without the service.

    `tail` is the number of lines; with `follow`, that of the lines of each task which were written before.
    """
    names = _Names(api, service)
    path = f"/services/{service}/logs"
    if follow:
        lines = _followed(api, path, tail, lambda: _runs(api.tasks(service)), details=True)
        yield from (line.text(names) for line in map(_Line.parse, lines))
        return
    lines = _lines(api, path, tail, details=True)
    current = {task.id for task in api.tasks(service) if task.is_current}
    found = [line for line in map(_Line.parse, lines) if not line.task or line.task in current]
    found.sort(key=lambda line: line.time)
    yield from (line.text(names) for line in (found if tail is None else found[max(0, len(found) - tail) :]))


def of_task(api: SwarmApi, task: str, tail: int | None, *, follow: bool = False) -> Iterator[str]:
    """Yield the lines of one task; nothing without it."""
    path = f"/tasks/{task}/logs"
    if follow:
        yield from _followed(api, path, tail, lambda: _runs(filter(None, (api.task(task),))), details=False)
    else:
        yield from _lines(api, path, tail, details=False)


def _runs(tasks: Iterable[Task]) -> bool:
    """Return whether a task may write more lines."""
    return any(not task.has_ended for task in tasks)


@dataclass(frozen=True)
class _Line:
    """A line of a task; `time` is when it was written, by the clock of its node."""

    time: str
    task: str
    written: str

    @classmethod
    def parse(cls, text: str) -> _Line:
        time, space, rest = text.partition(" ")
        match = DETAILS.match(rest)
        if not space or match is None:
            return cls("~", "", text)  # a message about the log itself, at the end
        details = dict(each.partition("=")[::2] for each in match[0].strip().split(","))
        return cls(time, details.get(TASK, ""), rest[match.end() :])

    def text(self, names: _Names) -> str:
        return f"{names.of(self.task)} | {self.written}" if self.task else self.written


class _Names:
    """The names of tasks, such as `2@node1`, which are looked up when a new one writes."""

    def __init__(self, api: SwarmApi, service: str) -> None:
        self._api, self._service = api, service
        self._names: dict[str, str] = {}

    def of(self, task: str) -> str:
        if task not in self._names:
            nodes = self._api.nodes()
            for each in self._api.tasks(self._service):
                node = nodes.get(each.node_id)
                self._names[each.id] = f"{each.slot}@{node.name if node else each.node_id}"
            self._names.setdefault(task, task)
        return self._names[task]


def _followed(
    api: SwarmApi, path: str, tail: int | None, goes_on: Callable[[], bool], *, details: bool
) -> Iterator[str]:
    """Yield the lines of a log until no task can write more. The engine itself never ends a log that is followed."""
    return items_while(goes_on, FOLLOW_SECONDS, lambda: _stream(api, path, tail, follow=True, details=details))


def _lines(api: SwarmApi, path: str, tail: int | None, *, details: bool) -> Iterator[str]:
    """Yield the lines of a log that arrive in time: a node that is gone sends none."""
    try:
        yield from items_until(Deadline.after(SECONDS), lambda: _stream(api, path, tail, follow=False, details=details))
    except TimeoutError:
        yield f"(a node has not sent its part of the log within {SECONDS:g} s)"


def _stream(api: SwarmApi, path: str, tail: int | None, *, follow: bool, details: bool) -> Iterator[str]:
    query = {
        "stdout": 1,
        "stderr": 1,
        "follow": int(follow),
        "details": int(details),
        "timestamps": int(details),
        "tail": "all" if tail is None else str(tail),
    }
    client = api.client.api
    with swarm_errors("reading the log"):
        try:
            answer = client._get(client._url(path), params=query, stream=True)
            client._raise_for_status(answer)
        except docker.errors.NotFound:
            return
        yield from decode_lines(client._multiplexed_response_stream_helper(answer))
