"""The runtime socket: what is said to it and what its answers mean. A socket answers here as HAProxy does."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from deployer.engines.docker.gateway.admin import Admin
from deployer.errors import EngineError

HEAD = "# pxname,svname,qcur,scur,\n"


class Peer:
    """Answers each connection by its command, and keeps what was said."""

    def __init__(self, directory: Path, answers: dict[str, str]) -> None:
        self.said: list[str] = []
        self._answers = answers
        self._socket = socket.socket(socket.AF_UNIX)
        here = Path.cwd()
        self._socket.bind(str((directory / "admin.sock").relative_to(here)))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                command = connection.recv(65536).decode().strip()
                self.said.append(command)
                connection.sendall(self._answers.get(command.split()[1], "\n").encode())

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Deeper than the path of a socket may be."""
    made = tmp_path.joinpath(*["deep" * 10] * 4)
    made.mkdir(parents=True)
    monkeypatch.chdir(made)
    return made


def test_new_requests_go_to_one_slot_and_the_other_drains(directory):
    peer = Peer(directory, {})
    Admin(directory).route_to("b")
    assert peer.said == [
        "set server rest/b state ready;set server grpc/b state ready;"
        "set server rest/a state drain;set server grpc/a state drain"
    ]
    peer.close()


def test_a_refusal_is_reported(directory):
    peer = Peer(directory, {"server": "No such server.\n"})
    with pytest.raises(EngineError, match="No such server"):
        Admin(directory).route_to("a")
    peer.close()


def test_a_slot_is_drained_when_nothing_is_in_flight_over_either_protocol(directory):
    rows = "rest,a,0,{},\nrest,b,0,9,\ngrpc,a,0,{},\ngrpc,b,0,9,\n"
    for counts, drained in (((0, 0), True), ((1, 0), False), ((0, 1), False)):
        peer = Peer(directory, {"stat": HEAD + rows.format(*counts)})
        assert Admin(directory).drain("a", 0.05) is drained
        assert peer.said[-1] == "set server rest/a state maint;set server grpc/a state maint"
        peer.close()
        (directory / "admin.sock").unlink()


def test_one_that_has_ended_is_quiet_and_one_that_is_busy_is_waited_for(directory):
    Admin(directory).await_idle(60.0)
    looks = iter(["rest,a,0,1,\n", "rest,a,0,0,\n"])
    peer = Peer(directory, Answers(looks))
    Admin(directory).await_idle(60.0)
    assert [*looks] == []
    peer.close()


class Answers(dict):
    """Another answer each time."""

    def __init__(self, texts):
        super().__init__()
        self._texts = texts

    def get(self, key, default=None):
        return HEAD + next(self._texts)


def test_a_config_without_the_slots_is_refused(directory):
    peer = Peer(directory, {"stat": f"{HEAD}rest,a,0,0,\n"})
    with pytest.raises(EngineError, match="lacks the servers grpc/a, grpc/b, rest/b"):
        Admin(directory).check()
    peer.close()


@pytest.mark.parametrize(("said", "answers"), [("Stopping: 0\n", True), ("Stopping: 1\n", False), ("", False)])
def test_one_that_was_told_to_stop_does_not_answer(directory, said, answers):
    peer = Peer(directory, {"info": said})
    assert Admin(directory).accepts_requests() is answers
    peer.close()


def test_nobody_there(directory):
    assert not Admin(directory).accepts_requests()
    with pytest.raises(EngineError, match="admin socket cannot be used"):
        Admin(directory).route_to("a")
