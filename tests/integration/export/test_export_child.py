"""Models are loaded and asked in a process of their own: whatever ends it is an error of the model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.cli import command, environment, in_process
from support.world import eventually

import deployer

ENDINGS = """
import ctypes, os, time
import tensorflow as tf

def reads_nothing():
    print("about to read")
    ctypes.string_at(0)
def left():
    os._exit(0)
def closes_everything():
    os.closerange(3, 1000)
    time.sleep(600)

class Traced(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        ctypes.string_at(0)

def dies_when_traced():
    return Traced()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "ends.py").write_text(ENDINGS)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("reads_nothing", ("SIGSEGV", "loading", "about to read", "ends.py")),
        ("left", ("code 0", "loading")),
        ("closes_everything", ("loading",)),
        ("dies_when_traced", ("SIGSEGV", "tracing")),
    ],
)
def test_what_ends_python_is_an_error_of_the_model(project: Path, name: str, expected: tuple[str, ...]) -> None:
    ended = in_process("export", f"ends.py:{name}", "--json", cwd=project)
    assert ended.code == 4
    error = ended.json["error"]
    text = "\n".join((error["message"], *error["log"]))
    assert f"ends.py:{name}" in error["message"]
    assert not [part for part in expected if part not in text]
    assert error["hint"]
    assert not list(project.glob("models/*"))


ASKED = """
import os
import tensorflow as tf

class Model(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x + 1.0}

def model():
    from deployer.export.golden import session
    session.LoadedModel.run = lambda *_: os.abort()
    return Model()
"""


def test_a_model_that_ends_python_when_it_is_asked(tmp_path: Path) -> None:
    (tmp_path / "asked.py").write_text(ASKED)
    ended = in_process("export", "asked.py:model", "--json", cwd=tmp_path)
    assert ended.code == 4
    assert "SIGABRT" in ended.json["error"]["message"]
    assert "asking" in ended.json["error"]["message"]
    assert not list(tmp_path.glob("models/*"))


GOOD = """
import sys, os, atexit
import tensorflow as tf
print("printed on stdout")
os.write(1, b"written to 1\\n")
sys.stderr.write("written to stderr\\n")
print(input())
atexit.register(lambda: print("cleaned up"))

@tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
def twice(x):
    return {"y": 2.0 * x}
"""


def test_what_user_code_prints_comes_out_on_stderr_in_order(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    ended = subprocess.run(
        command("export", "good.py:twice", "--json"),
        cwd=tmp_path, env=environment(), input="from stdin\n", capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert '"twice"' in ended.stdout
    assert "printed" not in ended.stdout
    assert "written to 1" not in ended.stdout
    lines = ended.stderr.splitlines()
    said = (
        "importing",
        "printed on stdout",
        "written to 1",
        "written to stderr",
        "from stdin",
        "recording",
        "cleaned up",
    )
    places = [next(place for place, line in enumerate(lines) if text in line) for text in said]
    assert places == sorted(places)


def test_the_tool_itself_imports_no_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(GOOD.replace("print(input())", ""))
    script = """
import sys
import time
from deployer.__main__ import run
sys.argv = ["deployer", "export", "good.py:twice", "-q"]
code = run()
print(code, *sorted({"tensorflow", "keras", "tf_keras", "h5py"} & set(sys.modules)))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120,
        check=True,
    )  # fmt: skip
    assert ended.stdout.splitlines()[-1] == "0"


def test_a_module_of_the_calling_process_is_exported_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook: nothing but this process has the model."""
    import tensorflow as tf

    main = sys.modules["__main__"]
    value = tf.Variable(3.0)
    function = tf.function(lambda x: {"y": x * value}, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    monkeypatch.setattr(main, "trained_here", function, raising=False)
    settings = deployer.Settings(models_dir=tmp_path / "models")
    made = deployer.export_model(
        "__main__:trained_here", options=deployer.ExportOptions(name="here"), settings=settings
    )
    assert made.model.golden.cases > 0


SLOW = """
import os, pathlib, time
pathlib.Path("pid").write_text(str(os.getpid()))
try:
    time.sleep(600)
finally:
    pathlib.Path("undone").touch()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_child_ends_with_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    parent = subprocess.Popen(
        command("export", "slow.py:model"), cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    pid = tmp_path / "pid"
    eventually(lambda: pid.exists() and bool(pid.read_text()), "the model is loaded")
    child = psutil.Process(int(pid.read_text()))
    os.kill(parent.pid, number)
    said = parent.communicate(timeout=60)[1]
    child.wait(60)
    assert parent.returncode == (-number if number == signal.SIGKILL else 130)
    assert (tmp_path / "undone").exists() == (number != signal.SIGKILL)
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert not list(tmp_path.glob("models/*"))


STEPS = (0.0, 0.04, 0.08, 0.15, 0.4)


@pytest.mark.parametrize("after", STEPS)
def test_ctrl_c_in_a_terminal_is_one_line_also_while_the_child_starts(tmp_path: Path, after: float) -> None:
    """A terminal sends the signal to the whole process group."""
    (tmp_path / "slow.py").write_text("import keras, time\ntime.sleep(600)")
    parent = subprocess.Popen(
        command("export", "slow.py:model", "--name", "m", "-q"), cwd=tmp_path, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    process = psutil.Process(parent.pid)
    eventually(lambda: bool(process.children()), "the child starts")
    time.sleep(after)
    os.killpg(parent.pid, signal.SIGINT)
    said = parent.communicate(timeout=60)[1]
    assert (parent.returncode, said.splitlines()) == (130, ["interrupted; no version of m was made"])
