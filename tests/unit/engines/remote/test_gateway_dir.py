"""The directory of a gateway on another machine: its volume has what the record says, and secrets are its owner's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.local_helper import LocalHelper

from deployer.engines.docker.gateway.directory import Active, GatewayDir
from deployer.engines.docker.remote import gateway_dir
from deployer.engines.docker.remote.gateway_dir import VolumeGatewayDir
from deployer.engines.docker.remote.session import Session

FILES = {"a.cfg": "to a", "b.cfg": "to b", "server.pem": "secret"}


class Volume:
    """A volume that is a directory of this machine."""

    name = "volume"

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        self.path.mkdir(exist_ok=True)

    def exists(self) -> bool:
        return self.path.is_dir()


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "volume"


@pytest.fixture
def directory(tmp_path: Path, there: Path, monkeypatch: pytest.MonkeyPatch) -> GatewayDir:
    monkeypatch.setattr(gateway_dir, "MOUNT", str(there))
    monkeypatch.setattr(gateway_dir, "NOBODY", os.geteuid())
    made = {"volume": Volume(there), "session": Session(lambda: LocalHelper("session")), "remove": lambda: None}
    return VolumeGatewayDir(tmp_path / "gateway" / "local" / "m", **made)  # type: ignore[arg-type]


def test_a_generation_is_there_and_here(directory, there):
    directory.make("g1", "a", FILES)
    directory.activate("g1")
    assert directory.active() == Active("g1", "a")
    assert (there / "g1" / "active.cfg").read_text() == "to a"
    assert {name: (there / "g1" / name).read_text() for name in FILES} == FILES
    assert {(there / "g1" / name).stat().st_mode & 0o777 for name in FILES} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (there, there / "g1")} == {0o700}
    assert (there / "current").readlink() == Path("g1")


def test_slots_and_predecessors_are_links_there(directory, there):
    directory.make("g1", "a", FILES)
    directory.make("g2", "a", FILES)
    directory.set_slot("g2", "b")
    directory.set_predecessor("g2", "g1")
    assert (there / "g2" / "active.cfg").read_text() == "to b"
    assert (there / "g2" / "before" / "server.pem").read_text() == "secret"
    directory.set_predecessor("g2", None)
    assert not (there / "g2" / "before").is_symlink()


def test_after_a_kill_the_volume_is_made_to_agree_with_the_record(directory, there):
    directory.make("g1", "a", FILES)
    directory.activate("g1")
    directory._link("g1/active.cfg", "b.cfg")
    directory.restore(directory.active())
    assert (there / "g1" / "active.cfg").read_text() == "to a"


def test_generations_are_dropped_there_and_here(directory, there):
    for generation in ("g1", "g2", "g3"):
        directory.make(generation, "a", FILES)
    directory.activate("g3")
    directory.prune({"g2", "g3"})
    directory.drop("g2")
    directory.deactivate()
    assert sorted(path.name for path in there.iterdir()) == ["g3"]
    assert sorted(path.name for path in directory.run.iterdir()) == ["g3"]


def test_a_socket_that_nobody_answers_is_an_error_of_the_system(directory, there):
    directory.make("g1", "a", FILES)
    with pytest.raises(ConnectionError):
        directory.ask(directory.generation_dir("g1"), "show info")
