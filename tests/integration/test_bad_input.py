"""Bad input: a clear error, its exit code, a next step, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import pytest
from support.cli import ANY_PORTS, Ended, command, deployer, environment, in_process, start
from support.world import MODELS, eventually, listens, servers

HALF = MODELS / "half_plus_two" / "1"


def everything(directory: Path) -> set[str]:
    found = {str(path.relative_to(directory)) for path in directory.rglob("*")}
    # That a deploy was tried and refused is in the history: the ledger, and the directory when it holds nothing else.
    found.discard(".deployer/ledger.db")
    return found if any(name.startswith(".deployer/") for name in found) else found - {".deployer"}


def refused(ended: Ended, code: int, *says: str) -> None:
    assert ended.code == code, ended.err + ended.out
    for text in says:
        assert text in ended.err, ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


def copy_half(directory: Path) -> Path:
    return Path(shutil.copytree(HALF, directory / "saved", copy_function=shutil.copyfile))


def truncate(directory: Path) -> None:
    path = copy_half(directory) / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:200])


def drop_variables(directory: Path) -> None:
    shutil.rmtree(copy_half(directory) / "variables")


def escape(directory: Path) -> None:
    (copy_half(directory) / "assets").symlink_to("/etc")


def garbage(directory: Path) -> None:
    (directory / "g.keras").write_bytes(b"x" * 99)


def python_file(text: str) -> Callable[[Path], None]:
    return lambda directory: (directory / "m.py").write_text(text) and None


Source = tuple[str, Callable[[Path], object], str, int, tuple[str, ...]]
SOURCES: list[Source] = [
    ("a file that is missing", lambda _: None, "nowhere.keras", 4, ("nowhere.keras",)),
    ("a name that is nothing", lambda _: None, "nothing", 4, ("'nothing'", "hint:")),
    ("a directory that is no SavedModel", lambda directory: (directory / "empty").mkdir(), "./empty", 4, ("empty",)),
    ("a truncated saved_model.pb", truncate, "./saved", 4, ("saved_model.pb", "cut short")),
    ("missing variables", drop_variables, "./saved", 4, ("variables", "fail every request")),
    ("a link out of the directory", escape, "./saved", 4, ("assets",)),
    ("a keras file that is garbage", garbage, "g.keras", 4, ("g.keras",)),
    ("a python file that raises", python_file("x = 1\nraise OSError('boom')"), "m.py:model", 4, ("boom", "line 2")),
    ("a python file that ends the process", python_file("raise SystemExit(0)"), "m.py:model", 4, ("m.py",)),
    ("a python file without the name", python_file("def model_one(): ..."), "m.py:model", 4, ("model", "model_one")),
    ("a name that is no model", python_file("model = 3"), "m.py:model", 4, ("model is of type int",)),
    ("a module that is not there", lambda _: None, "no.such.module:model", 4, ("no.such.module",)),
]  # fmt: skip


@pytest.mark.parametrize("case", SOURCES, ids=[case[0] for case in SOURCES])
def test_a_bad_source_is_refused_and_leaves_nothing(tmp_path, case):
    _, prepare, source, code, says = case
    prepare(tmp_path)
    before = everything(tmp_path)
    for verb in ("export", "up"):
        refused(in_process(verb, source, "--name", "m", cwd=tmp_path), code, *says)
    assert {path for path in everything(tmp_path) - before if "__pycache__" not in path} == set()


def test_a_model_that_carries_code_needs_trust(empty_project):
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Lambda(lambda x: x * 2, name="twice")])
    model.save(empty_project / "lambda.keras")
    before = everything(empty_project)
    refused(in_process("export", "lambda.keras", cwd=empty_project), 4, "twice", "--trust")
    assert everything(empty_project) == before
    assert in_process("export", "lambda.keras", "--trust", cwd=empty_project).code == 0


@pytest.mark.parametrize("name", ["../x", "a/b", 'a"b', "a b", "", "x" * 300, "-x", "a\nb"])
def test_a_bad_model_name_is_refused(tmp_path, name):
    refused(in_process("export", str(HALF), f"--name={name}", cwd=tmp_path), 2, "model name")
    refused(in_process("up", str(HALF), f"--name={name}", cwd=tmp_path), 2, "model name")
    assert everything(tmp_path) == set()


@pytest.mark.parametrize("version", ["0", "-1", "abc", "1.5", "99999999999999999999"])
def test_a_bad_version_is_refused(tmp_path, version):
    refused(
        in_process("export", str(HALF), "--name=m", f"--version={version}", cwd=tmp_path), 2, f"version '{version}'"
    )
    assert everything(tmp_path) == set()


def test_a_version_that_exists_is_never_overwritten(project):
    before = everything(project)
    ended = in_process("export", str(HALF), "--name", "half_plus_two", "--version", "2", cwd=project)
    refused(ended, 4, "version 2 of model half_plus_two exists", "make version 4")
    assert everything(project) == before


def test_a_signature_that_does_not_exist_is_refused_with_those_that_do(tmp_path):
    ended = in_process("export", str(HALF), "--name=m", "--signature=nope", cwd=tmp_path)
    refused(ended, 4, "'nope'", "serving_default")
    assert everything(tmp_path) == set()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--rest-port", "99999"), 3, "port 99999 does not exist"),
        (("--rest-port", "-1"), 3, "port -1 does not exist"),
        (("--rest-port", "4711", "--grpc-port", "4711"), 3, "cannot share port 4711"),
        (("--engine", "podman"), 3, 'got "podman"'),
        (("--timeout", "0"), 3, "must be above 0"),
        (("--env", "a/b"), 2, "environment name 'a/b'"),
        (("--input", "x:float32[1]"), 2, "--input goes with a source to export, not with half_plus_two:1"),
        (("--name", "other"), 2, "--name goes with a source"),
        (("--version", "9"), 2, "--version goes with a source"),
        (("--force",), 2, "--force goes with a source"),
        (("--no-warmup",), 2, "--warmup goes with a source"),
        (("--signature", "s=f.py:g"), 2, "--signature NAME=... goes with a source"),
        (("--config", "nowhere.toml"), 3, "nowhere.toml"),
        (("--templates-dir", "nowhere"), 5, "nowhere"),
        (("--nonsense",), 2, "--nonsense"),
        (("--host", "203.0.113.7", "--rest-port", "8999"), 6, "203.0.113.7"),
    ],
)
def test_bad_options_are_refused_before_anything_is_made(project, arguments, code, says):
    before = everything(project)
    refused(in_process("up", "half_plus_two:1", *arguments, cwd=project), code, says)
    assert everything(project) == before


def test_a_docker_engine_that_is_not_there_is_an_error_with_a_way_out(project, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    before = everything(project)
    ended = in_process("up", "half_plus_two:1", "--engine", "docker", cwd=project)
    refused(ended, 6, "cannot be reached: No such file or directory", "--engine embedded")
    assert everything(project) == before


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[server]\nrest_prt = 1\n", "did you mean rest_port?"),
        ("[server]\nrest_port = = 1\n", "line 2"),
        (
            "[server]\nflags = { rest_api_timeout_in_m = 1 }\n[models.half_plus_two]\n",
            "did you mean rest_api_timeout_in_ms?",
        ),
        (
            "[server]\nflags = { prefer_tflite_model = true }\n[models.half_plus_two]\n",
            "cannot honour the server flag prefer_tflite_model",
        ),
        (
            "[models.half_plus_two]\nversions = [1]\nlabels = { stable = 2 }\n",
            "list 2 under models.half_plus_two.versions",
        ),
        ("[models.nope]\n", "no model nope"),
    ],
)
def test_a_bad_deployer_toml_is_refused(project, toml, says):
    (project / "deployer.toml").write_text(toml)
    before = everything(project)
    ended = in_process("up", cwd=project)
    assert ended.code == (4 if "models.nope" in toml else 3)
    assert says in ended.err
    assert everything(project) == before


def test_a_port_that_is_taken_is_refused_with_its_holder(empty_project):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        ended = in_process("up", str(HALF), "--name", "m", "--rest-port", str(port), cwd=empty_project)
    refused(ended, 6, f"port {port} on 127.0.0.1 is taken by process {os.getpid()}")
    assert everything(empty_project) == set()


def test_ports_of_another_deployment_are_refused(project):
    first = in_process("up", "half_plus_two:1", "--json", "-q", *ANY_PORTS, cwd=project)
    port = json.loads(first.out)["endpoints"]["rest"].rpartition(":")[2]
    ended = in_process("up", "text", "--rest-port", port, cwd=project)
    refused(ended, 6, f"port {port} on 127.0.0.1 is taken by the deployment half_plus_two [local]")
    assert listens(int(port))
    assert len(servers(project)) == 1


def test_with_json_an_error_is_one_object(tmp_path):
    ended = in_process("up", "nothing", "--json", cwd=tmp_path)
    assert ended.code == 4
    assert set(ended.json["error"]) == {"code", "message", "hint", "log"}
    assert ended.json["error"]["code"] == 4


def test_a_bug_is_one_line_and_a_file(tmp_path):
    code = "import deployer.cli as c, deployer.__main__ as m; c.app = lambda **_: 1 / 0; raise SystemExit(m.run())"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert ended.returncode == 70
    assert len(ended.stderr.splitlines()) == 1
    report = Path(ended.stderr.split()[-1])
    assert "ZeroDivisionError" in report.read_text()
    report.unlink()


def test_nothing_deployed_exits_10(project):
    for verb in ("down", "logs", "smoke", "predict"):
        refused(in_process(verb, "half_plus_two", cwd=project), 10, "nothing is deployed as half_plus_two [local]")
    refused(in_process("down", "--all", cwd=project), 10, "nothing is deployed")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    directory = tmp_path / "small"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(directory)], check=True, timeout=60)
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True, timeout=60)


BIG = """
import tensorflow as tf
class Big(tf.Module):
    def __init__(self):
        self.table = tf.Variable(tf.random.normal([1000, 2000]))
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="row")])
    def __call__(self, row):
        return {"sum": tf.reduce_sum(tf.gather(self.table, row), axis=1)}
model = Big()
"""


def test_a_full_disk_ends_the_export_and_leaves_nothing(small_disk, tmp_path):
    (tmp_path / "big.py").write_text(BIG)
    ended = in_process("export", "big.py:model", "--models-dir", str(small_disk / "models"), cwd=tmp_path)
    assert ended.code == 4
    assert "disk full" in ended.err.lower() or "no space left" in ended.err.lower()
    assert everything(small_disk) == set()
    again = in_process("export", str(HALF), "--name", "m", "--models-dir", str(small_disk / "models"), cwd=tmp_path)
    assert again.code == 0


SLOW = """
import pathlib, time
pathlib.Path("importing").touch()
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_export_ended_midway_leaves_no_half_version(empty_project, number):
    (empty_project / "slow.py").write_text(SLOW)
    child = start("export", "slow.py:model", "--name", "m", cwd=empty_project)
    eventually((empty_project / "importing").exists, "the export is at work")
    child.send_signal(number)
    assert child.wait(60) == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert deployer("versions", cwd=empty_project).out == ""
    assert in_process("export", str(HALF), "--name", "m", cwd=empty_project).code == 0
    assert sorted(path.name for path in (empty_project / "models" / "m").iterdir()) == ["1"]


def test_two_exports_at_once_make_two_whole_versions(empty_project):
    sources = [empty_project / name for name in ("first", "second")]
    for version, source in enumerate(sources, 1):
        shutil.copytree(MODELS / "half_plus_two" / str(version), source)
    children = [
        subprocess.Popen(command("export", str(source), "--name", "m", "-q"), cwd=empty_project, env=environment())
        for source in sources
    ]
    assert [child.wait(180) for child in children] == [0, 0]
    versions = deployer("versions", "m", "--json", cwd=empty_project).json["models"]
    assert [model["version"] for model in versions] == [1, 2]
    assert len({model["digest"] for model in versions}) == 2
