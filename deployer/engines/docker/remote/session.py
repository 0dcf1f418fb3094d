"""What a process has on the machine of a remote engine: one helper for a volume, and the local ports through it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from deployer.engines.docker.remote.forwarding import Forwarder
from deployer.engines.docker.remote.helper import Helper
from deployer.errors import EngineError, EngineUnavailable


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

    def helper(self) -> Helper:
        """Return the helper. Raise EngineError."""
        with self._lock:
            if self._helper is None or not self._helper.runs:
                self._helper = self._started()
            return self._helper

    def _started(self) -> Helper:
        """Return a helper that runs commands; one that ended at once, as on a busy machine, is started again."""
        helper = self.start()
        try:
            helper.run("true")
        except EngineUnavailable:
            raise
        except EngineError:
            helper.close()
            helper = self.start()
        return helper

    def end(self) -> None:
        """End the helper; the next use starts another one. Raise EngineError."""
        with self._lock:
            helper, self._helper = self._helper, None
        if helper is not None:
            helper.close()

    def _connect(self, host: str, port: int) -> socket.socket:
        return self.helper().connect(host, port)


_sessions: dict[tuple[str, str, int], Session] = {}
"""The sessions of this process, by the connection to the engine and the volume. A forked child has its own."""


def session_for(connection: str, volume: str, start: Callable[[], Helper]) -> Session:
    """Return the session of this process for a volume of an engine."""
    return _sessions.setdefault((connection, volume, os.getpid()), Session(start))
