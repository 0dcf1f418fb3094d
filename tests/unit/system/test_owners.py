"""Owners of locks: a process is known again, and never mistaken for another that has its pid."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.world import eventually

from deployer.system import owners
from deployer.system.owners import Owner, current_owner, parse_owner

IGNORING = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(); time.sleep(60)"
LISTENING = "import time; print(); time.sleep(60)"


@pytest.fixture(params=["Linux", "another system"], autouse=True)
def _system(request, monkeypatch, tmp_path) -> Iterator[None]:
    """Another system has no /proc."""
    if request.param != "Linux":
        monkeypatch.setattr(owners, "PROC", tmp_path / "none")
    owners._machine_id.cache_clear()
    yield
    owners._machine_id.cache_clear()


@pytest.fixture(params=[LISTENING, IGNORING], ids=["it hears SIGTERM", "it does not"])
def child(request, monkeypatch) -> Iterator[subprocess.Popen[str]]:
    monkeypatch.setattr(owners, "TERMINATE_SECONDS", 0.2 if request.param is IGNORING else 10.0)
    process = subprocess.Popen([sys.executable, "-c", request.param], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate(timeout=60)


def owner_of(process: subprocess.Popen[str]) -> Owner:
    started = owners._start_time(process.pid)
    assert started
    return dataclasses.replace(current_owner(), pid=process.pid, started=started)


def test_this_process_lives_here():
    me = current_owner()
    assert (me.pid, me.is_local, me.has_ended) == (os.getpid(), True, False)
    assert str(me).startswith(f"process {os.getpid()} of {me.user} on {me.host}, since ")
    assert parse_owner(me.to_json()) == me


def test_a_process_that_ended_is_dead_be_it_that_nobody_has_looked_yet(child):
    owner = owner_of(child)
    assert not owner.has_ended
    child.kill()
    eventually(lambda: owner.has_ended, "it is a zombie, and passes for dead", 60)
    child.wait(60)
    assert owner.has_ended


def test_a_pid_that_was_given_again_is_another_process(child):
    other = dataclasses.replace(owner_of(child), started="1")
    assert other.has_ended
    assert other.terminate()
    assert child.poll() is None


def test_of_another_machine_nothing_is_known_and_nothing_is_ended(child):
    for machine in ("far away", ""):
        far = dataclasses.replace(owner_of(child), machine=machine)
        assert (far.is_local, far.has_ended, far.terminate()) == (False, False, False)
    assert child.poll() is None


def test_an_owner_is_told_to_end_and_else_killed(child):
    assert owner_of(child).terminate()
    assert child.wait(60) < 0


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"pid": "7"}', "[" * 10**5, "\ud800"])
def test_what_is_no_owner_is_none(text):
    assert parse_owner(text) is None
