"""Hashes of a directory that is being filled."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.store.hashes import Hashes


@pytest.fixture
def hashes(tmp_path: Path) -> Iterator[Hashes]:
    found = Hashes(tmp_path)
    yield found
    found.close()


def write(directory: Path, **files: bytes) -> dict[str, str]:
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_every_file_is_hashed_by_its_path(hashes, tmp_path):
    (tmp_path / "in").mkdir()
    files = write(tmp_path / "in", a=b"one")
    assert hashes.all() == {"in/a": files["a"]}


def test_what_was_begun_and_what_came_later_are_both_there(hashes, tmp_path):
    early = write(tmp_path, a=b"one", b=b"two")
    hashes.begin()
    late = write(tmp_path, c=b"three")
    assert hashes.all() == early | late


def test_a_file_that_has_changed_since_is_read_again(hashes, tmp_path):
    write(tmp_path, a=b"one")
    assert hashes.all() == write(tmp_path, a=b"one")
    changed = write(tmp_path, a=b"uno")
    os.utime(tmp_path / "a", ns=(1, 1))
    assert hashes.all() == changed


def test_a_file_that_is_gone_is_forgotten(hashes, tmp_path):
    write(tmp_path, a=b"one", b=b"two")
    hashes.begin()
    (tmp_path / "b").unlink()
    assert set(hashes.all()) == {"a"}


def test_a_file_is_read_once(hashes, tmp_path):
    files = write(tmp_path, a=b"one")
    before = (tmp_path / "a").stat()
    hashes.all()
    (tmp_path / "a").write_bytes(b"two")
    os.utime(tmp_path / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hashes.all() == files, "same file, size and time: what was read counts"


def test_the_bytes_read_so_far_are_reported_while_large_files_are_read(hashes, tmp_path, monkeypatch):
    monkeypatch.setattr("deployer.store.hashes.REPORT_SECONDS", 0)
    size = 96 << 20
    files = write(tmp_path, a=bytes(size), b=bytes(1))
    reported: list[int] = []
    assert hashes.all(reported.append) == files
    assert reported == sorted(reported)
    assert any(0 < each < size for each in reported)
