"""What a hint says to type is typed: it works, and it is what was needed."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest
from support.cli import ANY_PORTS, Ended, in_process


def hint(ended: Ended) -> str:
    """The hint of a command that failed."""
    found = re.search(r"^hint: (.*)", ended.err, re.MULTILINE | re.DOTALL)
    assert found, ended.err
    return found[1].strip()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that something listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def to_type(ended: Ended, option: str) -> list[str]:
    """An option with its value, as the hint says it."""
    words = hint(ended).split()
    start = words.index(option)
    return words[start : start + 2]


@pytest.mark.parametrize("which", ["rest", "grpc"])
@pytest.mark.parametrize("asked_by", ["option", "file", "variable"])
def test_a_port_that_is_taken_is_left_with_the_option_of_the_hint(project, monkeypatch, taken, which, asked_by):
    option, setting = f"--{which}-port", f"{which}_port"
    given = [option, str(taken)] if asked_by == "option" else []
    if asked_by == "file":
        (project / "deployer.toml").write_text(f"[server]\n{setting} = {taken}\n")
    if asked_by == "variable":
        monkeypatch.setenv(f"DEPLOYER_SERVER_{setting.upper()}", str(taken))
    for verb in ("plan", "up") if asked_by == "option" else ("plan",):
        refused = in_process(verb, "half_plus_two:1", *given, cwd=project)
        assert (refused.code, str(taken) in refused.err) == (6, True)
        ended = in_process(verb, "half_plus_two:1", *to_type(refused, option), cwd=project)
        assert ended.code == 0, ended.err


def test_both_ports_that_are_taken_are_left_one_after_the_other(project, taken):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = {"--rest-port": str(taken), "--grpc-port": str(other.getsockname()[1])}
        for option in tuple(ports):
            refused = in_process("plan", "half_plus_two", *sum(ports.items(), ()), cwd=project)
            ports |= [tuple(to_type(refused, option))]
        assert in_process("plan", "half_plus_two", *sum(ports.items(), ()), cwd=project).code == 0


@pytest.mark.parametrize("which", ["rest", "grpc"])
def test_a_change_without_such_options_names_the_line_to_write(project, taken, which):
    assert in_process("up", "half_plus_two:1", "-q", *ANY_PORTS, cwd=project).code == 0
    (project / "deployer.toml").write_text(f"server.{which}_port = {taken}\n")
    refused = in_process("redeploy", "half_plus_two", cwd=project)
    assert refused.code == 6
    line = re.match(r".* = \d+", hint(refused))
    assert line
    (project / "deployer.toml").write_text(line[0])
    assert in_process("redeploy", "half_plus_two", cwd=project).code == 0


def command_of(text: str, start: str) -> list[str]:
    """The command in a hint that begins with these words, up to what it does."""
    found = re.search(rf"deployer ({re.escape(start)}.*?) (deploys|shows|takes)\b", text)
    assert found, text
    return found[1].split()


VERBS = ("down", "logs", "status", "predict", "smoke", "redeploy", "rollback")
FILE = "[server]\nrest_port = 0\ngrpc_port = 0\n"


@pytest.mark.parametrize(
    ("verb", "env"), [*((verb, []) for verb in (*VERBS, "down --all")), ("logs", ["--env", "staging"])]
)
def test_where_nothing_is_deployed_the_hint_deploys_what_there_is(project, verb, env):
    (project / "deployer.toml").write_text(FILE + "[env.staging]\n")
    words = verb.split() if verb == "down --all" else [verb, "half_plus_two", *env]
    ended = in_process(*words, cwd=project)
    assert ended.code == 10
    typed = command_of(hint(ended), "up")
    assert typed[1:2] == ["half_plus_two"] or verb == "down --all"
    assert in_process("plan", *typed[1:], "--exit-code", cwd=project).code == 20


@pytest.mark.parametrize("words", [["down", "--all"], ["logs", "net"], ["down"], ["predict"]], ids=" ".join)
def test_what_deployer_toml_lists_is_deployed_without_a_name(project, words):
    (project / "deployer.toml").write_text('name = "net"\n' + FILE + "[models.half_plus_two]\n")
    ended = in_process(*words, cwd=project)
    assert ended.code == 10
    assert command_of(hint(ended), "up") == ["up"]
    assert in_process("plan", "--exit-code", cwd=project).code == 20


@pytest.mark.parametrize("words", [["down", "--all"], ["logs", "net"], ["down"], ["down", "net"]], ids=" ".join)
def test_an_empty_project_is_told_how_a_model_is_deployed(empty_project, words):
    ended = in_process(*words, cwd=empty_project)
    assert (ended.code, "deployer up SOURCE" in hint(ended)) == (10, True)


def test_of_another_name_the_hint_shows_what_is_deployed(project):
    (project / "deployer.toml").write_text(FILE + "[env.staging]\n")
    assert in_process("up", "half_plus_two:1", "--env", "staging", "-q", cwd=project).code == 0
    for verb in VERBS:
        ended = in_process(verb, "half_plus_tow", cwd=project)
        assert ended.code == 10
        assert "did you mean half_plus_two?" in hint(ended)
        shown = in_process(*command_of(hint(ended), "status"), "--json", cwd=project)
        assert [each["deployment"]["name"] for each in shown.json["deployments"]] == ["half_plus_two"]
    unnamed = in_process("down", cwd=project)
    assert (unnamed.code, "half_plus_two [staging]" in hint(unnamed)) == (10, True)
