"""Entry point: run the command line, and turn what ends it into an exit code and one message."""

from __future__ import annotations

import os
import signal


class ExitOnInterrupt:
    """A context in which Ctrl-C ends the process at once, for the imports: nothing has begun that must be undone."""

    def __enter__(self) -> None:
        """Install the handler; only the main thread may do so."""
        try:
            self.before = signal.signal(signal.SIGINT, self.end)
        except ValueError:
            self.before = None

    def end(self, *_: object) -> None:
        """Print one line, and end the process."""
        os.write(2, b"interrupted\n")
        os._exit(130)

    def __exit__(self, *_: object) -> None:
        """Install the handler from before."""
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


with ExitOnInterrupt():
    import contextlib
    import gc
    import io
    import sys
    import traceback
    from typing import TextIO

    from deployer import console
    from deployer.errors import BUG, DONE, INTERRUPTED, DeployerError, undone

REQUEUE_SECONDS = 0.05
SECOND_INTERRUPT_MESSAGE = b"rolling back; press Ctrl-C again to leave it to the next command\n"
GC_THRESHOLD = 200_000
"""Allocations before Python collects garbage: imports make 60,000 to 90,000 objects, none of them garbage."""


class Interrupted(BaseException):
    """Raised by Ctrl-C or a termination signal, so that the change under way is rolled back."""


class Interrupts:
    """The handler of interrupts: the first raises Interrupted, a second during the rollback only prints a message.

    The third raises again, and leaves the rest of the rollback to the next command.
    """

    def __init__(self) -> None:
        self._is_rolling_back = False

    def __call__(self, *_: object) -> None:
        """Handle a signal. Raises Interrupted."""
        self._is_rolling_back = not self._is_rolling_back
        if self._is_rolling_back:
            raise Interrupted
        with contextlib.suppress(OSError):  # the terminal may be closed
            os.write(2, SECOND_INTERRUPT_MESSAGE)  # print is not reentrant, and a handler may interrupt it

    def requeue_dropped(self, dropped: sys.UnraisableHookArgs) -> None:
        """Interrupt again later: Python drops what is raised inside its own callbacks, such as those of imports."""
        if isinstance(dropped.exc_value, Interrupted):
            self._is_rolling_back = False
            signal.signal(signal.SIGALRM, self)
            signal.setitimer(signal.ITIMER_REAL, REQUEUE_SECONDS)
        else:
            sys.__unraisablehook__(dropped)


def main() -> None:
    """Run the `deployer` command."""
    gc.set_threshold(GC_THRESHOLD)
    code = run()
    gc.freeze()  # no collection at exit
    sys.exit(code)


def run() -> int:
    """Run one command line, and return its exit code."""
    interrupts = Interrupts()
    sys.unraisablehook = interrupts.requeue_dropped
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, interrupts)
        for stream in (sys.stdout, sys.stderr):
            _escape_unprintable(stream)
        from deployer import cli  # from here on: a signal may arrive while this is imported

        cli.app(prog_name="deployer")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else DONE
    except (Exception, Interrupted) as reason:  # noqa: BLE001 - a bug must not fill the screen with a traceback
        return _exit_code(reason)
    return DONE


def _exit_code(reason: BaseException) -> int:
    """Report what ended the command, and return its exit code."""
    if isinstance(reason, Interrupted):
        return _interrupted("; ".join(("interrupted", *undone(reason))))
    if isinstance(reason, BrokenPipeError):
        return DONE
    if isinstance(reason, OSError) and reason.filename is not None:
        reason = _system_error(reason)
    return _fail(reason) if isinstance(reason, DeployerError) else _bug()


def _fail(failure: DeployerError) -> int:
    if "--json" in sys.argv:
        console.objects.error_json(failure)
    else:
        console.lines.error(failure)
    return failure.exit_code


def _interrupted(text: str) -> int:
    console.phases.end(failed=True)
    with contextlib.suppress(OSError, ValueError, AttributeError):  # the terminal may be closed
        if "--json" in sys.argv:
            console.objects.error_json(DeployerError(text), INTERRUPTED)
        else:
            console.terminal.write(text, sys.stderr)
    return INTERRUPTED


def _escape_unprintable(stream: TextIO) -> None:
    """Escape characters that the terminal cannot show, such as those of file names that are not UTF-8."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _system_error(error: OSError) -> DeployerError:
    """Return the error for a permission, a name that is too long or a full disk, which is no bug of deployer."""
    from deployer.system.files import os_error_hint

    return DeployerError(f"{error.strerror}: {str(error.filename)[:300]}", hint=os_error_hint(error))


def _bug() -> int:
    import tempfile

    with tempfile.NamedTemporaryFile("w", prefix="deployer-bug-", suffix=".txt", delete=False) as report:
        report.write(f"{sys.argv}\n{traceback.format_exc()}")
    failure = DeployerError(f"deployer failed unexpectedly; the traceback is in {report.name}")
    if "--json" in sys.argv:
        console.objects.error_json(failure, BUG)
    else:
        console.lines.bug(failure)
    return BUG


if __name__ == "__main__":
    main()
