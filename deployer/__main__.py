"""Entry point: runs the command line and turns whatever ends it into an exit code and one clear message."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sys
from pathlib import Path
from typing import TextIO

from deployer.errors import BUG, DONE, INTERRUPTED, DeployerError, undone

AGAIN_SECONDS = 0.05
SECOND_INTERRUPT_MESSAGE = b"rolling back; press Ctrl-C again to leave it to the next command\n"
COLLECT_AFTER = 100_000
"""Objects more than before, until Python looks for garbage: importing makes 60,000, none of them garbage."""


class Interrupted(BaseException):
    """Ctrl-C or a termination signal; what is under way is undone on the way out."""


class Interrupts:
    """Handles those signals: the first one interrupts. One more meanwhile is answered, for half of an undoing is worse
    than none of it; and the one after that interrupts again.
    """

    def __init__(self) -> None:
        self._undoing = False

    def __call__(self, *_: object) -> None:
        """As a signal's handler. Raises Interrupted."""
        self._undoing = not self._undoing
        if self._undoing:
            raise Interrupted
        with contextlib.suppress(OSError):  # nobody may be reading any more
            os.write(2, SECOND_INTERRUPT_MESSAGE)  # a handler may run in the middle of a print

    def requeue_dropped(self, dropped: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised inside a callback of its own, as imports have them: interrupt again, later."""
        if isinstance(dropped.exc_value, Interrupted):
            self._undoing = False
            signal.signal(signal.SIGALRM, self)
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        else:
            sys.__unraisablehook__(dropped)


def main() -> None:
    """The `deployer` command. What the system is about to take back needs no look through it for garbage."""
    gc.set_threshold(COLLECT_AFTER)
    code = run()
    gc.freeze()
    sys.exit(code)


def run() -> int:
    """The exit code of one command line."""
    interrupts = Interrupts()
    sys.unraisablehook = interrupts.requeue_dropped
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, interrupts)
        for stream in (sys.stdout, sys.stderr):
            _escape_what_it_cannot_show(stream)
        _carry_out()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else DONE
    except (Exception, Interrupted) as reason:  # noqa: BLE001 - the last resort: no bug of ours may bury the screen
        return _exit_code(reason)
    return DONE


def _carry_out() -> None:
    from deployer import cli

    cli.app(prog_name="deployer")


def _exit_code(reason: BaseException) -> int:
    """What ended the command, shown and as a number."""
    if isinstance(reason, Interrupted):
        _tell("; ".join(("interrupted", *undone(reason))))
        return INTERRUPTED
    if isinstance(reason, BrokenPipeError):
        return DONE
    from deployer import cli

    if isinstance(reason, OSError) and reason.filename is not None:
        reason = _refused_by_the_system(reason)
    return cli.fail(reason, as_json="--json" in sys.argv) if isinstance(reason, DeployerError) else _bug()


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody may be reading any more
        print(text, file=sys.stderr, flush=True)


def _escape_what_it_cannot_show(stream: TextIO) -> None:
    """Names of files are bytes, and terminals know all sorts of alphabets: neither may end a command."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _refused_by_the_system(refusal: OSError) -> DeployerError:
    """A file that may not be touched, a name that is too long, a full disk: the owner's to mend, and no bug of ours."""
    from deployer.system.files import remedy

    return DeployerError(f"{refusal.strerror}: {str(refusal.filename)[:300]}", hint=remedy(refusal))


def _bug() -> int:
    import tempfile
    import traceback

    from deployer import console

    with tempfile.NamedTemporaryFile("w", prefix="deployer-bug-", suffix=".txt", delete=False) as report:
        report.write(f"{sys.argv}\n{traceback.format_exc()}")
    console.bug(Path(report.name))
    return BUG


if __name__ == "__main__":
    main()
