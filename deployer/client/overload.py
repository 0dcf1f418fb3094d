"""Refusals for load: which answers are ones, and asking again until a deadline.

A server that refuses for load has not answered: asked a moment later it does. TensorFlow Serving refuses so when the
threads of its gRPC server are taken or its batching queue is full; a gateway, when its server is busy or away.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from deployer.errors import Overloaded, RequestFailed
from deployer.system.wait import Deadline

Answer = TypeVar("Answer")

STATUSES = frozenset((429, 503))
CODES = frozenset(("RESOURCE_EXHAUSTED", "UNAVAILABLE"))
EXHAUSTED = "Server Threadpool Exhausted"
FINAL = re.compile(r"(?i)larger than|metadata size|out of memory|OOM when|failed to allocate|memory limit")
"""A request or an answer that does not fit: the same question gets the same answer, however often it is asked."""
AWAY = re.compile(r"(?i)failed to connect|connection refused|name resolution|DNS resolution|no route to host")
"""No server listens there: that is no load."""

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
LONG_PAUSE = 0.25
"""Before a pause this long it is asked whether the server is still there."""
ROOM = "give the server more threads: grpc_max_threads under [server.flags] in deployer.toml, or ask it less at once"
TIME = "try again when the server has less to do, or allow more time: gate.request_seconds"


def is_refusal(code: str | int, text: str) -> bool:
    """Whether a gRPC code or a REST status, with the server's words, refuses a request for load."""
    return code in STATUSES | CODES and not FINAL.search(text) and not AWAY.search(text)


def reason(code: str | int, text: str) -> str:
    """Why a server refused, in a few words."""
    if EXHAUSTED in text:
        return "server at its thread limit"
    return "batching queue full" if "queue" in text and "full" in text else f"server busy ({code})"


@dataclass
class Retries:
    """How often requests were repeated, and why the last one was; may be used by many threads."""

    count: int = 0
    reason: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, why: str) -> None:
        """One more."""
        with self._lock:
            self.count += 1
            self.reason = why

    def since(self, before: int) -> str:
        """What to say of those after the first `before`; empty without any."""
        return f"{self.count - before} retried: {self.reason}" if self.count > before else ""


def answered(ask: Callable[[], Answer], seconds: float, retries: Retries, ended: Callable[[], str]) -> Answer:
    """What `ask` returns once it is not refused for load; `ended` says why a server that is gone will never answer.

    Raises Overloaded when it is still refused after `seconds`, and RequestFailed for a server that has ended.
    """
    deadline, tries, pause = Deadline.after(seconds), 1, FIRST_PAUSE
    while True:
        try:
            return ask()
        except Overloaded as refused:
            if deadline.passed:
                raise _given_up(refused, tries, seconds) from refused
            if pause >= LONG_PAUSE and (words := ended()):
                raise RequestFailed(f"{refused.message}; the server has ended: {words}") from refused
            retries.note(refused.reason)
        time.sleep(min(pause * random.uniform(0.5, 1.0), deadline.remaining))  # noqa: S311 - spreads clients in time
        tries, pause = tries + 1, min(2 * pause, LONGEST_PAUSE)


def _given_up(refused: Overloaded, times: int, seconds: float) -> Overloaded:
    """The same refusal where it was not tried again."""
    if times == 1:
        return refused
    text = f"{refused.message}; refused for load {times} times within {seconds:g} s"
    return Overloaded(text, reason=refused.reason, hint=refused.hint)


def refusal(text: str, code: str | int, words: str) -> Overloaded:
    """The error for a refusal for load."""
    return Overloaded(text, reason=reason(code, words), hint=ROOM if EXHAUSTED in words else TIME)
