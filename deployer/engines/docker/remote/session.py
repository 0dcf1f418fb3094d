"""What a process has on the machine of a remote engine: one helper for a volume, and the local ports through it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from deployer.engines.docker.remote.forwarding import Forwarder
from deployer.engines.docker.remote.helper import Helper, HelperEnded

T = TypeVar("T")
ATTEMPTS = 5
PAUSE_SECONDS = 0.25
"""After the first attempt, doubled after each: helpers that were started one after the other have ended at once."""


@dataclass
class Session:
    """A helper, which `start` starts when it is first needed, and the ports that it forwards."""

    start: Callable[[], Helper]
    forwarder: Forwarder = field(init=False)
    _helper: Helper | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.forwarder = Forwarder(self._connect)

    @property
    def is_started(self) -> bool:
        """Whether the helper runs."""
        return self._helper is not None

    def use(self, action: Callable[[Helper], T]) -> T:
        """Return what an action with the helper returns. Raise EngineError.

        The engine may end a helper at any time. The action then runs again with another one.
        """
        for attempt in range(ATTEMPTS - 1):
            helper = self._running_helper()
            try:
                return action(helper)
            except HelperEnded:
                self._forget(helper)
                time.sleep(PAUSE_SECONDS * 2**attempt)
        return action(self._running_helper())

    def run(self, script: str, *arguments: str) -> str:
        """Run a shell script that may run twice, and return what it prints. Raise EngineError."""
        return self.use(lambda helper: helper.run(script, *arguments))

    def _running_helper(self) -> Helper:
        with self._lock:
            if self._helper is None or not self._helper.runs:
                self._helper = self.start()
            return self._helper

    def _forget(self, helper: Helper) -> None:
        with self._lock:
            if self._helper is helper:
                self._helper = None

    def end(self) -> None:
        """End the helper; the next use starts another one. Raise EngineError."""
        with self._lock:
            helper, self._helper = self._helper, None
        if helper is not None:
            helper.close()

    def _connect(self, host: str, port: int) -> socket.socket:
        return self.use(lambda helper: helper.connect(host, port))


_sessions: dict[tuple[str, str, int], Session] = {}
"""The sessions of this process, by the connection to the engine and the volume. A forked child has its own."""


def session_for(connection: str, volume: str, start: Callable[[], Helper]) -> Session:
    """Return the session of this process for a volume of an engine."""
    return _sessions.setdefault((connection, volume, os.getpid()), Session(start))
