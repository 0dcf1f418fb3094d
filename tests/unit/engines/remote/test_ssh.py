"""Connections over SSH: the command, its causes of failure, and its end. A script stands for `ssh`."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from support.world import eventually

from deployer.config.engine_address import parse_address
from deployer.engines.docker.api import connect
from deployer.engines.docker.remote import ssh
from deployer.errors import EngineUnavailable

ADDRESS = parse_address("ssh://ci@stage:2222/run/docker.sock")


@pytest.fixture(autouse=True)
def _own_tunnels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ssh, "_tunnels", {})
    monkeypatch.setattr(ssh.atexit, "register", lambda close: close)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(ssh.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ssh, "MAX_DIRECTORY", 4096)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a program named `ssh` of these lines of shell."""

    def make(*lines: str) -> None:
        program = tmp_path / "bin" / "ssh"
        program.parent.mkdir(exist_ok=True)
        program.write_text("\n".join(("#!/bin/sh", *lines)))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    return make


def test_the_command_forwards_the_socket_and_asks_nothing():
    words = ssh.command(ADDRESS, Path("/tmp/x/docker.sock"))
    assert words[0] == "ssh"
    assert words[-3:-1] == ["--", "stage"]
    assert words[-9:-3] == ["-p", "2222", "-l", "ci", "-L", "/tmp/x/docker.sock:/run/docker.sock"]
    assert {"BatchMode=yes", "ControlPath=none", "ExitOnForwardFailure=yes"} <= set(words)


def test_a_connection_is_opened_once_and_ends_with_its_input(fake):
    fake("echo a banner", f"echo '{ssh.READY}'", "exec cat")
    tunnel = ssh.tunnel_to(ADDRESS)
    assert ssh.tunnel_to(ADDRESS) is tunnel
    assert tunnel.process.stdin
    tunnel.process.stdin.close()
    assert tunnel.process.wait(60) == 0
    tunnel.close()
    assert not tunnel.directory.exists()


def test_a_connection_that_ended_is_reported_until_a_new_one_is_opened(fake):
    fake(f"echo '{ssh.READY}'", "read line", "echo 'client_loop: send disconnect: Broken pipe' >&2", "exit 255")
    tunnel = ssh.tunnel_to(ADDRESS)
    assert ssh.open_tunnel(ADDRESS) is tunnel
    assert ssh.lost_connection() is None
    assert tunnel.process.stdin
    tunnel.process.stdin.close()
    tunnel.process.wait(60)
    with pytest.raises(EngineUnavailable, match="Broken pipe"):
        ssh.open_tunnel(ADDRESS)
    lost = ssh.lost_connection()
    assert lost is not None
    assert "Broken pipe" in lost.message
    assert ssh.tunnel_to(ADDRESS) is not tunnel
    assert ssh.lost_connection() is None
    ssh.tunnel_to(ADDRESS).close()


@pytest.mark.parametrize(
    ("line", "cause", "hint"),
    [
        (f"echo '{ssh.ABSENT}'", "no socket /run/docker.sock", "start Docker"),
        (f"echo '{ssh.DENIED}'", "may not open", "docker group"),
        ("echo 'ssh: Could not resolve hostname stage: x' >&2; exit 255", "cannot be resolved", ".ssh/config"),
        ("echo 'Host key verification failed.' >&2; exit 255", "is not known", "ssh -p 2222 ci@stage true"),
        (
            "echo 'REMOTE HOST IDENTIFICATION HAS CHANGED!' >&2; echo 'Host key verification failed.' >&2; exit 255",
            "another one", "ssh-keygen -R '[stage]:2222'",
        ),
        ("echo 'ci@stage: Permission denied (publickey).' >&2; exit 255", "accepts no key", "ssh-copy-id"),
        ("echo 'ssh: connect to host stage port 2222: Connection refused' >&2; exit 255", "no SSH server", "port"),
        ("echo 'ssh: connect to host stage port 2222: No route to host' >&2; exit 255", "does not answer", "network"),
        (
            "echo 'kex_exchange_identification: read: Connection reset by peer' >&2; "
            "echo 'Connection reset by 192.0.2.1 port 2222' >&2; exit 255",
            "closes the connection", "failed logins",
        ),
        ("echo 'odd \033[31m words' >&2; exit 3", "odd [31m words", "ssh -p 2222 ci@stage true"),
        ("exit 0", "the connection ended", "ssh"),
    ],
)  # fmt: skip
def test_the_cause_of_a_failure_is_named(fake, tmp_path, line, cause, hint):
    fake(line)
    with pytest.raises(EngineUnavailable) as refused:
        ssh.tunnel_to(ADDRESS)
    assert cause in refused.value.message
    assert hint in (refused.value.hint or "")
    assert ADDRESS.text in refused.value.message
    assert list(tmp_path.glob("deployer-ssh-*")) == []


def test_a_machine_that_says_nothing_is_given_up(fake, monkeypatch):
    fake("exec sleep 60")
    monkeypatch.setenv("DOCKER_HOST", ADDRESS.text)
    with pytest.raises(EngineUnavailable, match=r"within 0\.2 s.*DOCKER_HOST"):
        connect(seconds=0.2)
    eventually(lambda: not [p for p in psutil.Process().children() if p.name() == "sleep"], "it was ended", 60)


def test_without_a_client_the_hint_says_which(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineUnavailable) as refused:
        ssh.tunnel_to(ADDRESS)
    assert "openssh-client" in (refused.value.hint or "")
