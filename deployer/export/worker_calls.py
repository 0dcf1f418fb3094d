"""What the tool sends to the process that loads models: a call, and the surroundings that it is made in."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ProcessContext:
    """What code can see of the process that it runs in."""

    folder: Path
    environ: Mapping[str, str]
    path: tuple[str, ...]
    argv: tuple[str, ...]

    @classmethod
    def of_this_process(cls) -> ProcessContext:
        """Those of the caller."""
        return cls(Path.cwd(), dict(os.environ), tuple(map(str, sys.path)), tuple(sys.argv))

    def apply(self) -> None:
        """Take them over. What this process set for itself, and the sender does not have, stays."""
        os.chdir(self.folder)
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
    """A function by its name in the worker, and its arguments."""

    name: str
    arguments: tuple[Any, ...]
    process_context: ProcessContext
