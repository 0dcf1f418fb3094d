"""Turn the exit code or signal of a child process into an error with a hint."""

from __future__ import annotations

import signal

from deployer.errors import SourceCrashed
from deployer.export import phase

ACTIVITIES = {phase.TRACING: "tracing the calls of", phase.ASKING: "asking the saved model of"}
MEANINGS = {
    "SIGSEGV": "native code or bytecode read memory that is not its own",
    "SIGBUS": "native code read memory that is not there: a file that shrank, or a full /dev/shm",
    "SIGABRT": "native code gave up",
    "SIGILL": "the processor does not know an instruction",
    "SIGFPE": "native code divided by zero",
    "SIGKILL": "by the system when memory runs out, or by another process",
}
HINTS = {
    "SIGKILL": "free memory, or allow this process more: `dmesg` or the container's events tell whether it ran out",
    "SIGILL": "TensorFlow's wheels need a processor with AVX: export on another machine",
}
KILLED = "what it imports may not fit together, or the model is damaged: load it in a Python of its own to see more"
EXITED = "find what ends Python in the code or in what it imports: os._exit(), os.abort(), or a library that does so"
CLOSED = "take what turns the process into a daemon, or closes files that it did not open, out of the code"


def crashed(subject: str, activity: str, code: int | None, log: tuple[str, ...]) -> SourceCrashed:
    """Return the error for a process that ended without a result.

    `code` is that of `Popen.returncode`, or None if the process closed the connection and went on.
    """
    activity = f"{ACTIVITIES.get(activity, activity)} {subject}"
    if code is None:
        return SourceCrashed(f"Python closed all its files while {activity}", hint=CLOSED, log=log)
    if code >= 0:
        return SourceCrashed(f"Python ended with code {code} while {activity}", hint=EXITED, log=log)
    name = _signal_name(-code)
    meaning = f" ({MEANINGS[name]})" if name in MEANINGS else ""
    return SourceCrashed(
        f"Python was killed by {name}{meaning} while {activity}", hint=HINTS.get(name, KILLED), log=log
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
