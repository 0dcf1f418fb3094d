"""`redeploy`, `label`, the gate's options and the plan's digest, as a person uses them."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from support.cli import ANY_PORTS, Ended, deployer, in_process
from support.stores import record_files
from support.world import servers

from deployer.engines import run_dir
from deployer.engines.embedded.engine import EmbeddedEngine
from deployer.engines.local import DirectoryLocks
from deployer.results.deployment import Memory
from deployer.results.served import ServedModel, models_text

LOOKS_WHEN_TOLD = "[server.flags]\nfile_system_poll_wait_seconds = 3600\n"
"""A server that looks at the store when it is told of other models, and not by itself meanwhile: then what it unloads
is what a command had it unload, however slow the machine is."""


def run(project: Path, *arguments: str) -> dict:
    ended = deployer(*arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err + ended.out
    return ended.json


def ask(endpoints: dict[str, str], which: str = "") -> float | str:
    """What is made of 2.0: 3.0 by version 1, 4.0 by 2, 2.0 by 3; or what the server refuses it with."""
    url = f"{endpoints['rest']}/v1/models/half_plus_two{which}:predict"
    answer = requests.post(url, json={"instances": [2.0]}, timeout=60).json()
    return answer["predictions"][0] if "predictions" in answer else answer["error"]


def refused(ended: Ended, code: int, *says: str) -> None:
    assert ended.code == code, ended.err + ended.out
    for text in says:
        assert text in ended.err


def versions(result: dict) -> list[int]:
    return result["models"][0]["versions"]


def test_redeploy_takes_the_newest_or_the_version_that_was_named_and_then_nothing(project):
    (project / "deployer.toml").write_text(LOOKS_WHEN_TOLD)
    endpoints = run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"]
    assert (versions(run(project, "redeploy")), ask(endpoints)) == ([3], 2.0)
    back = run(project, "redeploy", "half_plus_two", "--version", "2")
    assert (back["plan"]["change"], ask(endpoints), ask(endpoints, "/versions/2")) == ("reload", 4.0, 4.0)
    assert run(project, "redeploy", "half_plus_two", "--version", "2")["plan"]["change"] == "nothing"
    refused(deployer("redeploy", "--version", "9", cwd=project), 4, "half_plus_two has no version 9")
    refused(deployer("redeploy", "nobody", cwd=project), 10, "nothing is deployed as nobody")
    assert ask(endpoints) == 4.0
    assert_a_killed_reload_is_settled_without_unloading(project, endpoints)


def assert_a_killed_reload_is_settled_without_unloading(project: Path, endpoints: dict[str, str]) -> None:
    """2 serves, and 3 was about to be loaded: a reload that named a version that is gone would unload what serves."""
    (release,) = project.glob(".deployer/run/local@*/half_plus_two/2*")
    reloading_to = (ServedModel("half_plus_two", (2, 3), (), ("", "")),)
    (release / run_dir.RELOAD_FILE).write_text(models_text(reloading_to))
    with gone(project, 2):
        refused(deployer("redeploy", "--version", "1", cwd=project), 4, "half_plus_two:2", "half_plus_two/2 back")
        assert ask(endpoints) == 4.0
        assert (release / run_dir.RELOAD_FILE).exists()
    with gone(project, 3):
        assert run(project, "redeploy", "half_plus_two", "--version", "2")["plan"]["change"] == "nothing"
        assert ask(endpoints) == 4.0
    assert not (release / run_dir.RELOAD_FILE).exists()


@contextmanager
def gone(project: Path, version: int) -> Iterator[None]:
    """A version that somebody has taken out of the store for a while."""
    path = project / "models" / "half_plus_two" / str(version)
    path.rename(project / "aside")
    yield
    (project / "aside").rename(path)


def test_the_previous_version_stays_ready_and_rollback_loads_nothing(project):
    endpoints = run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"]
    assert versions(run(project, "redeploy", "--version", "2", "--keep-previous")) == [1, 2]
    assert (ask(endpoints), ask(endpoints, "/versions/1")) == (4.0, 3.0)
    back = run(project, "rollback")
    kinds = [step["kind"] for step in back["plan"]["steps"]]
    assert kinds == ["verify_serving", "reload", "verify_serving", "record_models"]
    assert [check["name"] for check in back["report"]["checks"] if "parity" in check["name"]] == [
        "parity REST", "parity gRPC",
    ]  # fmt: skip
    assert (ask(endpoints), len(servers(project))) == (3.0, 1)
    assert "Servable not found" in ask(endpoints, "/versions/2")
    run(project, "redeploy", "--version", "2")
    refused(deployer("redeploy", "--version", "1", "--keep-previous", cwd=project), 2, "2 cannot stay loaded with 1")
    assert ask(endpoints) == 4.0


@contextmanager
def overtaken_by(other: Callable[[], object]) -> Iterator[None]:
    """Another command comes first, between what a command of this process sees and the lock that it takes."""
    acquire = DirectoryLocks.acquire

    def late(*arguments: Any) -> Any:
        patched.undo()
        other()
        return acquire(*arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(DirectoryLocks, "acquire", late)
        yield


def test_labels_bring_versions_and_take_them_away(project):
    endpoints = run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"]
    with overtaken_by(lambda: run(project, "label", "half_plus_two", "stable=1")):
        labelled = in_process("label", "half_plus_two", "canary=2", "--json", "-q", cwd=project).json
    assert (versions(labelled), ask(endpoints, "/labels/stable")) == ([1, 2], 3.0)
    assert ask(endpoints, "/labels/canary") == ask(endpoints) == 4.0
    run(project, "redeploy", "half_plus_two", "--version", "3")
    assert (ask(endpoints, "/labels/stable"), ask(endpoints, "/labels/canary")) == (2.0, 4.0)
    run(project, "label", "half_plus_two", "canary=")
    assert "canary" in ask(endpoints, "/labels/canary")
    assert "Servable not found" in ask(endpoints, "/versions/2")
    for wrong in ("canary", "=3", "a b=3", "canary=x", "canary=0"):
        refused(deployer("label", "half_plus_two", wrong, cwd=project), 2)
    refused(deployer("label", "half_plus_two", "canary=9", cwd=project), 4, "has no version 9")
    with overtaken_by(lambda: run(project, "down")):
        refused(in_process("label", "half_plus_two", "canary=2", cwd=project), 10, "nothing is deployed")
    assert servers(project) == []


def spoil_golden(project: Path, version: int) -> None:
    """The golden answers of another version: what it serves differs from what was answered at export."""
    extra = "assets.extra/golden.tfrecord"
    model = project / "models" / "half_plus_two"
    (model / str(version) / extra).write_bytes((model / "1" / extra).read_bytes())
    record_files(model / str(version))


def test_a_version_that_answers_otherwise_takes_no_request_unless_the_gate_is_skipped_and_that_is_noted(project):
    endpoints = run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"]
    spoil_golden(project, 2)
    refused(
        deployer("redeploy", "--version", "2", cwd=project),
        8,
        "did not pass",
        "parity",
        "deployer inspect half_plus_two:2",
    )
    assert ask(endpoints) == 3.0
    skipped = run(project, "redeploy", "--version", "2", "--skip-gate")
    assert "verification is skipped" in [step["cause"] for step in skipped["plan"]["steps"]]
    assert {check["name"] for check in skipped["report"]["checks"]} == {"status"}
    assert ask(endpoints) == 4.0
    newest = deployer("history", "--json", cwd=project).json["releases"][0]
    assert (newest["outcome"], newest["detail"]) == ("succeeded", "redeploy; the gate was skipped")


def test_a_signature_that_breaks_clients_is_refused_and_let_through_when_asked_for(project):
    endpoints = run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"]
    renamed_output(project)
    told = ("clients of what serves now would break", "output y", "--allow-breaking", "deployer diff half_plus_two 1 4")
    refused(deployer("redeploy", cwd=project), 8, *told)
    assert ask(endpoints) == 3.0
    assert versions(run(project, "redeploy", "--allow-breaking")) == [4]
    assert versions(run(project, "rollback")) == [1]
    assert ask(endpoints) == 3.0


def renamed_output(project: Path) -> int:
    """Version 4, whose output has another name."""
    (project / "make.py").write_text(RENAMED)
    assert in_process("export", "make.py:half_plus_two", "-q", cwd=project).code == 0
    return 4


def without_answers(project: Path) -> int:
    """Version 4, which another tool put there."""
    store = project / "models" / "half_plus_two"
    shutil.copytree(store / "2", store / "4", ignore=shutil.ignore_patterns("assets.extra"))
    return 4


def other_answers(project: Path) -> int:
    """Version 3, whose golden answers are those of another."""
    spoil_golden(project, 3)
    return 3


def without_memory(_: Path) -> int:
    """Version 3, for which there is no room beside the one that serves."""
    return 3


@pytest.mark.parametrize(
    ("make", "code", "accept"),
    [
        (renamed_output, 8, "--allow-breaking"),
        (without_answers, 8, "--skip-gate"),
        (without_memory, 6, "gate.check_memory"),
    ],
)
def test_what_a_change_would_refuse_before_it_starts_its_plan_refuses_alike(project, monkeypatch, make, code, accept):
    endpoints = run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"]
    newest = make(project)
    if make is without_memory:
        monkeypatch.setattr(EmbeddedEngine, "memory", lambda *_: Memory(used=2 << 30, free=1 << 20))
    name = f"half_plus_two:{newest}"
    ways: tuple[tuple[str, ...], ...] = (
        ("redeploy",), ("redeploy", "--version", str(newest)), ("up", "half_plus_two"), ("up", name),
        ("label", "half_plus_two", f"canary={newest}"),
    )  # fmt: skip
    for way in ways:
        done = in_process(*way, "-q", cwd=project)
        planned = in_process(*way, "--dry-run", "--json", cwd=project)
        assert (done.code, planned.code) == (code, code), done.err + planned.err
        said = {key: planned.json["error"][key] for key in ("code", "message", "hint")}
        assert all(text in done.err for text in (said["message"], said["hint"])), done.err
        assert accept in said["hint"]
    for way in (("half_plus_two",), (name,)):
        assert in_process("plan", *way, cwd=project).code == code
    if accept.startswith("--"):
        for way in (("plan", name), ("redeploy", "--dry-run")):
            accepted = in_process(*way, accept, "--json", cwd=project)
            assert (accepted.code, accepted.json["plan"]["change"]) == (0, "reload"), accepted.err
    assert ask(endpoints) == 3.0


@pytest.mark.parametrize("make", [renamed_output, without_answers, other_answers])
def test_a_refused_redeploy_names_the_version_that_stays_as_it_is_typed(project, make):
    run(project, "up", "half_plus_two:1", *ANY_PORTS, "--env", "staging")
    newest = make(project)
    ended = deployer("redeploy", "--env", "staging", "--json", cwd=project)
    assert ended.code == 8
    hint = ended.json["error"]["hint"]
    assert f"half_plus_two:{newest}" in hint
    typed = next(text for text in hint.split(": ") if text.startswith("deployer redeploy "))
    words = shlex.split(typed)[1:]
    assert words[words.index("--version") + 1] == "1"
    end = words.index("--version") + 2
    assert deployer(*words[:end], cwd=project).code == 0
    named = deployer("redeploy", "--env", "staging", "--version", str(newest), "--json", cwd=project)
    assert "without --version" not in named.json["error"]["hint"]


RENAMED = """
import tensorflow as tf

class Half(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        return {"z": x / 2 + 2}

half_plus_two = Half()
"""


def test_a_version_that_is_too_slow_is_refused(project):
    run(project, "up", "half_plus_two:1", *ANY_PORTS)
    ended = deployer("redeploy", "--version", "2", "--max-slowdown", "0.01", cwd=project)
    refused(ended, 8, "pace", "allowed are 0.01")
    good = run(project, "redeploy", "--version", "2", "--max-slowdown", "50")
    assert versions(good) == [2]
    refused(deployer("redeploy", "--max-slowdown", "-1", cwd=project), 3, "max_slowdown")


def test_up_does_what_plan_showed_or_refuses(project):
    def plan() -> dict:
        return deployer("plan", "half_plus_two:2", *ANY_PORTS, "--json", cwd=project).json["plan"]

    shown = plan()
    run(project, "up", "half_plus_two:1", *ANY_PORTS)
    typed = ("--skip-gate", "--lock-wait=1", "-q", "--expect", shown["digest"], "--timeout", "30", "--rest-port", "0")
    outdated = deployer("up", "half_plus_two:2", *typed, cwd=project)
    refused(
        outdated,
        1,
        "another plan was expected than would be executed now",
        "deployer up half_plus_two:2 --skip-gate --lock-wait=1 -q --timeout 30 --rest-port 0 --dry-run shows",
    )
    again = plan()
    assert again["digest"] in deployer("plan", "half_plus_two:2", cwd=project).out
    done = run(project, "up", "half_plus_two:2", "--expect", again["digest"], *ANY_PORTS)
    assert done["plan"]["digest"] == again["digest"]
