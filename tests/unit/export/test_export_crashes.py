"""How a process that gave no result ended, and the last lines that it wrote."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.export import crashes, phase
from deployer.export.child_output import LINES, MAX_TAIL_CHARACTERS, ChildOutput


@pytest.mark.parametrize(
    ("code", "doing", "says"),
    [
        (-11, phase.LOADING, ("SIGSEGV", "loading m.keras")),
        (-6, phase.TRACING, ("SIGABRT", "tracing the calls of m.keras")),
        (-9, phase.ASKING, ("SIGKILL", "memory", "asking the saved model of m.keras")),
        (-4, phase.LOADING, ("SIGILL", "loading")),
        (-7, phase.SAVING, ("SIGBUS", "saving")),
        (-60, phase.MEASURING, ("signal 60", "measuring")),
        (0, phase.LOADING, ("code 0", "loading")),
        (3, phase.TRACING, ("code 3", "tracing")),
        (None, phase.LOADING, ("closed", "loading")),
    ],
)
def test_signal_or_code_and_phase_are_named(code: int | None, doing: str, says: tuple[str, ...]) -> None:
    error = crashes.crashed("m.keras", doing, code, ("last",))
    assert error.exit_code == 4
    assert not [part for part in says if part not in error.message]
    assert error.hint
    assert error.log == ("last",)


@pytest.fixture
def output() -> Iterator[ChildOutput]:
    found = ChildOutput()
    yield found
    found.close()


def test_what_is_written_is_passed_on_and_its_end_kept(output: ChildOutput, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(LINES + 2):
        os.write(output.write_end, f"ä line {number}\n\n".encode())
    os.write(output.write_end, "half an ö".encode()[:-1])
    output.forward()
    os.write(output.write_end, "half an ö".encode()[-1:])
    output.close_write_end()
    output.forward()
    assert capsys.readouterr().err.endswith(f"ä line {LINES + 1}\n\nhalf an ö")
    assert output.tail() == (*(f"ä line {number}" for number in range(3, LINES + 2)), "half an ö")
    assert not output.open


def test_a_crash_adds_the_frames_of_the_users_code(output: ChildOutput) -> None:
    own = Path(crashes.__file__).parent / "worker.py"
    frames = f'  File "/home/me/train.py", line 3 in f\n  File "{own}", line 9 in main\n  File "<string>", line 5\n'
    output.crash_file.write(f"Fatal Python error: Aborted\n\n{frames}\nExtension modules: a, b\n".encode())
    os.close(output.write_end)
    assert output.tail() == ("Fatal Python error: Aborted", '  File "/home/me/train.py", line 3 in f')


@pytest.mark.parametrize("is_none", [True, False])
def test_a_process_without_a_stderr_loses_nothing_else(
    output: ChildOutput, is_none: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", None if is_none else closed)
    os.write(output.write_end, b"x" * (MAX_TAIL_CHARACTERS + 9))
    output.close_write_end()
    output.forward()
    assert output.tail()
