"""A source that is not there is answered with those that are: the hint names files that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from deployer import export
from deployer.errors import SourceNotFound
from deployer.export import missing_files
from deployer.export.base import ExportRequest
from deployer.export.source_kinds import kind_of


def meant(source: str) -> list[str]:
    """The sources that the hint names, as a shell reads them."""
    with pytest.raises(SourceNotFound) as caught:
        export.identify(ExportRequest(source))
    assert "there is no file" in caught.value.message
    found = re.fullmatch(r"did you mean (.*)\?", caught.value.hint or "")
    return shlex.split(found[1].replace(" or ", " ")) if found else []


def touch(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()


@pytest.fixture
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


KINDS = [
    ("other.keras", ["digits.keras", "othr.h5"], "notes.txt"),
    ("other.h5", ["other.keras", "x.hdf5"], "x.pb"),
    ("OTHER.KERAS", ["other.keras"], "other"),
    ("graph.pb", ["graf.pb", "model.meta"], "graph.pb.txt"),
    ("model.meta", ["model-1.meta"], "model-1.index"),
    ("net.tar.gz", ["nets.tgz", "net.zip"], "net.gz"),
    ("train.py:model", ["trian.py"], "train.pyc"),
    ("train.py:Nets.small", ["a.py"], "a.ipynb"),
]


@pytest.mark.parametrize("below", ["", "deep/"])
@pytest.mark.parametrize(("source", "there", "other"), KINDS)
def test_the_files_of_the_kind_are_named(in_directory, source, there, other, below):
    tmp_path = in_directory
    touch(tmp_path, *(below + name for name in (*there, other)))
    (tmp_path / below / "directory.keras").mkdir()
    behind = source.partition(":")[2]
    found = meant(source)
    assert sorted(found) == sorted(below + name + (f":{behind}" if behind else "") for name in there)
    for each in found:
        assert kind_of(each).location(each)


def test_a_few_are_named_the_nearest_first(tmp_path):
    touch(tmp_path, *(f"model{number}.keras" for number in range(missing_files.MAX_ENTRIES - 1)), "digits.keras")
    found = meant(f"{tmp_path}/model7x.keras")
    assert (found[0], len(found)) == (f"{tmp_path}/model7.keras", 3)


def test_names_are_quoted_for_a_shell(tmp_path):
    touch(tmp_path, "my model.keras")
    with pytest.raises(SourceNotFound) as caught:
        export.identify(ExportRequest(f"{tmp_path}/my.keras"))
    assert caught.value.hint == f"did you mean '{tmp_path}/my model.keras'?"


@pytest.mark.parametrize("source", ["other.keras", "deep/other.pb", "deep/train.py:model"])
def test_where_there_is_nothing_of_the_kind_the_directory_is_named(in_directory, source):
    with pytest.raises(SourceNotFound) as caught:
        export.identify(ExportRequest(source))
    assert (str(Path(source).parent) if "/" in source else str(in_directory)) in (caught.value.hint or "")
