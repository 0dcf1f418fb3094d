"""A request from a file, a pipe, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.cli import request_text
from deployer.errors import UsageError


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input is the other end."""
    read, write = os.pipe()
    with os.fdopen(read, encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield write


@pytest.mark.parametrize("file", [None, Path("-")])
@pytest.mark.parametrize(("said", "text"), [("{}", "{}"), ("", None), (" \n", None)])
def test_what_is_piped_in_is_read(pipe: int, file: Path | None, said: str, text: str | None) -> None:
    os.write(pipe, said.encode())
    os.close(pipe)
    assert request_text.read(file) == text


def test_a_pipe_that_says_nothing_is_given_up(pipe: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_text, "SECONDS", 0.01)
    with pytest.raises(UsageError) as caught:
        request_text.read(None)
    assert "/dev/null" in str(caught.value.hint)
    os.close(pipe)


def test_no_input_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert request_text.read(None) is None
    for missing in (None, nothing):
        monkeypatch.setattr("sys.stdin", missing)
        assert request_text.read(None) is None


def test_a_file_wins_over_a_pipe_and_must_be_readable(pipe: int, tmp_path: Path) -> None:
    os.close(pipe)
    (tmp_path / "request.json").write_text("{}")
    assert request_text.read(tmp_path / "request.json") == "{}"
    for name, data in (("none", None), ("bytes", b"\xff")):
        if data:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match="cannot be read"):
            request_text.read(tmp_path / name)
