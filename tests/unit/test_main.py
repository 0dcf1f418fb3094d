"""What ends a command: a clear message and an exit code, and for a bug of ours one line and a traceback in a file."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.cli import in_process

from deployer.operations import versions as versions_module

TOO_LONG = "x" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ("versions", "--models-dir", TOO_LONG),
        ("versions", "--config", TOO_LONG),
        ("inspect", f"{TOO_LONG}/a"),
        ("export", f"{TOO_LONG}.keras", "--name", "m"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_file_that_the_system_refuses_is_an_error_and_no_bug(tmp_path, arguments):
    ended = in_process(*arguments, cwd=tmp_path)
    assert ended.code == 1
    assert ended.err.startswith("error: File name too long: ")
    assert list(tmp_path.iterdir()) == []
    shown = in_process(*arguments, "--json", cwd=tmp_path).json["error"]
    assert (shown["code"], "File name too long" in shown["message"]) == (1, True)


@pytest.mark.parametrize("error", [ZeroDivisionError("ours"), OSError("ours")])
def test_a_bug_is_one_line_and_its_traceback_is_in_a_file(tmp_path, monkeypatch, error):
    def broken(**_: object) -> None:
        raise error

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(versions_module, "open_workspace", lambda _: broken())
    ended = in_process("versions", cwd=tmp_path)
    assert (ended.code, ended.out, ended.err.count("\n")) == (70, "", 1)
    (written,) = tmp_path.iterdir()
    assert str(written) in ended.err
    assert "Traceback" in written.read_text()
    assert "ours" in written.read_text()
    written.unlink()
    ended = in_process("versions", "--json", cwd=tmp_path)
    (written,) = tmp_path.iterdir()
    assert (ended.code, ended.err, ended.json["error"]["code"]) == (70, "", 70)
    assert str(written) in ended.json["error"]["message"]


def test_every_error_as_json_is_one_object_and_nothing_else(tmp_path):
    ended = in_process("versions", "nothing-there", "--json", cwd=tmp_path)
    assert (ended.code, list(json.loads(ended.out))) == (4, ["schema", "error"])
    assert Path(tmp_path / "models").exists() is False


DROPPED = """
import os, signal, time, weakref
from deployer import __main__ as entry
import deployer.cli

class Thing: pass

def command(**_):
    thing = Thing()
    kept = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del thing
    time.sleep(60)

deployer.cli.app = command
raise SystemExit(entry.run())
"""


def ran(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """A Python process of its own, to its end."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=50, check=False)


def test_a_signal_that_arrives_where_python_drops_exceptions_ends_the_command_all_the_same(tmp_path):
    ended = ran(DROPPED, tmp_path)
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")


def test_an_interrupted_command_is_an_object_with_json(tmp_path):
    ended = ran(DROPPED.replace("def command", "import sys; sys.argv.append('--json')\ndef command"), tmp_path)
    error = json.loads(ended.stdout)["error"]
    assert (ended.returncode, ended.stderr, error["code"], error["message"]) == (130, "", 130, "interrupted")


IMPORTING = """
import os, signal, sys
from deployer import __main__ as entry

class Interrupting:
    def find_spec(self, name, *_):
        if name == "deployer.cli.app":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
raise SystemExit(entry.run())
"""


def test_a_signal_that_arrives_while_the_command_is_being_imported_is_no_bug(tmp_path):
    ended = ran(IMPORTING, tmp_path)
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")


EARLY = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.modules.pop("{module}", None)
from deployer import __main__
raise SystemExit(__main__.run())
"""


@pytest.mark.parametrize("module", ["traceback", "deployer.console", "deployer.errors"])
def test_a_signal_that_arrives_during_the_first_imports_ends_the_command_in_one_line(tmp_path, module):
    ended = ran(EARLY.format(module=module), tmp_path)
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")


def test_the_import_alone_leaves_the_handler_as_it_was(tmp_path):
    """A shell in the background starts its commands with the signal ignored, so the script sets a handler itself."""
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from deployer import __main__; print(signal.getsignal(signal.SIGINT).__name__)"
    )
    assert ran(script, tmp_path).stdout == "default_int_handler\n"


IMPATIENT = """
import os, signal, time
from deployer import __main__ as entry
import deployer.cli

def command(**_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    finally:
        for _ in range({more}):
            os.kill(os.getpid(), signal.SIGINT)
        print("undone")

deployer.cli.app = command
raise SystemExit(entry.run())
"""


@pytest.mark.parametrize(("more", "undone"), [(1, "undone\n"), (2, "")])
def test_a_second_ctrl_c_does_not_break_off_what_undoes_the_first_and_a_third_one_does(tmp_path, more, undone):
    ended = ran(IMPATIENT.format(more=more), tmp_path)
    assert (ended.returncode, ended.stdout) == (130, undone)
    assert "rolling back" in ended.stderr
