"""Copies of versions in a volume: what is sent, what a broken connection leaves, and what is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.local_helper import Cut, LocalHelper

from deployer.engines.docker.remote.models import Content, ModelVolume
from deployer.errors import EngineError
from deployer.results.model import GoldenSummary, Model, SavedModelInfo, Source
from deployer.store import manifest

LARGE = os.urandom(300_000)
FILES = {"saved_model.pb": b"graph 1", "variables/variables.data-00000-of-00001": LARGE, "assets/words.txt": b"a\nb\n"}


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    directory = tmp_path / "volume"
    directory.mkdir()
    return directory


@pytest.fixture
def helper(volume: Path) -> Callable[[str], tuple[LocalHelper, ModelVolume]]:
    """What a command has: a helper, whose session has a name of its own, with the volume."""

    def make(session: str) -> tuple[LocalHelper, ModelVolume]:
        local = LocalHelper(session)
        return local, ModelVolume(local, "stage", str(volume))  # type: ignore[arg-type]

    return make


def version(store: Path, number: int, files: dict[str, bytes]) -> Model:
    path = store / "m" / str(number)
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / "golden.tfrecord").write_bytes(b"answers")
    (path / "empty").mkdir()
    digest = manifest.compute_digest(path)
    info = SavedModelInfo((), ("serve",), "2.21.0", None, None, 1)
    return Model("m", number, path, digest, info, Source("keras", "m.keras", None), GoldenSummary(0, "none"), "")


def copy(volume: ModelVolume, *models: Model, live: tuple[str, ...] = ()) -> list[str]:
    lines: list[str] = []
    volume.transfer(models, live, lambda link: None, lambda event: lines.append(str(event)))
    return lines


def served(volume: Path, number: int) -> dict[str, bytes]:
    """The files that a server finds for a version."""
    root = (volume / "m" / str(number)).resolve()
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def litter(volume: Path) -> list[Path]:
    return list((volume / ".incoming").iterdir())


def test_a_server_finds_the_files_that_it_reads_and_no_others(tmp_path, volume, helper):
    local, models = helper("one")
    lines = copy(models, version(tmp_path, 1, FILES))
    assert served(volume, 1) == FILES
    assert (volume / "m/1/empty").is_dir()
    assert local.received > len(LARGE)
    assert re.fullmatch(r"copying models to stage: 100 % of [0-9.]+ [KM]iB", lines[-1])
    assert litter(volume) == []


def test_a_version_that_differs_in_one_file_moves_that_file_only(tmp_path, volume, helper):
    copy(helper("one")[1], version(tmp_path, 1, FILES))
    changed = {**FILES, "saved_model.pb": b"graph 2"}
    local, models = helper("two")
    copy(models, version(tmp_path, 2, changed))
    assert local.received < 5_000
    assert (served(volume, 1), served(volume, 2)) == (FILES, changed)


def test_nothing_is_sent_twice(tmp_path, helper):
    model = version(tmp_path, 1, FILES)
    copy(helper("one")[1], model)
    local, models = helper("two")
    assert copy(models, model) == []
    assert local.received == 0


def test_a_cut_copy_sends_only_the_rest_the_next_time(tmp_path, volume, helper):
    model = version(tmp_path, 1, {"saved_model.pb": LARGE})
    first, models = helper("one")
    first.cut_after = 200_000
    with pytest.raises(Cut):
        copy(models, model)
    assert not (volume / "m").exists()
    second, models = helper("two")
    second.cut_after = 50_000
    with pytest.raises(Cut):
        copy(models, model)
    third, models = helper("three")
    copy(models, model)
    assert served(volume, 1) == {"saved_model.pb": LARGE}
    assert third.received < 60_000
    assert litter(volume) == []


def test_what_a_living_command_is_sending_is_left_to_it(tmp_path, volume, helper):
    model = version(tmp_path, 1, {"saved_model.pb": LARGE})
    first, models = helper("one")
    first.cut_after = 200_000
    with pytest.raises(Cut):
        copy(models, model)
    second, models = helper("two")
    copy(models, model, live=("one", "two"))
    assert second.received > len(LARGE)
    assert [path.name for path in litter(volume)] == ["one"]
    assert served(volume, 1) == {"saved_model.pb": LARGE}


def test_two_commands_may_send_the_same_files_at_once(tmp_path, volume, helper):
    model = version(tmp_path, 1, FILES)
    with ThreadPoolExecutor(2) as pool:
        sending = [pool.submit(copy, helper(name)[1], model, live=("one", "two")) for name in ("one", "two")]
        for each in sending:
            each.result(60)
    assert served(volume, 1) == FILES
    assert litter(volume) == []
    assert len(list((volume / ".blobs").iterdir())) == len(FILES)


def test_a_wrong_byte_in_what_arrived_is_found_and_refused(tmp_path, volume, helper):
    model = version(tmp_path, 1, {"saved_model.pb": LARGE})
    first, models = helper("one")
    first.cut_after = 200_000
    with pytest.raises(Cut):
        copy(models, model)
    (partial,) = (volume / ".incoming" / "one").glob("*@0")
    partial.write_bytes(b"x" + partial.read_bytes()[1:])
    with pytest.raises(EngineError, match="other bytes") as refused:
        copy(helper("two")[1], model)
    assert str(model.path / "saved_model.pb") in refused.value.message
    assert not (volume / "m").exists()
    copy(helper("three")[1], model)
    assert served(volume, 1) == {"saved_model.pb": LARGE}


def test_a_file_that_was_changed_there_is_sent_again(tmp_path, volume, helper):
    model = version(tmp_path, 1, FILES)
    copy(helper("one")[1], model)
    (volume / "m/1/saved_model.pb").write_bytes(b"graph x")
    copy(helper("two")[1], model)
    assert served(volume, 1) == FILES


def test_a_file_that_was_only_touched_there_is_kept(tmp_path, volume, helper):
    model = version(tmp_path, 1, FILES)
    copy(helper("one")[1], model)
    os.utime(volume / "m/1/saved_model.pb")
    local, models = helper("two")
    copy(models, model)
    assert local.received == 0


def test_a_file_that_was_changed_here_is_named(tmp_path, helper):
    model = version(tmp_path, 1, {"saved_model.pb": b"graph 1"})
    manifest.write(model.path, model, manifest.hash_files(model.path))
    (model.path / "saved_model.pb").write_bytes(b"graph x")
    with pytest.raises(EngineError, match="not what was exported"):
        copy(helper("one")[1], model)


def test_other_files_under_a_number_are_put_in_place_at_once_or_refused(tmp_path, volume, helper):
    copy(helper("one")[1], version(tmp_path / "a", 1, FILES))
    other = version(tmp_path / "b", 1, {"saved_model.pb": b"graph 2"})

    def refuse(link: str) -> None:
        raise EngineError(link)

    with pytest.raises(EngineError, match="m/1"):
        helper("two")[1].transfer([other], (), refuse, print)
    assert served(volume, 1) == FILES
    copy(helper("three")[1], other)
    assert served(volume, 1) == {"saved_model.pb": b"graph 2"}


def test_a_version_that_is_forgotten_takes_along_what_no_other_has(tmp_path, volume, helper):
    copy(helper("one")[1], version(tmp_path, 1, FILES), version(tmp_path, 2, {**FILES, "saved_model.pb": b"graph 2"}))
    models = helper("two")[1]
    models.forget(["m/1", "never/7"], collect=True)
    assert served(volume, 2) == {**FILES, "saved_model.pb": b"graph 2"}
    assert not (volume / "m/1").is_symlink()
    assert len(list((volume / ".blobs").iterdir())) == len(FILES)
    models.forget(["m/2"], collect=True)
    assert [path for path in volume.rglob("*") if path.is_file()] == []


def test_a_full_disk_is_refused_before_anything_is_sent(tmp_path, helper, monkeypatch):
    local, models = helper("one")
    monkeypatch.setattr("deployer.engines.docker.remote.models.MARGIN_BYTES", 1 << 60)
    with pytest.raises(EngineError, match="disk of stage is full"):
        copy(models, version(tmp_path, 1, FILES))
    assert local.received == 0


def test_configurations_are_replaced_and_removed(volume, helper):
    models = helper("one")[1]
    models._prepare({}, ())
    models.publish_config("local@p/m/r1", {"a": "1", "b": "2"})
    models.publish_config("local@p/m/r1", {"a": "3"})
    root = volume / ".config/local@p/m"
    assert {path.name: path.read_text() for path in (root / "r1").iterdir()} == {"a": "3", "b": "2"}
    models.delete_config("local@p/m/r1")
    assert not root.exists()


def test_unusual_names_of_files_arrive(tmp_path, volume, helper):
    files = {"saved_model.pb": b"graph", 'assets/it\'s \n "odd" $(x) -rf': b"1", "assets/-n": b"2", "assets/ü": b"3"}
    copy(helper("one")[1], version(tmp_path, 1, files))
    assert served(volume, 1) == files


def test_the_content_of_a_version_has_the_digest_of_the_store(tmp_path):
    model = version(tmp_path, 1, FILES)
    assert manifest.content_digest(Content.of(model).digests) == model.digest
