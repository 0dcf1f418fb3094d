"""The logs of services: the lines of all tasks, each with the task and the node that wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import docker.errors

from deployer.engines.docker.api import decode_lines
from deployer.engines.swarm.api import SwarmApi, swarm_errors
from deployer.system.wait import Deadline, items_until

DETAILS = re.compile(r"^(?:[A-Za-z0-9_.%-]+=[^ ,]*,?)+ ")
TASK = "com.docker.swarm.task.id"
SECONDS = 20.0
"""How long the nodes may take to send their logs."""


def of_service(api: SwarmApi, service: str, tail: int | None, *, follow: bool) -> Iterator[str]:
    """Yield the lines of the tasks that should run, in the order of their times; nothing without the service.

    `tail` is the number of lines; with `follow`, that of the lines of each task which were written before.
    """
    names = _Names(api, service)
    lines = _lines(api, f"/services/{service}/logs", tail, follow=follow, details=True)
    if follow:
        yield from (line.text(names) for line in map(_Line.parse, lines))
        return
    current = {task.id for task in api.tasks(service) if task.is_current}
    found = [line for line in map(_Line.parse, lines) if not line.task or line.task in current]
    found.sort(key=lambda line: line.time)
    yield from (line.text(names) for line in (found if tail is None else found[max(0, len(found) - tail) :]))


def of_task(api: SwarmApi, task: str, tail: int | None, *, follow: bool = False) -> Iterator[str]:
    """Yield the lines of one task; nothing without it."""
    yield from _lines(api, f"/tasks/{task}/logs", tail, follow=follow, details=False)


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


def _lines(api: SwarmApi, path: str, tail: int | None, *, follow: bool, details: bool) -> Iterator[str]:
    """Yield the lines of a log; without `follow`, those that arrive in time: a node that is gone sends none."""
    if follow:
        yield from _stream(api, path, tail, follow=True, details=details)
        return
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
