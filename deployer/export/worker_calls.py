"""Messages from the tool to the process that loads models: a call and its process context."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessContext:
    """The process state that user code can see: working directory, environment, import path, arguments."""

    directory: Path
    environ: Mapping[str, str]
    path: tuple[str, ...]
    argv: tuple[str, ...]

    @classmethod
    def of_this_process(cls) -> ProcessContext:
        """Capture the context of the calling process."""
        return cls(Path.cwd(), dict(os.environ), tuple(map(str, sys.path)), tuple(sys.argv))

    def apply(self) -> None:
        """Apply the context. Variables that this process set itself, and the sender lacks, are kept."""
        os.chdir(self.directory)
        sys.path[:], sys.argv[:] = self.path, self.argv
        for name in _sent - set(self.environ):
            os.environ.pop(name, None)
        for name, value in self.environ.items():
            if os.environ.get(name) != value:
                os.environ[name] = value
        _sent.clear()
        _sent.update(self.environ)


_sent: set[str] = set()


@dataclass(frozen=True)
class Call:
    """A worker function by name, with its arguments."""

    name: str
    arguments: tuple[object, ...]
    process_context: ProcessContext
