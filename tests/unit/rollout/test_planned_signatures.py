"""`plan` of a source compares the signatures that it declares with those that serve, before anything is exported."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest
from support.memory import linear
from support.memory.linear import Linear
from support.memory.project import NAME, VERSIONS, Project

import deployer
from deployer.errors import BrokenModel, ExportFailed, VerificationFailed
from deployer.results.changes import UpResult
from deployer.results.plan import Change

OTHER = Linear(0.5, 2.0, input="other")
"""A model whose clients send another input."""


def directory(at: Path, trained: Linear) -> Path:
    linear.write(at / "trained", trained)
    return at / "trained"


def base_path(at: Path, trained: Linear) -> Path:
    linear.write(at / "versions" / "1", VERSIONS[1])
    linear.write(at / "versions" / "2", trained)
    return at / "versions"


def tar(at: Path, trained: Linear) -> Path:
    with tarfile.open(at / "trained.tar.gz", "w:gz") as packed:
        packed.add(directory(at, trained), "trained/2")
    return at / "trained.tar.gz"


def zipped(at: Path, trained: Linear) -> Path:
    root = directory(at, trained)
    with zipfile.ZipFile(at / "trained.zip", "w") as packed:
        for path in filter(Path.is_file, root.rglob("*")):
            packed.write(path, path.relative_to(root))
    return at / "trained.zip"


SOURCES = pytest.mark.parametrize("made", [directory, base_path, tar, zipped])


def plan(project: Project, source: Path, default_signature: str | None = None, **settings: object) -> UpResult:
    options = deployer.ExportOptions(name=NAME, default_signature=default_signature)
    return deployer.up(str(source), options=options, settings=project.settings(**settings), dry_run=True)


@SOURCES
def test_signatures_that_break_clients_are_refused_as_by_up(serving, made):
    source = made(serving.directory, OTHER)
    with pytest.raises(VerificationFailed) as refused:
        plan(serving, source)
    assert all(text in refused.value.message for text in ("input other", f"{NAME}:4", f"{NAME}:1"))
    assert "--allow-breaking" in (refused.value.hint or "")
    assert "deployer diff" not in (refused.value.hint or "")  # the store has no version to compare
    assert serving.store.versions(NAME) == (1, 2, 3)


@SOURCES
def test_what_is_let_through_is_named(serving, made):
    source = made(serving.directory, OTHER)
    for accepted in ({"allow_breaking": True}, {"skip_gate": True}):
        (said,) = [text for text in plan(serving, source, **accepted).notices if "clients break" in text]
        assert "input other" in said


@SOURCES
def test_equal_signatures_break_nobody(serving, made):
    assert plan(serving, made(serving.directory, VERSIONS[2])).plan.change is Change.RELOAD


def test_the_signature_that_becomes_the_default_counts(serving):
    source = directory(serving.directory, VERSIONS[2])
    assert plan(serving, source, "serving_default").plan.change is Change.RELOAD
    with pytest.raises(ExportFailed) as refused:
        plan(serving, source, "encode")
    assert "--default-signature serving_default" in (refused.value.hint or "")


def test_a_damaged_archive_is_refused_as_by_up(serving):
    source = tar(serving.directory, VERSIONS[2])
    source.write_bytes(source.read_bytes()[:-40])
    with pytest.raises(BrokenModel):
        plan(serving, source)


def test_nothing_is_left_of_an_archive(serving, tmp_path, monkeypatch):
    source = tar(serving.directory, VERSIONS[2])
    unpacked = tmp_path / "temporary"
    unpacked.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(unpacked))
    plan(serving, source)
    assert list(unpacked.iterdir()) == []


def test_a_source_that_only_running_it_tells_is_planned(serving):
    source = serving.directory / "model.keras"
    with zipfile.ZipFile(source, "w") as packed:
        packed.writestr("config.json", "{}")
    assert plan(serving, source).plan.change is Change.RELOAD
