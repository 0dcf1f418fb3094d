"""Room for gRPC calls: set unless the user does, named in plans, renders and by doctor; a low value is commented on."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS

from deployer.config import threads
from deployer.results.deployment import Deployment, Endpoints
from deployer.results.launch import Launch, Rendered
from deployer.results.plan import Change
from deployer.results.served import ServedModel
from deployer.rollout import plan

ONE = ServedModel("digits", (1,), (), ("aa",))
DEFAULT = (threads.GRPC_MAX_THREADS, str(threads.DEFAULT_THREADS))
OTHER = ("file_system_poll_wait_seconds", "2")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / "half_plus_two" / "1")
    return tmp_path


def write(project: Path, flags: str = "") -> None:
    server = f"gate.skip = true\n[server]\nflags = {{ {flags} }}\nrest_port = 0\ngrpc_port = 0\n"
    (project / "deployer.toml").write_text(f'engine = "embedded"\n{server}[models.half_plus_two]\n')


@pytest.mark.parametrize("form", ["compose", "docker-run"])
@pytest.mark.parametrize(
    ("flags", "argument"),
    [
        ("", f"--grpc_max_threads={threads.DEFAULT_THREADS}"),
        ("file_system_poll_wait_seconds = 2", f"--grpc_max_threads={threads.DEFAULT_THREADS}"),
        ("grpc_max_threads = 40", "--grpc_max_threads=40"),
    ],
)
def test_a_render_has_room_and_says_why(project, form, flags, argument):
    write(project, flags)
    ended = in_process("render", form, "--json", cwd=project)
    text = next(iter(ended.json["files"].values()))
    assert text.count("--grpc_max_threads=") == 1
    assert argument in text
    assert f"# grpc_max_threads: {threads.REASON}" in text


@pytest.mark.parametrize(("number", "low"), [(2, True), (8, True), (16, True), (17, False), (64, False), (256, False)])
def test_doctor_and_plan_comment_on_few_threads(project, number, low):
    write(project, f"grpc_max_threads = {number}")
    found = [each for each in in_process("doctor", "--json", cwd=project).json["findings"] if each["check"] == "server"]
    assert [each["severity"] for each in found] == ["warning" if low else "ok"]
    assert str(number) in found[0]["message"]
    assert bool(found[0]["remedy"]) is low
    notices = in_process("plan", "--json", cwd=project).json["notices"]
    assert any("grpc_max_threads" in notice for notice in notices) is low


def test_without_a_value_doctor_says_what_is_set_and_why(project):
    write(project)
    found = in_process("doctor", "--json", cwd=project).json["findings"]
    (one,) = [each for each in found if each["check"] == "server"]
    assert one["severity"] == "ok"
    assert str(threads.DEFAULT_THREADS) in one["message"]
    assert threads.REASON in one["message"]


def launch(*flags: tuple[str, str]) -> Launch:
    return Launch("digits", "local", "127.0.0.1", None, None, flags, (ONE,), "/models", Rendered({}))


def serving(*flags: tuple[str, str]) -> Deployment:
    return Deployment(
        "digits", "local", "embedded", "r1", "serving", (ONE,), Endpoints("", ""), 8501, 8500,
        launch(*flags).server_digest, "2026-01-01", True, 1, Path(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ((), (DEFAULT,), "grpc_max_threads=256"),
        ((OTHER,), (OTHER, DEFAULT), "grpc_max_threads=256"),
        ((DEFAULT,), ((DEFAULT[0], "8"),), "grpc_max_threads=8"),
        ((DEFAULT,), (), "grpc_max_threads"),
        ((OTHER, DEFAULT), (DEFAULT,), ""),
    ],
)
def test_a_plan_names_the_flag_that_a_server_of_an_earlier_release_lacks(before, after, named):
    decided = plan.decide(launch(*sorted(after)), serving(*sorted(before)))
    assert decided.change is Change.REPLACE
    assert decided.steps[0].cause == f"changed: the flags{f' ({named})' if named else ''}"


def test_other_differences_are_named_too():
    decided = plan.decide(dataclasses.replace(launch(DEFAULT), host="0.0.0.0"), serving())
    assert decided.steps[0].cause == "changed: the address, the flags (grpc_max_threads=256)"


def test_the_users_own_value_wins_and_may_be_the_default():
    assert threads.with_default_threads({"a": 1}) == {"a": 1, DEFAULT[0]: threads.DEFAULT_THREADS}
    assert threads.with_default_threads({DEFAULT[0]: 8}) == {DEFAULT[0]: 8}
    assert plan.decide(launch(DEFAULT), serving(DEFAULT)).change is Change.NOTHING
