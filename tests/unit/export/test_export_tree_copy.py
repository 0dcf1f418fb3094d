"""How a SavedModel's files come into the store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.errors import BrokenModel
from deployer.export.saved_models.tree_copy import clone_or_copy, files_below


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "saved_model.pb"
    path.parent.mkdir()
    path.write_bytes(b"graph" * 1000)
    path.chmod(0o644)
    return path


def test_bytes_are_shared_and_not_copied(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target" / "saved_model.pb"
    clone_or_copy(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert not target.is_symlink()


@pytest.mark.parametrize(("name", "linked"), [("variables.data-00000-of-00001", True), ("variables.index", False)])
def test_only_what_tensorflow_never_overwrites_is_linked(source: Path, tmp_path: Path, name: str, linked: bool) -> None:
    target = tmp_path / name
    clone_or_copy(source, target)
    assert source.stat().st_mode & 0o777 == 0o644
    assert target.samefile(source) == (linked and source.stat().st_nlink == 2)
    assert target.read_bytes() == source.read_bytes()


def test_a_private_file_is_not_linked(source: Path, tmp_path: Path) -> None:
    source.chmod(0o600)
    target = tmp_path / "variables.data-00000-of-00001"
    clone_or_copy(source, target)
    assert source.stat().st_nlink == 1
    assert source.stat().st_mode & 0o777 == 0o600
    assert target.read_bytes() == source.read_bytes()


def test_a_link_inside_is_followed(source: Path, tmp_path: Path) -> None:
    link = source.parent / "assets" / "other.txt"
    link.parent.mkdir()
    link.symlink_to("../saved_model.pb")
    assert set(files_below(source.parent)) == {source, link}
    clone_or_copy(link, tmp_path / "other.txt")
    assert not (tmp_path / "other.txt").is_symlink()


@pytest.mark.parametrize("to", ["/etc/passwd", "../../elsewhere", "/etc"])
def test_a_link_outside_is_refused(source: Path, tmp_path: Path, to: str) -> None:
    (tmp_path / "elsewhere").write_text("secret")
    (source.parent / "variables").mkdir()
    (source.parent / "variables" / "data").symlink_to(to)
    with pytest.raises(BrokenModel, match="outside of the model"):
        list(files_below(source.parent))


def test_a_directory_that_is_a_link_itself_is_fine(source: Path, tmp_path: Path) -> None:
    latest = tmp_path / "latest"
    latest.symlink_to(source.parent)
    assert list(files_below(latest)) == [latest / "saved_model.pb"]


def test_a_dangling_link_is_refused(source: Path) -> None:
    (source.parent / "gone").symlink_to("nothing")
    with pytest.raises(BrokenModel, match="nowhere"):
        list(files_below(source.parent))


@pytest.mark.parametrize("to", [".", "loop"])
def test_a_circle_is_refused(source: Path, to: str) -> None:
    (source.parent / "loop").symlink_to(to)
    with pytest.raises(BrokenModel, match="is a link"):
        list(files_below(source.parent))


def test_a_pipe_is_refused(source: Path) -> None:
    os.mkfifo(source.parent / "pipe")
    with pytest.raises(BrokenModel, match="neither a file nor a directory"):
        list(files_below(source.parent))
