"""The store: a version is there whole or not at all, is never overwritten, and anyone may read it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.world import MODELS

from deployer.errors import (
    BrokenModel,
    DeployerError,
    ExportFailed,
    InvalidValue,
    LockHeld,
    ModelNotFound,
    VersionExists,
    undone,
)
from deployer.results.model import GoldenSummary, Model, Source
from deployer.results.served import ServedModel
from deployer.savedmodel import reader
from deployer.savedmodel.layout import MANIFEST_FILE
from deployer.store import store as stores
from deployer.store.store import Stage, Store
from deployer.system.files import sha256

SOURCE = Source("keras", "m.keras", "d1", keras="3.15.0")
GOLDEN = GoldenSummary(3, "made", ("serving_default/noise",), ("classify: takes tf.Example",))
HALF = MODELS / "half_plus_two"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def fill(stage: Stage, version: int = 1) -> None:
    shutil.copytree(HALF / str(version), stage.directory, dirs_exist_ok=True)


def publish(store: Store, name: str = "m", version: int | None = None, source: int = 1) -> Model:
    with store.stage(name) as stage:
        fill(stage, source)
        return store.publish(stage, SOURCE, GOLDEN, version)


@pytest.mark.parametrize(
    ("when", "said"), [("before", "no version of m was made"), ("after", "m:1 was made and stays")]
)
def test_what_is_interrupted_is_reported_whether_there_is_a_version(store: Store, when: str, said: str) -> None:
    with pytest.raises(KeyboardInterrupt) as interrupted:
        abandon(store, KeyboardInterrupt(), publishing=when == "after")
    assert undone(interrupted.value) == (said,)
    assert store.versions("m") == ((1,) if when == "after" else ())


def abandon(store: Store, error: BaseException, *, publishing: bool = False) -> None:
    with store.stage("m") as stage:
        fill(stage)
        if publishing:
            store.publish(stage, SOURCE, GOLDEN)
        raise error


def publish_garbage(store: Store) -> None:
    with store.stage("m") as stage:
        (stage.directory / "saved_model.pb").write_bytes(b"\x0a")
        store.publish(stage, SOURCE, GOLDEN)


def entries(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_what_was_published_is_read_back(store):
    made = publish(store)
    assert (made.name, made.version, made.path) == ("m", 1, store.root / "m" / "1")
    assert (made.source, made.golden, made.info.keras) == (SOURCE, GOLDEN, "3.15.0")
    assert made.info.signatures == reader.read(HALF / "1").signatures
    assert made.signature("serving_default") in made.info.signatures
    assert made.signature("nothing") is None
    assert store.get("m") == store.get("m", 1) == store.newest("m") == made
    assert entries(store.root / "m") == ["1"]


def test_the_manifest_has_the_hash_of_every_file(store):
    made = publish(store)
    files = json.loads((made.path / MANIFEST_FILE).read_text())["files"]
    there = {path.relative_to(made.path).as_posix() for path in made.path.rglob("*") if path.is_file()}
    assert set(files) == there - {MANIFEST_FILE.as_posix()}
    assert all(sha256(made.path / name) == digest for name, digest in files.items())


def test_versions_go_on_after_the_highest(store):
    assert [publish(store).version, publish(store, version=7).version, publish(store).version] == [1, 7, 8]
    assert store.versions("m") == (1, 7, 8)
    assert (store.newest("m") or pytest.fail("nothing")).version == 8


def test_a_version_is_never_overwritten(store):
    first = publish(store)
    before = (first.path / "saved_model.pb").stat().st_ino
    with pytest.raises(VersionExists, match="version 1 of model m exists") as refused:
        publish(store, version=1, source=2)
    assert refused.value.hint == "leave --version out to make version 2"
    assert (first.path / "saved_model.pb").stat().st_ino == before
    assert store.get("m") == first
    assert entries(store.root / "m") == ["1"]


def test_a_file_or_an_empty_directory_in_the_way_is_not_overwritten(store):
    (store.root / "m" / "2").mkdir(parents=True)
    (store.root / "m" / "3").touch()
    for taken in (2, 3):
        with pytest.raises(VersionExists):
            publish(store, version=taken)
    assert entries(store.root / "m") == ["2", "3"]


@pytest.mark.parametrize("version", [0, -1, 2**63])
def test_a_version_that_cannot_be_is_refused(store, version):
    with pytest.raises(InvalidValue):
        publish(store, version=version)
    assert not store.root.exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b", "n" * 300])
def test_a_name_that_cannot_be_a_directory_is_refused(store, name):
    with pytest.raises(InvalidValue), store.stage(name):
        pass
    with pytest.raises(InvalidValue):
        store.get(name)
    assert not store.root.exists()


def test_what_is_no_saved_model_is_not_published_and_leaves_nothing(store):
    with pytest.raises(BrokenModel):
        publish_garbage(store)
    assert not store.root.exists()


def test_a_disk_that_fails_is_an_error_that_names_the_directory_and_leaves_nothing(store):
    with pytest.raises(ExportFailed, match=f"writing below {store.root / 'm'} failed: No space left on device"):
        abandon(store, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert not store.root.exists()


def test_an_abandoned_stage_leaves_the_other_versions_alone(store):
    publish(store)
    with pytest.raises(KeyboardInterrupt):
        abandon(store, KeyboardInterrupt())
    assert entries(store.root / "m") == ["1"]


KILLED = """
import os, signal, sys
from pathlib import Path
from deployer.store.store import Store
with Store(Path(sys.argv[1])).stage("m") as stage:
    (stage.directory / "half").write_bytes(b"x" * 100)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_export_left_is_no_version_and_is_swept_by_the_next(store):
    ended = subprocess.run([sys.executable, "-c", KILLED, str(store.root)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert any((store.root / "m").glob(".stage-*/half"))
    assert (store.names(), store.versions("m"), store.newest("m")) == ((), (), None)
    assert publish(store).version == 1
    assert entries(store.root / "m") == ["1"]


def test_one_export_at_a_time_for_a_model_and_others_go_on(store, monkeypatch):
    monkeypatch.setattr(stores, "LOCK_WAIT_SECONDS", 0.0)
    with store.stage("m") as stage:
        with pytest.raises(LockHeld, match=f"model m is being worked on by process {os.getpid()}"), store.stage("m"):
            pass
        assert stage.directory.is_dir()
        publish(store, "other")
    assert store.names() == ("other",)


def test_anyone_may_read_a_version_whatever_the_umask(store):
    before = os.umask(0o077)
    try:
        made = publish(store)
    finally:
        os.umask(before)
    for path in (store.root, store.root / "m", made.path, *made.path.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o444 == 0o444, path
        assert not path.is_dir() or mode & 0o111 == 0o111, path


def test_a_directory_that_was_closed_on_purpose_stays_closed(store):
    store.root.mkdir(mode=0o700)
    publish(store)
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o700


def test_a_file_that_is_readable_already_keeps_its_time_of_change(store):
    """A hard link to the owner's file: its inode must not be touched."""
    with store.stage("m") as stage:
        fill(stage)
        file = stage.directory / "saved_model.pb"
        file.chmod(0o644)
        changed = file.stat().st_ctime_ns
        made = store.publish(stage, SOURCE, GOLDEN)
    assert (made.path / "saved_model.pb").stat().st_ctime_ns == changed


def test_the_digest_is_of_the_savedmodel_and_not_of_what_is_kept_beside_it(store):
    first = publish(store)
    with store.stage("m") as stage:
        fill(stage)
        (stage.directory / "assets.extra").mkdir()
        (stage.directory / "assets.extra" / "notes.txt").write_text("ours")
        second = store.publish(stage, SOURCE, GOLDEN)
    assert first.digest == second.digest
    assert publish(store, source=2).digest != first.digest


@pytest.mark.parametrize("name", ["assets/vocabulary.txt", "assets.extra.txt", "assets.extras/x"])
def test_every_other_file_counts(store, name):
    plain = publish(store)
    with store.stage("m") as stage:
        fill(stage)
        (stage.directory / name).parent.mkdir(exist_ok=True)
        (stage.directory / name).write_text("x")
        other = store.publish(stage, SOURCE, GOLDEN)
    assert other.digest != plain.digest


def foreign(store: Store, name: str = "m", version: int = 4) -> Path:
    return Path(shutil.copytree(HALF / "1", store.root / name / str(version)))


def test_a_version_of_another_tool_is_read_from_its_files(store):
    made = publish(store)
    foreign(store)
    found = store.get("m")
    assert (found.version, found.source.kind, found.golden) == (4, "foreign", GoldenSummary(0, "none"))
    assert (found.info.signatures, found.digest) == (made.info.signatures, made.digest)
    assert publish(store).version == 5


def test_names_and_versions_list_only_what_a_server_would_load(store):
    foreign(store, "b", 10)
    foreign(store, "b", 9)
    foreign(store, "a", 1)
    for other in ("a/01", "a/0", "a/-1", "a/x", "a/1.5", "a/tmp", f"a/{2**63}", ".git/1", "empty", "lost+found/1"):
        (store.root / other).mkdir(parents=True)
    (store.root / "file").touch()
    assert store.names() == ("a", "b")
    assert (store.versions("a"), store.versions("b")) == ((1,), (9, 10))


def test_an_empty_store_has_nothing(store):
    assert (store.names(), store.versions("m"), store.newest("m"), store.next_version("m")) == ((), (), None, 1)
    assert not store.root.exists()


def test_what_is_not_there_is_answered_with_what_is(store):
    with pytest.raises(ModelNotFound, match=r"there is: no models$"):
        store.get("m")
    publish(store)
    with pytest.raises(ModelNotFound, match=r"there is: m$"):
        store.get("n")
    with pytest.raises(ModelNotFound, match=r"model m has no version 2; it has 1$") as refused:
        store.get("m", 2)
    assert refused.value.hint == "deployer versions m"


def spoiled(manifest: dict, place: str, value: object) -> str:
    *path, last = place.split(".")
    target = manifest
    for part in path:
        target = target[int(part)] if isinstance(target, list) else target[part]
    target[last] = value
    return json.dumps(manifest)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "7", "[" * 100_000, "\ud800"])
def test_a_manifest_of_garbage_is_a_broken_model(store, text):
    manifest = publish(store).path / MANIFEST_FILE
    manifest.write_text(text, errors="surrogatepass")
    with pytest.raises(BrokenModel, match=r"the manifest .* cannot be read"):
        store.get("m")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("digest", 5), ("created", None), ("source", []), ("source.kind", 1), ("golden.cases", "3"),
        ("golden.random_outputs", "abc"), ("info", None), ("info.size_bytes", "1"), ("info.size_bytes", True),
        ("info.tags", "serve"), ("info.signatures", {"a": 1}), ("info.signatures.0.name", None),
        ("info.signatures.0.inputs.0.shape", [None, "3"]), ("info.signatures.0.inputs.0.dtype", 1),
    ],
)  # fmt: skip
def test_a_manifest_of_other_types_is_a_broken_model(store, place, value):
    manifest = publish(store).path / MANIFEST_FILE
    manifest.write_text(spoiled(json.loads(manifest.read_text()), place, value))
    with pytest.raises(BrokenModel, match=r"the manifest .* cannot be read"):
        store.get("m")


def test_a_manifest_speaks_neither_for_another_place_nor_for_another_version(store):
    made = publish(store)
    made.path.rename(store.root / "m" / "9")
    assert (store.get("m").version, store.get("m").path) == (9, store.root / "m" / "9")


def test_a_broken_foreign_version_is_reported_as_such(store):
    (foreign(store) / "saved_model.pb").unlink()
    with pytest.raises(DeployerError, match="is not a SavedModel"):
        store.get("m")


def test_what_a_server_serves_and_the_store_has_lost(store):
    publish(store)
    served = (ServedModel("m", (1, 99)), ServedModel("gone", (7,)))
    assert store.missing_versions(served) == ("m:99", "gone:7")


def test_notes_of_an_export_are_kept_with_the_version(store):
    with store.stage("m") as stage:
        fill(stage)
        store.publish(stage, SOURCE, GOLDEN, notes=("input 'my input' is served as 'my_input'",))
    assert store.get("m", 1).notes == ("input 'my input' is served as 'my_input'",)
