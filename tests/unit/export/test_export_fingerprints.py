"""Fingerprints that are the same for the same SavedModel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployer.export import fingerprints
from deployer.savedmodel.messages import message_class


def written(directory: Path, uuid: str, checkpoint: int = 5) -> Path:
    directory.mkdir()
    message = message_class("tensorflow.FingerprintDef")(graph_def_program_hash=7, checkpoint_hash=checkpoint)
    message.uuid = uuid
    path = directory / fingerprints.FILE
    path.write_bytes(message.SerializeToString())
    return path


@pytest.mark.parametrize(("checkpoint", "equal"), [(5, True), (6, False)])
def test_only_the_random_part_is_replaced(tmp_path: Path, checkpoint: int, equal: bool) -> None:
    first, second = written(tmp_path / "a", "1771"), written(tmp_path / "b", "88123", checkpoint)
    for path in (first, second):
        fingerprints.make_repeatable(path.parent)
    assert (first.read_bytes() == second.read_bytes()) is equal
    kept = message_class("tensorflow.FingerprintDef")()
    kept.ParseFromString(second.read_bytes())
    assert (kept.graph_def_program_hash, kept.checkpoint_hash) == (7, checkpoint)
    assert kept.uuid.isdecimal()


def test_a_file_of_the_user_stays_as_it_is(tmp_path: Path) -> None:
    source = written(tmp_path / "source", "1771")
    before = source.read_bytes()
    (tmp_path / "target").mkdir()
    os.link(source, tmp_path / "target" / fingerprints.FILE)
    fingerprints.make_repeatable(tmp_path / "target")
    assert source.read_bytes() == before
    assert (tmp_path / "target" / fingerprints.FILE).read_bytes() != before


def test_a_model_without_a_fingerprint_gets_none(tmp_path: Path) -> None:
    fingerprints.make_repeatable(tmp_path)
    assert list(tmp_path.iterdir()) == []
