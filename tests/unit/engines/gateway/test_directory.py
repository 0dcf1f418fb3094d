"""The directory of a gateway: what is in force changes in one step, and nobody else can read it."""

from __future__ import annotations

import pytest

from deployer.engines.docker.gateway.directory import Active, GatewayDir, other_slot, owner
from deployer.errors import EngineError

FILES = {"a.cfg": "A", "b.cfg": "B", "tokens": "secret"}


@pytest.fixture
def home(tmp_path):
    made = GatewayDir(tmp_path / "gateway" / "local" / "m")
    made.make("1", "a", FILES)
    return made


def test_nothing_is_in_force_before_it_is_committed(home):
    assert home.active() is None
    home.activate("1")
    assert home.active() == Active("1", "a")
    home.set_slot("1", "b")
    assert home.active() == Active("1", "b")
    assert (home.generation_dir("1") / "active.cfg").read_text() == "B"
    home.deactivate()
    assert home.active() is None


def test_another_gateway_is_in_force_with_its_own_slot_at_once(home):
    home.activate("1")
    home.make("2", other_slot("a"), FILES)
    assert home.active() == Active("1", "a")
    home.activate("2")
    assert home.active() == Active("2", "b")
    home.prune({"2"})
    assert [path.name for path in home.run.iterdir() if path.is_dir() and not path.is_symlink()] == ["2"]


@pytest.mark.parametrize("target", ["../elsewhere", "/etc", "x" * 65, ".", ""])
def test_a_link_that_leads_elsewhere_is_not_followed(home, target):
    if target:
        (home.run / "current").symlink_to(target)
    assert home.active() is None


def test_a_directory_that_cannot_be_read_is_an_error_and_not_nothing(home):
    home.activate("1")
    (home.run / "1" / "active.cfg").unlink()
    (home.run / "1" / "active.cfg").write_text("no link")
    with pytest.raises(EngineError, match="cannot be read"):
        home.active()


def test_files_and_directories_are_their_owners_alone(home):
    below = [path for path in home.path.rglob("*") if not path.is_symlink()]
    assert {path.stat().st_mode & 0o777 for path in below if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in [home.path, *below] if path.is_dir()} == {0o700}
    assert {path.stat().st_uid for path in below} == {owner()[0]}


def test_a_gateway_takes_the_ports_from_the_one_before_only_while_it_shall(home):
    home.make("2", "a", FILES)
    home.set_predecessor("2", "1")
    assert (home.generation_dir("2") / "before" / "tokens").read_text() == "secret"
    home.set_predecessor("2", None)
    assert not (home.generation_dir("2") / "before").exists()


def test_nothing_is_left_of_it(home, tmp_path):
    home.activate("1")
    home.delete()
    assert list(tmp_path.iterdir()) == []
    home.delete()


def test_the_certificate_of_an_accepted_gateway_stays_until_the_directory_is_deleted(home):
    home.self_signed.write_text("ours")
    home.activate("1")
    for _ in range(2):
        home.clear()
        assert (home.self_signed.read_text(), home.run.exists(), home.active(), home.in_use) == (
            "ours", False, None, False,
        )  # fmt: skip
    home.make("2", "a", FILES)
    assert home.in_use
    home.delete()
    assert not home.path.parent.exists()


def test_a_certificate_that_was_never_accepted_goes_with_the_gateway(home):
    home.self_signed.write_text("ours")
    assert home.in_use
    home.clear()
    assert not home.path.exists()
