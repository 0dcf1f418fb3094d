"""Runs the real command line in a process of its own, or in this one."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deployer.__main__ import run
from support import forks

SECONDS = 180
ANY_PORTS = ("--rest-port", "0", "--grpc-port", "0")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "deployer", *arguments]


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DEPLOYER_")}
    return {**clean, "DEPLOYER_ENGINE": "embedded", **more}


def deployer(*arguments: str, cwd: Path, **more: str) -> Ended:
    """Run `deployer ARGUMENTS` in a directory and wait for its end: in a process that need not import it first."""
    return Ended(**forks.run(arguments, cwd, environment(**more), SECONDS))


def started_anew(*arguments: str, cwd: Path, **more: str) -> Ended:
    """The same in a process of a Python that has just been started, as people have it."""
    ended = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


ONE_AFTER_ANOTHER = """
import json, sys
from deployer.__main__ import run
for arguments in json.load(sys.stdin):
    sys.argv = ["deployer", *arguments]
    if code := run():
        sys.exit(f"{arguments} ended with {code}")
"""


def one_after_another(commands: list[list[str]], cwd: Path) -> Ended:
    """Run several commands in one child process, which imports TensorFlow once; the first that fails ends it."""
    ended = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER],
        input=json.dumps(commands), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=SECONDS,
        check=False,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start `deployer ARGUMENTS` and go on."""
    return subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@cache
def _build_once() -> None:
    forks.build_once()


def in_process(*arguments: str, cwd: Path) -> Ended:
    """The same in this process, for tests that would otherwise pay for TensorFlow's import again and again."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    _build_once()
    before, argv, hook = Path.cwd(), sys.argv, sys.unraisablehook
    os.chdir(cwd)
    sys.argv = ["deployer", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = run()
    finally:
        os.chdir(before)
        sys.argv, sys.unraisablehook = argv, hook
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Ended(code, out.getvalue(), err.getvalue())
