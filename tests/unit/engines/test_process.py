"""Server processes: ours are found, strangers never, and the end of one is seen."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.world import eventually, free_port

from deployer.engines import process
from deployer.errors import EngineError

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"
STUBBORN = (
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); sys.stdin.read()"
)
LEAVES_A_THREAD = """
import ctypes, os, platform, signal, socket, sys, threading, time
exit_alone = {"x86_64": 60, "aarch64": 93}[platform.machine()]
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))

def last():
    told.wait()
    time.sleep(0.5)
    os._exit(0)

told = threading.Event()
threading.Thread(target=last).start()
signal.signal(signal.SIGTERM, lambda *_: told.set() or ctypes.CDLL(None).syscall(exit_alone, 0))
print("up", flush=True)
while True:
    time.sleep(60)
"""
"""Its first thread ends when it is told to, and looks like the end of it all; another one still holds the port."""
DRAINS = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path(sys.argv[1]).write_text("drained") * 0))
print("up", flush=True)
sys.stdin.read()
"""
Spawn = Callable[..., subprocess.Popen]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Starts a child with arguments, and ends it after the test."""
    children = []

    def start(*arguments: str, script: str = WAIT) -> subprocess.Popen:
        command = [sys.executable, "-S", "-c", script, *arguments]
        children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert children[-1].stdout.readline() == b"up\n"
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.communicate(timeout=60)


def test_a_server_is_found_by_its_pid_and_without_it(tmp_path, spawn):
    child = spawn("--port=1", process.run_dir_argument(tmp_path))
    for pid in (child.pid, None):
        found = process.find(tmp_path, pid)
        assert found is not None
        assert found.pid == child.pid


def test_a_stranger_is_never_taken_for_ours(tmp_path, spawn):
    strangers = [
        spawn(),
        spawn(process.run_dir_argument(tmp_path / "other")),
        spawn(process.run_dir_argument(tmp_path) + "0"),
        spawn("x" + process.run_dir_argument(tmp_path)),
        spawn(str(tmp_path)),
    ]
    assert process.find(tmp_path, None) is None
    for stranger in strangers:
        assert process.find(tmp_path, stranger.pid) is None


@pytest.mark.parametrize("pid", [0, 1, -5, 2**22 + 1, 2**40, 2**80])
def test_a_pid_that_is_none_or_anothers_finds_nothing(tmp_path, pid):
    assert process.find(tmp_path, pid) is None


def test_a_dead_child_that_nobody_has_looked_at_is_gone(tmp_path, spawn):
    child = spawn(process.run_dir_argument(tmp_path))
    child.kill()
    eventually(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE, "it is a zombie", 60)
    assert process.find(tmp_path, child.pid) is None
    assert process.find(tmp_path, None) is None


def ours(directory: Path, child: subprocess.Popen) -> psutil.Process:
    found = process.find(directory, child.pid)
    assert found is not None
    return found


def test_stop_asks_first(tmp_path, spawn):
    child = spawn(process.run_dir_argument(tmp_path))
    process.stop(ours(tmp_path, child), 10.0)
    assert child.wait(60) == -signal.SIGTERM


def test_stop_insists_when_asking_does_not_help(tmp_path, spawn):
    child = spawn(process.run_dir_argument(tmp_path), script=STUBBORN)
    process.stop(ours(tmp_path, child), 0.1)
    assert child.wait(60) == -signal.SIGKILL


def test_the_end_of_a_server_is_the_end_of_its_last_thread(tmp_path, spawn):
    port = free_port()
    child = spawn(str(port), process.run_dir_argument(tmp_path), script=LEAVES_A_THREAD)
    process.stop(ours(tmp_path, child), 60.0)
    socket.create_server(("127.0.0.1", port)).close()


def test_stopping_what_has_ended_is_no_error(tmp_path, spawn):
    child = spawn(process.run_dir_argument(tmp_path))
    found = ours(tmp_path, child)
    child.kill()
    child.wait(60)
    process.stop(found, 10.0)
    process.stop(found, 10.0)


def test_start_runs_the_server_in_a_session_of_its_own(tmp_path):
    with (tmp_path / "held").open("w") as held:
        waits = [f"--model_base_path={tmp_path / 'missing'}"]
        pid = process.start(waits, tmp_path, tmp_path / "server.log", [held.fileno()])
    try:
        child = psutil.Process(pid)
        assert process.run_dir_argument(tmp_path) in child.cmdline()
        assert child.cwd() == str(tmp_path)
        assert os.getsid(pid) == pid != os.getsid(0)
        assert str(tmp_path / "held") in set(map(_target, Path(f"/proc/{pid}/fd").iterdir()))
    finally:
        os.kill(pid, signal.SIGKILL)
        _await_end(pid)
    assert process.find(tmp_path, pid) is None


def test_start_adds_what_the_server_says_to_the_log(tmp_path):
    log = tmp_path / "server.log"
    log.write_text("before\n")
    pid = process.start(["--port=notanumber"], tmp_path, log, [])
    _await_end(pid)
    assert log.read_text().startswith("before\nCouldn't interpret value notanumber for flag port.")


def _await_end(pid: int) -> None:
    """Not `waitpid`: whatever starts a process in another thread may have reaped this one."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(60)


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""


def test_a_server_that_cannot_be_started_is_an_engine_error(tmp_path):
    with pytest.raises(EngineError, match="the server cannot be started"):
        process.start([], tmp_path / "gone", tmp_path / "server.log", [])


def test_a_paused_server_is_seen_resumed_and_drains_when_it_is_stopped(tmp_path, spawn):
    child = spawn(str(tmp_path / "end"), process.run_dir_argument(tmp_path), script=DRAINS)
    found = process.find(tmp_path, child.pid)
    assert found is not None
    assert not process.is_paused(found)
    for resume in (process.resume, lambda server: process.stop(server, 60.0)):
        found.suspend()
        eventually(lambda: process.is_paused(found), "the process is paused")
        resume(found)
        assert not process.is_paused(found)
    assert (tmp_path / "end").read_text() == "drained"
