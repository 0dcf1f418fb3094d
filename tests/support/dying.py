"""Runs the real command line and kills it at a moment of its journal: before or after a step is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.cli import SECONDS, environment

KILLED = -9
DRIVER = """
import os, signal, sys
from deployer import ledger
from deployer.__main__ import run

number, when = int(sys.argv[1]), sys.argv[2]
sys.argv = ["deployer", *sys.argv[3:]]
seen = 0
write = ledger.Ledger.step

def step(self, *arguments):
    global seen
    seen += 1
    if seen == number and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, *arguments)
    if seen == number:
        os.kill(os.getpid(), signal.SIGKILL)

ledger.Ledger.step = step
sys.exit(run())
"""
"""Counts the steps and ends its own process at one of them, as a power cut would."""


def killed_at(number: int, when: str, *arguments: str, cwd: Path, **more: str) -> bool:
    """Whether `deployer ARGUMENTS` was killed `before` or `after` its step of that number; False when it has fewer."""
    ended = subprocess.run(
        [sys.executable, "-c", DRIVER, str(number), when, *arguments],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode in (0, KILLED), ended.stderr
    return ended.returncode == KILLED
