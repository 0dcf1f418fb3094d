"""The logs of services: the lines of all tasks, each with the task and the node that wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import docker.errors

from deployer.engines.docker.api import decode_lines
from deployer.engines.swarm.api import SwarmApi, swarm_errors
from deployer.engines.swarm.inspection import Task
from deployer.results.logs import LogLine
from deployer.system.wait import Deadline, items_until, items_while

DETAILS = re.compile(r"^(?:[A-Za-z0-9_.%-]+=[^ ,]*,?)+ ")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
TASK = "com.docker.swarm.task.id"
SECONDS = 20.0
"""How long the nodes may take to send their logs."""
FOLLOW_SECONDS = 2.0
"""After how long without a line a log that is followed may be at its end."""


def of_service(
    api: SwarmApi, service: str, tail: int | None, *, follow: bool, since: float | None = None
) -> Iterator[LogLine]:
    """Yield the lines of the tasks that should run, in the order of their times; nothing without the service.

    `tail` is the number of lines; with `follow`, that of the lines of each task which were written before.
    """
    names = _Names(api, service)
    query = _Query(f"/services/{service}/logs", tail, since, details=True)
    if follow:
        lines = _followed(api, query, lambda: _runs(api.tasks(service)))
        yield from (line.named(names) for line in map(_Line.parse, lines))
        return
    lines = _lines(api, query)
    current = {task.id for task in api.tasks(service) if task.is_current}
    found = [line for line in map(_Line.parse, lines) if not line.task or line.task in current]
    found.sort(key=lambda line: line.time)
    yield from (line.named(names) for line in (found if tail is None else found[max(0, len(found) - tail) :]))


def of_task(
    api: SwarmApi, task: str, tail: int | None, *, follow: bool = False, since: float | None = None
) -> Iterator[LogLine]:
    """Yield the lines of one task; nothing without it."""
    query = _Query(f"/tasks/{task}/logs", tail, since, details=False)
    lines = _followed(api, query, lambda: _runs(filter(None, (api.task(task),)))) if follow else _lines(api, query)
    yield from map(_plain, lines)


def _plain(text: str) -> LogLine:
    """Return a line without details; a message about the log itself has no time."""
    time, space, rest = text.partition(" ")
    return LogLine(rest, time) if space and TIME.fullmatch(time) else LogLine(text)


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

    def named(self, names: _Names) -> LogLine:
        if not self.task:
            return LogLine(self.written)
        return LogLine(f"{names.of(self.task)} | {self.written}", self.time)


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


@dataclass(frozen=True)
class _Query:
    """What to read of a log."""

    path: str
    tail: int | None
    since: float | None
    details: bool

    def parameters(self, *, follow: bool) -> dict[str, str | int]:
        """Return the parameters of the request."""
        plain = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow), "details": int(self.details)}
        since = {} if self.since is None else {"since": f"{max(self.since, 1.0):.6f}"}
        return {**plain, **since, "tail": "all" if self.tail is None else str(self.tail)}


def _followed(api: SwarmApi, query: _Query, goes_on: Callable[[], bool]) -> Iterator[str]:
    """Yield the lines of a log until no task can write more. The engine itself never ends a log that is followed."""
    return items_while(goes_on, FOLLOW_SECONDS, lambda: _stream(api, query, follow=True))


def _lines(api: SwarmApi, query: _Query) -> Iterator[str]:
    """Yield the lines of a log that arrive in time: a node that is gone sends none."""
    try:
        yield from items_until(Deadline.after(SECONDS), lambda: _stream(api, query, follow=False))
    except TimeoutError:
        yield f"(a node has not sent its part of the log within {SECONDS:g} s)"


def _stream(api: SwarmApi, query: _Query, *, follow: bool) -> Iterator[str]:
    client = api.client.api
    with swarm_errors("reading the log"):
        try:
            answer = client._get(client._url(query.path), params=query.parameters(follow=follow), stream=True)
            client._raise_for_status(answer)
        except docker.errors.NotFound:
            return
        yield from decode_lines(client._multiplexed_response_stream_helper(answer))
