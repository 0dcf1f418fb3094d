"""Directory locks: one holder at a time, gone with the holder, no litter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from deployer.errors import LockHeld
from deployer.system.locks import OWNER_FILE, directory_lock

HOLD = """
import sys, time
from pathlib import Path
from deployer.system.locks import directory_lock
with directory_lock(Path(sys.argv[1]), "model m"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(directory: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(directory)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_the_holder_is_named_and_its_death_frees_the_lock(tmp_path):
    directory = tmp_path / "m"
    child = holder(directory)
    try:
        with (
            pytest.raises(LockHeld, match=f"model m is being worked on by process {child.pid} of"),
            directory_lock(directory, "model m"),
        ):
            pass
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(60)
        child.stdout.close()
    with directory_lock(directory, "model m"):
        assert (directory / OWNER_FILE).is_file()


def test_an_empty_directory_is_removed_again_and_a_full_one_stays(tmp_path):
    with directory_lock(tmp_path / "a" / "m", "m"):
        pass
    assert not (tmp_path / "a" / "m").exists()
    with directory_lock(tmp_path / "n", "n"):
        (tmp_path / "n" / "kept").touch()
    assert [path.name for path in (tmp_path / "n").iterdir()] == ["kept"]


def test_a_directory_that_its_last_holder_removes_meanwhile_is_not_held(tmp_path, monkeypatch):
    opened = os.open

    def late(directory: Path, flags: int) -> int:
        monkeypatch.setattr(os, "open", opened)
        directory.rmdir()
        return opened(directory, flags)

    monkeypatch.setattr(os, "open", late)
    with directory_lock(tmp_path / "m", "m"):
        assert (tmp_path / "m" / OWNER_FILE).is_file()


@pytest.mark.parametrize("place", ["/proc/nowhere/deeper", "file"])
def test_a_directory_that_cannot_be_made_is_an_error_at_once(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises((FileNotFoundError, FileExistsError)) as refused, directory_lock(tmp_path / place, "m", 600.0):
        pass
    assert refused.value.filename is not None


def test_those_who_wait_get_it_one_after_the_other(tmp_path):
    inside, most = [], []

    def work() -> None:
        with directory_lock(tmp_path / "m", "m", wait_seconds=30):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


@pytest.mark.parametrize("written", ["", "{", "[]", "7", "{}", "[" * 100_000])
def test_a_garbled_note_of_the_holder_is_no_bug(tmp_path, written):
    with directory_lock(tmp_path / "m", "m"):
        (tmp_path / "m" / OWNER_FILE).write_text(written)
        with (
            pytest.raises(LockHeld, match="m is being worked on by another command"),
            directory_lock(tmp_path / "m", "m"),
        ):
            pass
