"""Files are there whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployer.system.files import chmod_command, first_unreadable, write_atomically


def entries(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_written_with_its_directories_and_anyone_may_read_it(tmp_path):
    path = tmp_path / "a" / "b" / "config"
    before = os.umask(0o077)
    try:
        write_atomically(path, "ü\n")
    finally:
        os.umask(before)
    assert path.read_bytes() == "ü\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert entries(path.parent) == ["config"]


def test_a_private_directory_is_gone_after_its_process():
    script = "from deployer.system.files import private_directory as own; (own() / 'token').touch(); print(own())"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    directory = Path(ended.stdout.strip())
    assert directory.name.startswith("deployer-")
    assert not directory.exists()


def test_a_replaced_file_is_another_one_and_readers_keep_the_old(tmp_path):
    path = tmp_path / "config"
    write_atomically(path, "old")
    with path.open() as reader:
        write_atomically(path, "new")
        assert (reader.read(), path.read_text()) == ("old", "new")
    assert entries(tmp_path) == ["config"]


def test_a_reader_sees_the_old_text_or_the_new_one_and_nothing_else(tmp_path):
    path = tmp_path / "config"
    texts = {letter * 100_000 for letter in "ab"}
    write_atomically(path, min(texts))
    seen: set[str] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        for text in texts:
            write_atomically(path, text)
    stop.set()
    reader.join(60)
    assert seen
    assert seen <= texts


def test_a_link_is_replaced_and_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_text("kept")
    (tmp_path / "config").symlink_to(target)
    write_atomically(tmp_path / "config", "new")
    assert (target.read_text(), (tmp_path / "config").read_text()) == ("kept", "new")


@pytest.mark.parametrize("text", ["\ud800", None])
def test_a_failed_write_leaves_the_old_text_and_no_litter(tmp_path, text):
    path = tmp_path / "config"
    write_atomically(path, "old")
    with pytest.raises((UnicodeEncodeError, TypeError)):
        write_atomically(path, text)
    assert path.read_text() == "old"
    assert entries(tmp_path) == ["config"]


def test_a_directory_in_its_place_is_an_error_and_no_litter_is_left(tmp_path):
    (tmp_path / "config" / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="config"):
        write_atomically(tmp_path / "config", "new")
    assert entries(tmp_path) == ["config"]


KILLED = """
import os, signal, sys
from pathlib import Path
from deployer.system import files
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
files.write_atomically(Path(sys.argv[1]), "new" * 100_000)
"""


def test_a_killed_writer_leaves_the_old_text(tmp_path):
    path = tmp_path / "config"
    write_atomically(path, "old")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write_atomically(path, "newer")
    assert path.read_text() == "newer"


@contextmanager
def no_room() -> Iterator[None]:
    """Files cannot grow: the system refuses a write as it does on a full disk, without a file's name.

    No fixture: what pytest prints may go into a file, too, and it prints before fixtures end.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_be_written_is_named_and_leaves_what_was_there(tmp_path):
    (tmp_path / "config").touch()
    with pytest.raises(OSError, match="config") as refused, no_room():
        write_atomically(tmp_path / "config", "new")
    assert refused.value.filename == str(tmp_path / "config")
    assert entries(tmp_path) == ["config"]


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """models/name/1 with a file below, all of it open."""
    directory = tmp_path / "models" / "name" / "1"
    (directory / "variables").mkdir(parents=True)
    (directory / "variables" / "variables.index").write_text("x")
    for path in (tmp_path / "models", *(tmp_path / "models").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return directory


@pytest.mark.parametrize(
    ("level", "mode", "command"),
    [
        (".", 0o700, "chmod a+rx {models}"),
        (".", 0o754, "chmod a+rx {models}"),
        ("name", 0o750, "chmod a+rx {models}/name"),
        ("name/1", 0o711, "chmod -R a+rX {models}/name/1"),
        ("name/1/variables", 0o700, "chmod -R a+rX {models}/name/1"),
        ("name/1/variables/variables.index", 0o640, "chmod -R a+rX {models}/name/1"),
    ],
)
def test_the_level_that_is_closed_is_named_with_the_command_that_opens_it(version, level, mode, command):
    models = version.parents[1]
    (models / level).chmod(mode)
    found = first_unreadable(version, models)
    assert found == models / level
    assert chmod_command(found, version) == command.format(models=models)


def test_what_is_open_has_no_closed_level(version):
    assert first_unreadable(version, version.parents[1]) is None
    assert first_unreadable(version, version.parents[1], (65534, 65534)) is None


def test_owner_and_group_are_let_in_by_their_own_bits(version):
    mine = version.stat()
    version.chmod(0o700)
    assert first_unreadable(version, version, (mine.st_uid, 1)) is None
    assert first_unreadable(version, version, (mine.st_uid + 1, mine.st_gid)) == version
    version.chmod(0o750)
    assert first_unreadable(version, version, (mine.st_uid + 1, mine.st_gid)) is None
    version.chmod(0o075)
    assert first_unreadable(version, version, (mine.st_uid, mine.st_gid)) == version
