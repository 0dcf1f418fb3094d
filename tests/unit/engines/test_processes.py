"""Which processes are taken for this tool's servers: their arguments are anybody's text."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from support.world import eventually

from deployer.engines import run_dir
from deployer.engines.embedded import processes
from deployer.engines.embedded.engine import EmbeddedEngine
from deployer.engines.run_dir import Release

RELEASE = "20260101-000000-000000001-abcd"
PORTS = ("--public_rest_api_port=8501", "--public_port=8500", "--listen_address=127.0.0.1")


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A directory in which `python -m deployer.server` does nothing for a while."""
    package = tmp_path / "lib" / "deployer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "server.py").write_text("import time\ntime.sleep(120)\n")
    return package.parent


@contextmanager
def started(words: Sequence[str], module: Path, **more: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process with these words behind the interpreter's, once they can be seen."""
    child = subprocess.Popen([sys.executable, "-S", *words] if words[0] != "-m" else [sys.executable, *words],
                             cwd=module, **more)  # fmt: skip
    shown = Path(f"/proc/{child.pid}/cmdline")
    try:
        eventually(lambda: words[-1].encode() in shown.read_bytes(), "its arguments are there")
        yield child
    finally:
        child.kill()
        child.wait(60)


def mark(state: Path, place: str = "local@shop", name: str = "m", release: str = RELEASE) -> str:
    return f"--run_dir={state}/run/{place}/{name}/{release}"


def server(state: Path, **parts: str) -> list[str]:
    return ["-m", "deployer.server", *PORTS, mark(state, **parts)]


def put(state: Path, pid: int | None, project: str = "shop", name: str = "m") -> Path:
    directory = state / "run" / "local@shop" / "m" / RELEASE
    labels = Release(name, "local", RELEASE, "serving", "", "127.0.0.1", 8501, 8500, 3, 4, "d", (), pid, project)
    run_dir.write_labels(directory, labels)
    return directory


def seen(child: subprocess.Popen[bytes]) -> list[processes.ServerProcess]:
    return [found for found in processes.find_servers() if found.pid == child.pid]


def test_a_server_whose_state_directory_is_gone_is_seen_with_what_its_arguments_say(tmp_path, module):
    state = tmp_path / "gone" / ".deployer"
    with started(server(state), module) as child:
        (found,) = seen(child)
        assert (found.state_dir, found.project, found.env, found.name) == (state, "shop", "local", "m")
        (lost,) = EmbeddedEngine(state, project="shop").inventory.lost()
        assert (lost.pid, lost.role, lost.running, lost.rest_port) == (child.pid, "lost", True, 8501)
        assert lost.endpoints.rest == "http://127.0.0.1:8501"
        assert (
            EmbeddedEngine(state, project="other").inventory.lost()
            == EmbeddedEngine(tmp_path, project="shop").inventory.lost()
            == ()
        )
        others = [
            (each.state_dir, each.project) for each in EmbeddedEngine(tmp_path / "here").inventory.other_projects()
        ]
        assert (state, "shop") in others


def test_labels_that_agree_make_a_server_known_and_others_make_it_nobodys(tmp_path, module):
    state = tmp_path / "there" / ".deployer"
    with started(server(state), module) as child:
        for pid, project, name in ((child.pid, "shop", "m"), (None, "shop", "m")):
            put(state, pid, project, name)
            assert [found.labels_agree for found in seen(child)] == [True]
        for pid, project, name in ((1, "shop", "m"), (child.pid, "else", "m"), (child.pid, "shop", "n")):
            put(state, pid, project, name)
            assert seen(child) == []
        (state / "run" / "local@shop" / "m" / RELEASE / "release.json").write_text("[")
        assert seen(child) == []
        assert EmbeddedEngine(state, project="shop").inventory.lost() == ()


@pytest.mark.parametrize(
    "parts",
    [
        {"place": "local"}, {"place": "@shop"}, {"place": "local@"}, {"place": "local@Shop"}, {"place": "lo cal@shop"},
        {"name": ".."}, {"name": "m\x1b[2J"}, {"name": "m\nn"}, {"name": "-m"}, {"release": "r1"},
        {"release": f"{RELEASE}/"}, {"release": f"{RELEASE}/config"}, {"name": "m/../m"},
    ],
    ids=repr,
)  # fmt: skip
def test_a_run_directory_of_another_form_is_none_of_ours(tmp_path, module, parts):
    with started(server(tmp_path / "gone", **parts), module) as child:
        assert seen(child) == []


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "import time; time.sleep(120)", "-m", "deployer.server", *PORTS, "MARK"],
        ["-m", "deployer.server", *PORTS, "MARK", "MARK"],
        ["-m", "deployer.server", *PORTS, "MARK", "--more"],
        ["-m", "deployer.server", "MARK"],
        ["-m", "deployer.server", "--public_rest_api_port=x", "--public_port=1", "MARK"],
        ["-m", "deployer.server", *PORTS[:2], "--listen_address=\x1b[2J", "MARK"],
        ["-m", "deployer.server", *PORTS, "--run_dir=run/local@shop/m/" + RELEASE],
    ],
    ids=lambda words: f"{len(words)} words",
)
def test_arguments_that_this_tool_does_not_write_are_none_of_ours(tmp_path, module, words):
    given = [mark(tmp_path / "gone") if word == "MARK" else word for word in words]
    with started(given, module) as child:
        assert seen(child) == []


def test_a_program_that_is_no_python_is_none_of_ours(tmp_path):
    (tmp_path / "deployer.server").write_text("sleep 120")
    words = ["python", *server(tmp_path / "gone")]
    child = subprocess.Popen(words, executable="/bin/sh", cwd=tmp_path, start_new_session=True)
    try:
        eventually(lambda: psutil.Process(child.pid).cmdline() == words, "its arguments are there")
        assert seen(child) == []
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(60)
    assert processes.identify(child.pid) is None
    assert processes.identify(os.getpid()) is None


def test_a_process_of_another_user_is_none_of_ours(tmp_path, module, monkeypatch):
    with started(server(tmp_path / "gone"), module) as child:
        assert len(seen(child)) == 1
        monkeypatch.setattr("os.getuid", lambda: os.geteuid() + 1)
        assert seen(child) == []


def test_only_a_server_that_is_still_lost_is_ended(tmp_path, module):
    state = tmp_path / "gone" / ".deployer"
    engine = EmbeddedEngine(state, project="shop")
    with started(server(state), module) as child:
        (lost,) = engine.inventory.lost("m", "local")
        assert engine.inventory.lost("n", "local") == engine.inventory.lost("m", "staging") == ()
        put(state, child.pid)
        engine.discard(lost)
        assert child.poll() is None
        (state / "run" / "local@shop" / "m" / RELEASE / "release.json").unlink()
        (state / "run" / "local@shop" / "m" / RELEASE).rmdir()
        engine.discard(lost)
        eventually(lambda: child.poll() is not None, "it has ended")
        engine.discard(lost)
