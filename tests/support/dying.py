"""Runs the real command line and kills it at a moment of its journal: before or after an entry is written.

Commands are forked from a process that has imported all they need: a table of kills has hundreds.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from support.cli import SECONDS, environment

KILLED = -9
JOURNAL = ("begin", "step", "end")
"""What writes into the journal: a release's begin, its steps, its end."""
WITH_TENSORFLOW = ("deployer.export", "deployer.server", "deployer.__main__")


def killed_at(number: int, when: str, *arguments: str, cwd: Path, **more: str) -> bool:
    """Whether `deployer ARGUMENTS` was killed `before` or `after` its entry of that number; False when it has fewer."""
    order = {"number": number, "when": when, "arguments": arguments, "cwd": str(cwd), "environ": environment(**more)}
    nursery = _nursery()
    assert nursery.stdin
    assert nursery.stdout
    nursery.stdin.write(json.dumps(order) + "\n")
    nursery.stdin.flush()
    ended = json.loads(nursery.stdout.readline())
    assert ended["code"] in (0, KILLED), ended
    return bool(ended["code"] == KILLED)


@cache
def _nursery() -> subprocess.Popen[str]:
    """One for all tests of this process; it ends with its standard input."""
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    nursery = subprocess.Popen(
        [sys.executable, "-m", "support.dying"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**environment(), "PYTHONPATH": paths},
    )  # fmt: skip
    atexit.register(nursery.communicate)
    return nursery


def _main() -> None:
    _import_all()
    for line in sys.stdin:
        print(json.dumps(_born(json.loads(line))), flush=True)


def _import_all() -> None:
    import importlib
    import pkgutil

    import deployer
    from deployer.client import Client

    for found in pkgutil.walk_packages(deployer.__path__, "deployer."):
        if not found.name.startswith(WITH_TENSORFLOW):
            importlib.import_module(found.name)
    importlib.import_module("docker")
    Client.get_ready()


def _born(order: dict[str, Any]) -> dict[str, Any]:
    """How a child ended that carried an order out, and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _live(order, writing)
    os.close(writing)
    with os.fdopen(reading, errors="replace") as said:
        words = said.read()[-2000:]
    return {"code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "said": words, **order, "environ": {}}


def _live(order: dict[str, Any], said: int) -> None:
    """Never returns. What it starts does not inherit `said`: a server that outlives it would hold it open."""
    code = 1
    try:
        with open(os.devnull, "r+b", buffering=0) as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 0)
        sys.stdout = sys.stderr = os.fdopen(said, "w", buffering=1)
        signal.alarm(SECONDS)
        os.environ.clear()
        os.environ.update(order["environ"])
        os.chdir(order["cwd"])
        sys.argv = ["deployer", *order["arguments"]]
        _die_at(order["number"], order["when"])
        from deployer.__main__ import run

        code = run()
    finally:
        os._exit(code)


def _die_at(number: int, when: str) -> None:
    """Count the entries and end this process at one of them, as a power cut would."""
    from deployer.ledger import Ledger

    seen = 0

    def dying(write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*arguments: Any, **named: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == number and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = write(*arguments, **named)
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return written

    for name in JOURNAL:
        setattr(Ledger, name, dying(getattr(Ledger, name)))


if __name__ == "__main__":
    _main()
