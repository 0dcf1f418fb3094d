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

REFUSAL_STATUSES = frozenset((429, 503))
REFUSAL_CODES = frozenset(("RESOURCE_EXHAUSTED", "UNAVAILABLE"))
THREADS_EXHAUSTED = "Server Threadpool Exhausted"
PERMANENT = re.compile(r"(?i)larger than|metadata size|out of memory|OOM when|failed to allocate|memory limit")
"""A request or an answer that does not fit: the same question gets the same answer, however often it is asked."""
UNREACHABLE = re.compile(r"(?i)failed to connect|connection refused|name resolution|DNS resolution|no route to host")
"""No server listens there: that is no load."""

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.02, 1.0
CHECK_PAUSE_SECONDS = 0.25
"""Before a pause this long it is asked whether the server is still there."""
MORE_THREADS_HINT = (
    "give the server more threads: grpc_max_threads under [server.flags] in deployer.toml, or ask it less at once"
)
MORE_TIME_HINT = "try again when the server has less to do, or allow more time: gate.request_seconds"


def is_refusal(code: str | int, text: str) -> bool:
    """Whether a gRPC code or a REST status, with the server's words, refuses a request for load."""
    return code in REFUSAL_STATUSES | REFUSAL_CODES and not PERMANENT.search(text) and not UNREACHABLE.search(text)


def refusal_reason(code: str | int, text: str) -> str:
    """Why a server refused, in a few words."""
    if THREADS_EXHAUSTED in text:
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


def call_with_retries(
    ask: Callable[[], Answer], seconds: float, retries: Retries, exit_reason: Callable[[], str]
) -> Answer:
    """Return what `ask` returns once it is not refused for load.

    Raises Overloaded when it is still refused after `seconds`, and RequestFailed for a server that has ended.
    """
    deadline, tries, pause = Deadline.after(seconds), 1, FIRST_PAUSE_SECONDS
    while True:
        try:
            return ask()
        except Overloaded as refused:
            if deadline.passed:
                raise _retries_exhausted(refused, tries, seconds) from refused
            if pause >= CHECK_PAUSE_SECONDS and (words := exit_reason()):
                raise RequestFailed(f"{refused.message}; the server has ended: {words}") from refused
            retries.note(refused.reason)
        time.sleep(min(pause * random.uniform(0.5, 1.0), deadline.remaining))  # noqa: S311 - spreads clients in time
        tries, pause = tries + 1, min(2 * pause, MAX_PAUSE_SECONDS)


def _retries_exhausted(refused: Overloaded, times: int, seconds: float) -> Overloaded:
    """The same refusal where it was not tried again."""
    if times == 1:
        return refused
    text = f"{refused.message}; refused for load {times} times within {seconds:g} s"
    return Overloaded(text, reason=refused.reason, hint=refused.hint)


def overloaded_error(text: str, code: str | int, words: str) -> Overloaded:
    """The error for a refusal for load."""
    return Overloaded(
        text,
        reason=refusal_reason(code, words),
        hint=MORE_THREADS_HINT if THREADS_EXHAUSTED in words else MORE_TIME_HINT,
    )
