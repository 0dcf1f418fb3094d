"""Foreign code's output and failures."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.errors import BrokenModel, ExportFailed
from deployer.export.runtime import disk_full, foreign_work, reason, writing_to

NOISY = """
import os, sys
from deployer.export.runtime import stdout_on_stderr
print("before")
with stdout_on_stderr():
    print("python")
    os.write(1, b"native\\n")
    os.system("echo child")
print("after")
"""


def test_what_foreign_code_prints_is_kept_off_stdout() -> None:
    done = subprocess.run([sys.executable, "-c", NOISY], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "before\nafter\n"
    assert sorted(done.stderr.split()) == ["child", "native", "python"]


def test_a_process_without_stdout_works_too() -> None:
    code = "import os\nos.close(1)\n" + NOISY.replace("os.write(1, ", "os.write(2, ").replace('print("before")', "")
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert {"python", "native"} <= set(done.stderr.split())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "over quota"),
        RuntimeError("RESOURCE: /x/variables; No space left on device"),
    ],
)
def test_a_full_disk_is_reported_as_such(error: Exception, tmp_path: Path) -> None:
    assert disk_full(error)
    told = f"disk full while exporting to {tmp_path}"
    with pytest.raises(ExportFailed, match=told) as caught, writing_to(tmp_path), foreign_work("not saved"):
        raise error
    assert caught.value.hint


def test_another_failure_of_the_file_system_keeps_its_words(tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="Read-only"), writing_to(tmp_path):
        raise OSError(errno.EROFS, "Read-only file system")


def test_foreign_failures_say_what_was_being_done() -> None:
    told = r"tracing: ValueError: bad shape"
    with pytest.raises(ExportFailed, match=told) as caught, foreign_work("tracing", hint="look there"):
        raise ValueError("bad shape")
    assert caught.value.hint == "look there"
    with pytest.raises(ExportFailed, match=r"sys.exit\(3\)"), foreign_work("tracing"):
        sys.exit(3)
    with pytest.raises(BrokenModel), foreign_work("tracing"):
        raise BrokenModel("ours stays")
    with pytest.raises(KeyboardInterrupt), foreign_work("tracing"):
        raise KeyboardInterrupt


def test_reasons_are_short_and_plain() -> None:
    text = (
        "Exception encountered when calling L.call().\n\n\x1b[1mbad axis\x1b[0m\n\nArguments received by L.call():\n  x"
    )
    assert reason(ValueError(text)) == "ValueError: bad axis"
    assert reason(ValueError()) == "ValueError"
    assert len(reason(ValueError("x" * 10_000))) < 500
