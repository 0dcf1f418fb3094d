"""A name that means a stored model and a file or directory here: refused where they differ, and only there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS

from deployer import export as exporter
from deployer.errors import UsageError
from deployer.results.model import GoldenSummary
from deployer.rollout import source_changes
from deployer.rollout.export_options import ExportOptions
from deployer.savedmodel.layout import MANIFEST_FILE
from deployer.store.store import Store

HALF = MODELS / "half_plus_two"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A directory with a SavedModel `sm` that was exported once."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(HALF / "1", "sm")
    kept = Store(Path("models"))
    export(kept)
    return kept


def export(store: Store, **options: object) -> None:
    """Without asking TensorFlow anything."""
    source = exporter.identify(ExportOptions(**options).request("sm"))
    with store.stage("sm") as stage:
        shutil.copytree("sm", stage.directory, dirs_exist_ok=True)
        stage.hashes.begin()
        store.publish(stage, source, GoldenSummary(1, "made"))


def retrain(version: str = "2") -> None:
    shutil.copytree(HALF / version, "sm", dirs_exist_ok=True)


def test_the_same_is_no_question(store):
    source_changes.check_ambiguous("sm", store, ExportOptions())
    assert in_process("plan", "sm", "--skip-gate", "--engine=embedded", cwd=Path.cwd()).code == 0


@pytest.mark.parametrize("arguments", [("up", "sm"), ("plan", "sm"), ("render", "sm")])
def test_a_directory_that_changed_since_is_refused_with_both_ways_out(store, arguments):
    retrain()
    ended = in_process(*arguments, cwd=Path.cwd())
    assert ended.code == 2
    assert "./sm" in ended.err
    assert "sm:1" in ended.err


def test_each_way_out_is_taken(store):
    retrain()
    for target in ("sm:1", "models/sm"):
        assert in_process("plan", target, "--skip-gate", "--engine=embedded", cwd=Path.cwd()).code == 0
    planned = in_process("plan", "./sm", "--json", "--engine=embedded", cwd=Path.cwd())
    assert planned.json["plan"]["steps"][0]["action"].startswith("export ./sm as sm:2")


def test_one_that_was_put_in_its_place_with_its_old_dates_is_refused(store):
    shutil.copytree(HALF / "2", "other")
    shutil.rmtree("sm")
    Path("other").rename("sm")
    with pytest.raises(UsageError, match="could mean two"):
        source_changes.check_ambiguous("sm", store, ExportOptions())


def test_a_base_path_with_a_newer_version_is_refused(store):
    shutil.rmtree("sm")
    shutil.copytree(HALF / "2", "sm/2")
    with pytest.raises(UsageError):
        source_changes.check_ambiguous("sm", store, ExportOptions())


def export_with_options(store: Store) -> None:
    export(store, default_signature="serving_default")


def export_with_examples(store: Store) -> None:
    Path("examples.json").write_text("[]")
    export(store, examples=Path("examples.json"))


def export_without_digest_of_its_bytes(store: Store) -> None:
    """As versions that were made before sources had one."""
    export_with_options(store)
    manifest = Path("models/sm/2") / MANIFEST_FILE
    manifest.write_text(manifest.read_text().replace('"content"', '"unknown"'))


@pytest.mark.parametrize("export_otherwise", [export_with_options, export_with_examples])
def test_a_difference_that_options_alone_explain_is_no_change_of_the_source(store, export_otherwise):
    export_otherwise(store)
    for path in ("sm", "sm/saved_model.pb"):
        os.utime(path)
    assert source_changes.notices(["sm"], store, ExportOptions()) == ()
    source_changes.check_ambiguous("sm", store, ExportOptions())


@pytest.mark.parametrize("export_otherwise", [export_with_options, export_with_examples])
def test_no_command_leaves_out_the_options_of_the_export(store, export_otherwise):
    export_otherwise(store)
    retrain()
    (said,) = source_changes.notices(["sm"], store, ExportOptions())
    assert "deployer up" not in said
    assert "sm:2" in said
    with pytest.raises(UsageError) as refused:
        source_changes.check_ambiguous("sm", store, ExportOptions())
    assert "deployer up ./sm" not in refused.value.hint


@pytest.mark.parametrize("changes", [False, True])
def test_of_a_source_of_another_name_with_options_only_a_change_is_said(store, changes):
    Path("sm").rename("trained")
    source = exporter.identify(ExportOptions(default_signature="serving_default").request("trained"))
    with store.stage("m") as stage:
        shutil.copytree("trained", stage.directory, dirs_exist_ok=True)
        stage.hashes.begin()
        store.publish(stage, source, GoldenSummary(1, "made"))
    os.utime("trained/saved_model.pb")
    if changes:
        shutil.copytree(HALF / "2", "trained", dirs_exist_ok=True)
    said = source_changes.notices(["m"], store, ExportOptions())
    assert ["m:1" in text and "deployer up" not in text for text in said] == [True] * changes


def test_what_was_exported_with_options_before_bytes_had_a_digest_is_judged_by_its_dates(store, monkeypatch):
    export_without_digest_of_its_bytes(store)
    monkeypatch.setattr(source_changes, "_latest", lambda _: 0.0)
    source_changes.check_ambiguous("sm", store, ExportOptions())
    monkeypatch.setattr(source_changes, "_latest", lambda _: 1e12)
    with pytest.raises(UsageError, match="sm:2"):
        source_changes.check_ambiguous("sm", store, ExportOptions())


def test_a_version_of_another_tool_is_compared_by_its_files(store):
    shutil.rmtree("models/sm")
    shutil.copytree("sm", "models/sm/1")
    source_changes.check_ambiguous("sm", store, ExportOptions())
    retrain()
    with pytest.raises(UsageError):
        source_changes.check_ambiguous("sm", store, ExportOptions())


@pytest.mark.parametrize("kind", ["directory", "file", "store", "gone"])
def test_what_is_no_source_cannot_be_meant(store, kind, monkeypatch):
    shutil.rmtree("sm")
    if kind == "directory":
        Path("sm").mkdir()
        Path("sm", "train.py").touch()
    elif kind == "file":
        Path("sm").write_text("notes")
    elif kind == "store":
        monkeypatch.chdir("models")
        store = Store(Path())
    assert source_changes.describe_change("sm", store, ExportOptions()) == ""


def test_redeploy_can_mean_the_store_alone_and_says_what_is_here(store):
    retrain()
    (said,) = source_changes.notices(["sm", "other"], store, ExportOptions())
    assert "deployer up ./sm" in said


@pytest.mark.parametrize("changes", [False, True])
def test_a_source_of_another_name_that_changed_is_said(store, changes):
    Path("sm").rename("trained")
    source = exporter.identify(ExportOptions().request("trained"))
    with store.stage("m") as stage:
        shutil.copytree("trained", stage.directory, dirs_exist_ok=True)
        stage.hashes.begin()
        store.publish(stage, source, GoldenSummary(1, "made"))
    if changes:
        shutil.copytree(HALF / "2", "trained", dirs_exist_ok=True)
    said = source_changes.notices(["m"], store, ExportOptions())
    assert [f"deployer up {Path('trained').resolve()} --name m" in text for text in said] == [True] * changes


def notes_of(*target: str) -> list[str]:
    shown = in_process("inspect", *target, "--json", cwd=Path.cwd())
    assert shown.code == 0, shown.err
    return [note for note in shown.json["notes"] if "was exported" in note]


@pytest.mark.parametrize("place", ["sm", "trained"], ids=["of the name", "elsewhere"])
def test_inspect_notes_that_the_source_of_the_newest_version_has_changed(store, place):
    Path("sm").rename(place)
    source = exporter.identify(ExportOptions().request(place))
    with store.stage("m" if place != "sm" else "sm") as stage:
        name = stage.name
        shutil.copytree(place, stage.directory, dirs_exist_ok=True)
        stage.hashes.begin()
        newest = store.publish(stage, source, GoldenSummary(1, "made")).version
    assert notes_of(name) == notes_of(f"{name}:{newest}") == []
    shutil.copytree(HALF / "2", place, dirs_exist_ok=True)
    (said,) = notes_of(name)
    assert f"{name}:{newest} was exported" in said
    assert notes_of(f"{name}:{newest}") == [said]
    if newest > 1:
        assert notes_of(f"{name}:1") == []
    assert notes_of(f"./{place}") == []
