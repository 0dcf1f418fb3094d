"""What a person means by TARGET: a source to export, or a model that the store has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.world import MODELS

from deployer.errors import InvalidValue, SourceNotFound, UsageError
from deployer.export.graphs import file as graph_file
from deployer.export.keras import file as keras_file
from deployer.export.saved_models import archive
from deployer.results.model import GoldenSummary, Source
from deployer.rollout.targets import SOURCE_SUFFIXES, Stored, as_text, name_for, next_version, stored
from deployer.store.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with `m` in two versions and `n.v1`, seen from a directory that has a file and a directory, too."""
    for place in ("m/1", "m/4", "n.v1/1"):
        shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / place)
    monkeypatch.chdir(tmp_path)
    for name in ("m", "file"):
        Path(name).touch()
    shutil.copytree(MODELS / "half_plus_two" / "1", "exported")
    return Store(Path("models"))


def export_into(store: Store, name: str, version: int) -> None:
    """Put a version of the tool's own in the place of another tool's."""
    shutil.rmtree(store.root / name / str(version))
    with store.stage(name) as stage:
        shutil.copytree(MODELS / "half_plus_two" / "1", stage.directory, dirs_exist_ok=True)
        stage.hashes.begin()
        store.publish(stage, Source("saved_model", "exported", None), GoldenSummary(1, "made"), version)


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("m", Stored("m", None)), ("m:4", Stored("m", 4)), ("m:9", Stored("m", 9)), ("unknown:1", Stored("unknown", 1)),
        ("n.v1", Stored("n.v1", None)), ("n.v1:1", Stored("n.v1", 1)), (f"m:{2**63 - 1}", Stored("m", 2**63 - 1)),
    ],
)  # fmt: skip
def test_a_name_in_the_store_or_any_with_a_version_is_stored(store, target, meant):
    """A stored model wins over a file of its name."""
    assert stored(target, store) == meant


@pytest.mark.parametrize(
    "target",
    [
        "file", "exported", "./m", "models/m/1/variables", "models/m/2", "models/other", "models", "/abs/model",
        "model.keras", "m.h5", "train.py", "dir/train.py:model",
        "train.py:model", "package.module:name", "code:latest", "m:", "m:-1", "a:b:1", "", "~/m",
    ],
)  # fmt: skip
def test_anything_else_is_a_source(store, target):
    assert stored(target, store) is None


@pytest.mark.parametrize(
    ("target", "meant"),
    [("models/m", Stored("m", None)), ("./models/m/", Stored("m", None)), ("x/../models/m/4", Stored("m", 4))],
)
def test_the_path_of_what_was_exported_into_the_store_is_stored(store, target, meant):
    assert stored(target, store) is None, "another tool put it there: it is a source"
    export_into(store, "m", 4)
    assert stored(target, store) == meant
    assert stored(str(Path(target).absolute()), store) == meant


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("versions", 30),
        ("versions/30", 30),
        ("versions/2", 5),
        ("exported", 5),
        ("train.py:model", 5),
        ("long/9223372036854775808", 5),
    ],
)
def test_a_version_directory_keeps_its_number_where_that_is_the_highest(store, source, number):
    for place in ("versions/2", "versions/30", f"long/{2**63}"):
        shutil.copytree(MODELS / "half_plus_two" / "1", place)
    assert next_version(store, "m", source) == number


@pytest.mark.parametrize("target", ["unknown", "models2", "a b", "x" * 300, "nul\0byte", "ü"])
def test_what_is_neither_is_reported_with_what_there_is(store, target):
    with pytest.raises(SourceNotFound, match=r"there: m, n\.v1") as refused:
        stored(target, store)
    assert "NAME[:VERSION]" in (refused.value.hint or "")


@pytest.mark.parametrize("target", ["m:0", f"m:{2**63}", "m:" + "9" * 5000])
def test_a_version_that_cannot_be_is_refused(store, target):
    with pytest.raises(InvalidValue):
        stored(target, store)


def test_a_path_is_taken_as_its_text_and_a_model_in_memory_is_not_taken():
    assert (as_text("m:1"), as_text(Path("a/b"))) == ("m:1", "a/b")
    with pytest.raises(UsageError, match="list is neither a path nor a name") as refused:
        as_text([])
    assert "model.save" in (refused.value.hint or "")


def test_in_an_empty_store_there_is_nothing(tmp_path):
    with pytest.raises(SourceNotFound, match="there: nothing"):
        stored("unknown", Store(tmp_path / "models"))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("model.keras", "model"), ("a/b/digits.h5", "digits"), ("my.model.keras", "my.model"),
        ("train.py:classifier", "classifier"), ("a/train.py:make_model", "make_model"), ("package.module:net", "net"),
        ("exported", "exported"), ("exported/", "exported"), ("models/digits/3", "digits"),
        ("digits/20260101/7", "digits"),
        ("a/digits.tar.gz", "digits"), ("digits.v2.tgz", "digits.v2"), ("digits.zip", "digits"),
    ],
)  # fmt: skip
def test_a_source_suggests_a_name(source, name):
    assert name_for(source) == name


def test_the_directory_itself_suggests_its_own_name(tmp_path, monkeypatch):
    (tmp_path / "digits" / "3").mkdir(parents=True)
    for place in ("digits", "digits/3"):
        monkeypatch.chdir(tmp_path / place)
        assert name_for(".") == "digits"


def test_no_kind_of_source_has_a_suffix_that_would_pass_for_a_models_name() -> None:
    suffixes = {*keras_file.SUFFIXES, *graph_file.SUFFIXES, *archive.SUFFIXES}
    assert not [suffix for suffix in suffixes if not suffix.endswith(SOURCE_SUFFIXES)]


@pytest.mark.parametrize(
    ("directory", "number"),
    [("0007", 7), ("+7", 7), ("7 ", 7), ("0", 1), ("-7", 1), ("9223372036854775808", 1), ("\u0667", 1), ("7_0", 1)],
)
def test_a_version_directory_has_the_number_that_tensorflow_serving_reads(tmp_path, directory, number):
    shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "half" / directory)
    store = Store(tmp_path / "models")
    assert next_version(store, "half", str(tmp_path / "half" / directory)) == number
    if directory.isascii() and "_" not in directory:
        assert name_for(str(tmp_path / "half" / directory)) == "half"
