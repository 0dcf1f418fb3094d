"""Forward the child's stdout and stderr to this process's stderr, and keep the last lines."""

from __future__ import annotations

import codecs
import os
import sys
import tempfile
from contextlib import suppress
from itertools import takewhile
from multiprocessing.connection import Connection, wait
from pathlib import Path

CHUNK_BYTES = 1 << 16
MAX_READS = 64
"""The limit per call, so that a child that writes without end does not block its messages."""
MAX_TAIL_CHARACTERS = 1 << 14
LINES = 8
FRAMES = 8
MAX_LINE = 300
OWN_FRAMES = (f'File "{Path(__file__).parent}{os.sep}', 'File "<string>"')
"""The beginnings of this package's frames in the output of `faulthandler`."""


class ChildOutput:
    """A pipe with its write end for the child; `crash_file` receives the Python frames of a crash."""

    def __init__(self) -> None:
        self.crash_file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the pipe
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._kept = ""
        self._muted = False
        self.open = True

    def close_write_end(self) -> None:
        """Close this process's copy of the write end after the child has inherited it."""
        os.close(self.write_end)

    def close(self) -> None:
        """Close the read end: later writes of the child fail."""
        os.close(self._read_end)
        self.crash_file.close()

    def mute(self) -> None:
        """Stop showing output."""
        self._muted = True

    def wait(self, seconds: float, *others: Connection) -> None:
        """Wait until there is output, or a message on one of the other connections."""
        wait([*([self._read_end] if self.open else []), *others], seconds)

    def forward(self) -> None:
        """Forward everything that was written since the last call."""
        with suppress(BlockingIOError):
            for _ in range(MAX_READS if self.open else 0):
                data = os.read(self._read_end, CHUNK_BYTES)
                self.open = bool(data)
                if not data:
                    return
                self._show(self._decoder.decode(data))

    def _show(self, text: str) -> None:
        self._kept = (self._kept + text)[-MAX_TAIL_CHARACTERS:]
        if self._muted:
            return
        with suppress(OSError, ValueError, AttributeError):  # stderr may be missing or its reader gone
            sys.stderr.write(text)
            sys.stderr.flush()

    def tail(self) -> tuple[str, ...]:
        """Return the last lines, then the Python frames of a crash, innermost first."""
        lines = [line.rstrip()[:MAX_LINE] for line in self._kept.splitlines() if line.strip()]
        return (*lines[-LINES:], *self._frames())

    def _frames(self) -> list[str]:
        self.crash_file.seek(0)
        found = self.crash_file.read(MAX_TAIL_CHARACTERS).decode(errors="replace")
        crash = takewhile(lambda line: not line.startswith("Extension modules"), found.splitlines())
        return [line for line in crash if line.strip() and not line.lstrip().startswith(OWN_FRAMES)][:FRAMES]
