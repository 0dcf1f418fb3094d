"""Server processes, which outlive the command that started them and are identified by their command line.

A process is a server of this tool if its command line names the run directory. A pid that was reused, after a reboot
for example, does not match.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from deployer.errors import EngineError
from deployer.system.wait import Deadline, wait_until

MODULE = "deployer.server"
RUN_DIR_FLAG = "--run_dir="
"""The server's flag with the path of its run directory, STATE_DIR/run/ENV@PROJECT/NAME/RELEASE."""
KILL_SECONDS = 5.0
CMDLINE_SECONDS = 5.0


def run_dir_argument(run_dir: Path) -> str:
    """Return the argument that identifies the server of a run directory."""
    return f"{RUN_DIR_FLAG}{run_dir}"


def start(arguments: Sequence[str], run_dir: Path, log: Path, descriptors: Sequence[int]) -> int:
    """Start `python -m deployer.server` in its own session, with its output in `log`, and return its pid.

    `find` finds the process on return, unless it has ended. Raises EngineError.
    """
    command = [sys.executable, "-m", MODULE, *arguments, run_dir_argument(run_dir)]
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                cwd=run_dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=descriptors,
            )
    except OSError as error:
        raise EngineError(f"the server cannot be started: {error}") from error
    _await_arguments(child.pid, run_dir)
    return child.pid


def _await_arguments(pid: int, run_dir: Path) -> None:
    def cmdline_visible() -> bool:
        try:
            process = psutil.Process(pid)
            return run_dir_argument(run_dir) in process.cmdline() or process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return True

    # Linux shows the arguments of a process a moment after it has started: until then `find` would miss it.
    wait_until(cmdline_visible, Deadline.after(CMDLINE_SECONDS))


def used_bytes(server: psutil.Process) -> int:
    """Return the resident memory of a process; 0 if it has just ended."""
    try:
        return int(server.memory_info().rss)
    except psutil.Error:
        return 0


def free_bytes() -> int:
    """Return the memory that this machine can allocate without swapping."""
    return int(psutil.virtual_memory().available)


def find(run_dir: Path, pid: int | None) -> psutil.Process | None:
    """Return the running server of a run directory, or None. Without a recorded pid, search all processes."""
    if pid is not None:
        return _own_process(pid, run_dir)
    return next(filter(None, (_own_process(candidate, run_dir) for candidate in psutil.pids())), None)


def _own_process(pid: int, run_dir: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        if run_dir_argument(run_dir) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except (psutil.Error, ValueError):  # ended, another user's, or no valid pid
        pass
    return None


def is_paused(process: psutil.Process) -> bool:
    """Return whether a signal such as SIGSTOP has paused a process: it holds its ports and answers nothing."""
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def resume(process: psutil.Process) -> None:
    """Have a paused process go on; no error if it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.resume()


def stop(process: psutil.Process, grace_seconds: float) -> None:
    """Terminate a process, kill it after `grace_seconds`, and wait for its end. A paused one is resumed, and drains."""
    try:
        process.terminate()
        process.resume()
        if not _await_exit(process, grace_seconds):
            process.kill()
            _await_exit(process, KILL_SECONDS)
    except psutil.NoSuchProcess:
        pass


def _await_exit(process: psutil.Process, seconds: float) -> bool:
    def has_exited() -> bool:
        try:
            # A zombie has released its ports and memory once its last thread has ended.
            is_zombie = process.status() == psutil.STATUS_ZOMBIE
            return not process.is_running() or (is_zombie and process.num_threads() <= 1)
        except psutil.NoSuchProcess:
            return True

    return wait_until(has_exited, Deadline.after(seconds))
