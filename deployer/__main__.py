"""Entry point: runs the command line and turns whatever ends it into an exit code and one clear message."""

from __future__ import annotations

import io
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TextIO

from deployer.errors import BUG, INTERRUPTED, DeployerError


class Interrupted(BaseException):
    """Ctrl-C or a termination signal; what is under way is undone on the way out."""


def main() -> None:
    """The `deployer` command."""
    sys.exit(run())


def run() -> int:
    """The exit code of one command line."""
    from deployer import cli

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        _escape_what_it_cannot_show(stream)
    try:
        cli.app(prog_name="deployer")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except DeployerError as failure:
        return cli.fail(failure, as_json="--json" in sys.argv)
    except Interrupted:
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception:  # noqa: BLE001 - the last resort: a bug of ours must not bury the screen
        return _bug()
    return 0


def _escape_what_it_cannot_show(stream: TextIO) -> None:
    """Names of files are bytes, and terminals know all sorts of alphabets: neither may end a command."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _interrupt(*_: object) -> None:
    raise Interrupted


def _bug() -> int:
    from deployer import console

    with tempfile.NamedTemporaryFile("w", prefix="deployer-bug-", suffix=".txt", delete=False) as report:
        report.write(f"{sys.argv}\n{traceback.format_exc()}")
    console.bug(Path(report.name))
    return BUG


if __name__ == "__main__":
    main()
