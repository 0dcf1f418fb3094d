"""Servers of other directories are seen; one whose state directory is lost ends when it is asked for, not before."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import ANY_PORTS, in_process
from support.deploying import ask, refused, up
from support.stores import copy_store
from support.world import only_servers_below, servers

NAME = "half_plus_two"


@pytest.fixture
def pair(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """The directories of two projects, `one` and `two`, that have nothing in common."""
    only_servers_below(monkeypatch, tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        copy_store(store, tmp_path / name)
    yield tmp_path / "one", tmp_path / "two"
    for process in servers(tmp_path):
        process.kill()
        process.wait(60)


def rows(directory: Path, *arguments: str) -> list[tuple[str, str, str, bool]]:
    found = in_process("status", "--json", *arguments, cwd=directory).json["deployments"]
    return [
        (each["deployment"]["project"], each["deployment"]["name"], each["deployment"]["role"], each["healthy"])
        for each in found
    ]


def lose(directory: Path) -> Any:
    """A project with a server, whose state directory is removed; the endpoints."""
    made = up(directory, f"{NAME}:1", *ANY_PORTS)
    shutil.rmtree(directory / ".deployer")
    return made["endpoints"]


def test_servers_of_other_directories_are_seen_and_ended_once_that_is_confirmed(pair):
    one, two = pair
    theirs, mine = (up(directory, f"{NAME}:1", *ANY_PORTS)["endpoints"] for directory in pair)
    assert rows(two) == [("two", NAME, "serving", True)]
    assert rows(two, "--all-projects") == [("one", NAME, "serving", True), ("two", NAME, "serving", True)]
    refused(
        in_process("down", "--all", "--all-projects", cwd=two), 2, "of project one on embedded", str(one / ".deployer")
    )
    assert (ask(theirs, 2.0), ask(mine, 2.0)) == (3.0, 3.0)
    assert in_process("down", "--all", cwd=two).code == 0
    assert ask(theirs, 2.0) == 3.0
    ended = in_process("down", "--all", "--all-projects", "--yes", "--json", cwd=two)
    assert [(each["project"], each["state_dir"]) for each in ended.json["deployments"]] == [
        ("one", str(one / ".deployer"))
    ]
    assert servers(one) == []
    releases = in_process("history", "--json", cwd=one).json["releases"]
    assert [each["change"] for each in releases] == ["remove", "create"]


def test_two_directories_of_one_name_are_distinguished(pair):
    one, two = pair
    for directory in pair:
        (directory / "deployer.toml").write_text('project = "same"\n')
        up(directory, f"{NAME}:1", *ANY_PORTS)
    assert rows(two) == [("same", NAME, "serving", True)]
    assert len(rows(two, "--all-projects")) == 2
    refused(in_process("down", "--all", "--all-projects", cwd=two), 2, str(one / ".deployer"))
    assert in_process("down", "--all", cwd=two).code == 0
    assert (len(servers(one)), len(servers(two))) == (1, 0)


def test_a_lost_server_is_shown_and_goes_on_until_it_is_asked_for(pair):
    one, two = pair
    endpoints = lose(one)
    up(two, f"{NAME}:1", *ANY_PORTS)
    lost = ("one", NAME, "lost", False)
    assert rows(one) == rows(one, NAME) == rows(one, "--all") == [lost]
    assert rows(two, "--all-projects") == [lost, ("two", NAME, "serving", True)]
    assert f"deployer down {NAME} ends" in in_process("status", cwd=one).err
    assert in_process("status", "--exit-code", cwd=one).code == 7
    assert f"deployer down {NAME}" in in_process("doctor", cwd=one).out
    for verb, code in (("predict", 10), ("redeploy", 10), ("logs", 10), ("up", 6), ("plan", 6)):
        refused(in_process(verb, NAME, cwd=one), code, f"deployer down {NAME}")
    for arguments in ((), (NAME,), ("--all",)):
        told = in_process("history", *arguments, "--json", cwd=one)
        assert [f"{NAME} [local]" in said for said in told.json["notices"]] == [True]
        assert "nothing was deployed" not in in_process("history", *arguments, cwd=one).err
    (said,) = in_process("history", "another", "--json", cwd=one).json["notices"]
    assert "nothing was deployed yet as another" in said
    assert in_process("prune", cwd=one).code == 0
    assert in_process("down", NAME, cwd=two).code == 0
    refused(in_process("down", "--all", cwd=two), 10)
    refused(in_process("down", NAME, "--env", "staging", cwd=one), 10)
    assert ask(endpoints, 2.0) == 3.0


@pytest.mark.parametrize("arguments", [(NAME,), (), ("--all",)])
def test_a_lost_server_is_ended_in_its_project(pair, arguments):
    one, _ = pair
    lose(one)
    ended = in_process("down", *arguments, cwd=one)
    assert (ended.code, servers(one)) == (0, []), ended.err
    assert not (one / ".deployer").exists()
    assert rows(one) == []
    assert up(one, f"{NAME}:1", *ANY_PORTS)["plan"]["change"] == "create"


def test_the_commands_that_a_lost_server_is_answered_with_serve_again_what_it_served(pair):
    one, _ = pair
    (one / "deployer.toml").write_text("server.rest_port = 0\nserver.grpc_port = 0\n")
    lose(one)
    told = in_process("predict", NAME, "--engine", "embedded", cwd=one).err
    found = re.search(r"deployer (down .*) ends it; after that, deployer (up .*) serves that version", told)
    assert found, told
    for command in found.groups():
        ended = in_process(*shlex.split(command), cwd=one)
        assert ended.code == 0, ended.err
    (serving,) = in_process("status", "--json", cwd=one).json["deployments"]
    assert serving["deployment"]["models"][0]["versions"] == [1]


@pytest.mark.parametrize("way", ["as status says", "with all projects"])
def test_a_lost_server_of_a_directory_that_is_gone_is_ended_from_another(pair, way):
    one, two = pair
    lose(one)
    shutil.rmtree(one)
    if way == "as status says":
        told = in_process("status", "--all-projects", cwd=two).err
        command = re.search(r"deployer (down .*) ends the server", told)
        assert command, told
        ended = in_process(*shlex.split(command[1]), cwd=two)
    else:
        refused(in_process("down", "--all", "--all-projects", cwd=two), 2, "its state directory is lost")
        ended = in_process("down", "--all", "--all-projects", "--yes", cwd=two)
    assert (ended.code, servers(one), one.exists()) == (0, [], False), ended.err


def test_a_lost_server_ends_beside_one_that_took_its_place(pair):
    """As an earlier version of the tool made one."""
    one, _ = pair
    lose(one)
    (one / "deployer.toml").write_text('project = "moved"\n')
    up(one, f"{NAME}:2", *ANY_PORTS)
    moved = one / ".deployer" / "run" / "local@moved"
    assert len(servers(one)) == 2
    assert moved.is_dir()
    assert in_process("down", NAME, "-p", "one", cwd=one).code == 0
    assert rows(one) == [("moved", NAME, "serving", True)]


def test_prune_keeps_what_another_directory_serves_from_this_store(pair):
    one, two = pair
    up(two, f"{NAME}:1", "--models-dir", str(one / "models"), *ANY_PORTS)
    pruned = in_process("prune", NAME, "--keep", "1", "--json", cwd=one).json
    assert [each["version"] for each in pruned["kept"]] == [1, 3]
    assert in_process("down", "--all", cwd=two).code == 0
    up(two, f"{NAME}:1", *ANY_PORTS)
    pruned = in_process("prune", NAME, "--keep", "1", "--json", cwd=one).json
    assert [each["version"] for each in pruned["kept"]] == [3]
