"""Requests that are refused for load: how to recognize them, and retries until a deadline.

A refusal for load is no answer: a moment later the same request succeeds. TensorFlow Serving refuses when the threads
of its gRPC server are taken or its batching queue is full; a gateway, when its server is busy or away.
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
# The request or the answer is too large: a retry gets the same error.
PERMANENT = re.compile(r"(?i)larger than|metadata size|out of memory|OOM when|failed to allocate|memory limit")
# No server listens there.
UNREACHABLE = re.compile(r"(?i)failed to connect|connection refused|name resolution|DNS resolution|no route to host")

FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.02, 1.0
# Before a pause as long as this, check that the server has not ended.
CHECK_PAUSE_SECONDS = 0.25
MORE_THREADS_HINT = (
    "give the server more threads: grpc_max_threads under [server.flags] in deployer.toml, or ask it less at once"
)
MORE_TIME_HINT = "try again when the server has less to do, or allow more time: gate.request_seconds"


def is_refusal(code: str | int, text: str) -> bool:
    """Return whether a gRPC code or an HTTP status, with the server's text, refuses a request for load."""
    return code in REFUSAL_STATUSES | REFUSAL_CODES and not PERMANENT.search(text) and not UNREACHABLE.search(text)


def refusal_reason(code: str | int, text: str) -> str:
    """Return why a server refused, such as `batching queue full`."""
    if THREADS_EXHAUSTED in text:
        return "server at its thread limit"
    return "batching queue full" if "queue" in text and "full" in text else f"server busy ({code})"


@dataclass
class Retries:
    """How often requests were retried, and why the last one was. Safe to use from several threads."""

    count: int = 0
    reason: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, reason: str) -> None:
        """Count one more retry."""
        with self._lock:
            self.count += 1
            self.reason = reason

    def since(self, count: int) -> str:
        """Return a text about the retries after the first `count`; empty when there were no more."""
        return f"{self.count - count} retried: {self.reason}" if self.count > count else ""


def call_with_retries(
    request: Callable[[], Answer], seconds: float, retries: Retries, exit_reason: Callable[[], str]
) -> Answer:
    """Repeat a request until it is not refused for load, and return its answer.

    Raises Overloaded when it is still refused after `seconds`, and RequestFailed when the server has ended.
    """
    deadline, tries, pause = Deadline.after(seconds), 1, FIRST_PAUSE_SECONDS
    while True:
        try:
            return request()
        except Overloaded as refusal:
            if deadline.passed:
                raise _retries_exhausted(refusal, tries, seconds) from refusal
            if pause >= CHECK_PAUSE_SECONDS and (reason := exit_reason()):
                raise RequestFailed(f"{refusal.message}; the server has ended: {reason}") from refusal
            retries.record(refusal.reason)
        time.sleep(min(pause * random.uniform(0.5, 1.0), deadline.remaining))  # noqa: S311 - spreads clients in time
        tries, pause = tries + 1, min(2 * pause, MAX_PAUSE_SECONDS)


def _retries_exhausted(refusal: Overloaded, tries: int, seconds: float) -> Overloaded:
    if tries == 1:
        return refusal
    text = f"{refusal.message}; refused for load {tries} times within {seconds:g} s"
    return Overloaded(text, reason=refusal.reason, hint=refusal.hint)


def overloaded_error(message: str, code: str | int, text: str) -> Overloaded:
    """Return the error for a refusal with the server's `text`."""
    hint = MORE_THREADS_HINT if THREADS_EXHAUSTED in text else MORE_TIME_HINT
    return Overloaded(message, reason=refusal_reason(code, text), hint=hint)
