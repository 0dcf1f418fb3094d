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
