"""Server processes: started to outlive the command, found again by their command line, never a stranger's.

A process is ours when its command line names its run folder: a pid that was reused, after a reboot or otherwise, does
not match.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import EngineError

if TYPE_CHECKING:
    import psutil

MODULE = "deployer.server"
RUN_DIR_FLAG = "--run_dir="
"""A server's argument that says where its labels are."""
KILL_SECONDS = 5.0
CMDLINE_SECONDS = 5.0


def run_dir_argument(run_dir: Path) -> str:
    """The argument by which a server of this run folder is known."""
    return f"{RUN_DIR_FLAG}{run_dir}"


def start(arguments: Sequence[str], run_dir: Path, log: Path, descriptors: Sequence[int]) -> int:
    """Start `python -m deployer.server` in a session of its own, logging to a file. Returns its pid, once `find` finds
    it, unless it has ended."""
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
    """Linux shows a process's arguments a moment after it runs its program: nobody shall take it for gone meanwhile."""
    import psutil

    from deployer.system.wait import Deadline, wait_until

    def cmdline_visible() -> bool:
        try:
            process = psutil.Process(pid)
            return run_dir_argument(run_dir) in process.cmdline() or process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return True

    wait_until(cmdline_visible, Deadline.after(CMDLINE_SECONDS))


def used_bytes(server: psutil.Process) -> int:
    """The memory that a process has in use; 0 of one that has just ended."""
    import psutil

    try:
        return int(server.memory_info().rss)
    except psutil.Error:
        return 0


def free_bytes() -> int:
    """The memory that this machine can give without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


def find(run_dir: Path, pid: int | None) -> psutil.Process | None:
    """The live server of a run folder. Without a recorded pid (the command died in between) all processes are asked."""
    import psutil

    if pid is not None:
        return _own_process(pid, run_dir)
    return next(filter(None, (_own_process(candidate, run_dir) for candidate in psutil.pids())), None)


def _own_process(pid: int, run_dir: Path) -> psutil.Process | None:
    import psutil

    try:
        process = psutil.Process(pid)
        if run_dir_argument(run_dir) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except (psutil.Error, ValueError):  # gone, another user's, or no number that a process can have
        pass
    return None


def stop(process: psutil.Process, grace_seconds: float) -> None:
    """Let it drain, then insist. Returns when it is gone."""
    import psutil

    try:
        process.terminate()
        if not _await_exit(process, grace_seconds):
            process.kill()
            _await_exit(process, KILL_SECONDS)
    except psutil.NoSuchProcess:
        pass


def _await_exit(process: psutil.Process, seconds: float) -> bool:
    """A zombie whose parent has not looked yet is gone as far as ports and memory go, once its last thread has ended:
    they share its files."""
    import psutil

    from deployer.system.wait import Deadline, wait_until

    def has_exited() -> bool:
        try:
            is_zombie = process.status() == psutil.STATUS_ZOMBIE
            return not process.is_running() or (is_zombie and process.num_threads() <= 1)
        except psutil.NoSuchProcess:
            return True

    return wait_until(has_exited, Deadline.after(seconds))
