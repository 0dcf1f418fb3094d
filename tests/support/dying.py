"""Runs the real command line and kills it at a moment of its journal: before or after an entry is written."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import forks
from support.cli import SECONDS, environment

KILLED = -9
END = "end"
JOURNAL = ("begin", "step", END)
"""What writes into the journal: a release's begin, its steps, its end."""
BEFORE, AFTER = "before", "after"
"""An entry is written."""


def killed_at(number: int, when: str, *arguments: str, cwd: Path, **more: str) -> str:
    """Run `deployer ARGUMENTS` until it is killed BEFORE or AFTER its entry of that number; which entry that was, of
    JOURNAL, and nothing when it has fewer."""
    ended = forks.run(arguments, cwd, environment(**more), SECONDS, dies=(number, when))
    assert ended["code"] in (0, KILLED), ended
    return str(ended["out"].split()[-1]) if ended["code"] == KILLED else ""


def die_at(number: int, when: str) -> None:
    """Count the entries and end this process at one of them, as a power cut would."""
    from deployer.rollout.ledger import Ledger

    seen = 0

    def dying(name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*arguments: Any, **named: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == number and when == BEFORE:
                _die(name)
            answer = write(*arguments, **named)
            if seen == number:
                _die(name)
            return answer

        return written

    for name in JOURNAL:
        setattr(Ledger, name, dying(name, getattr(Ledger, name)))


def _die(last_word: str) -> None:
    print(last_word, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
