"""The user's own files: imported, told about with file and line, and forgotten."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from deployer.errors import ExportFailed, SourceNotFound
from deployer.export.code.user_code import attribute, imported, user_code


def write(directory: Path, name: str, text: str) -> str:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def test_a_file_sees_its_neighbours_and_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path, "neighbour.py", "value = 1")
    place = write(tmp_path, "train.py", "import neighbour\nmodel = neighbour.value")
    before, path_before = set(sys.modules), list(sys.path)
    with imported(place) as module:
        assert module.model == 1
        assert sys.modules["neighbour"].value == 1
    assert (set(sys.modules) - before, sys.path) == (set(), path_before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["neighbour.py", "train.py"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    for value in (1, 2):
        write(tmp_path, "neighbour.py", f"value = {value}")
        with imported(write(tmp_path, "train.py", "from neighbour import value")) as module:
            assert module.value == value


def test_a_file_named_like_a_module_does_not_replace_it(tmp_path: Path) -> None:
    with imported(write(tmp_path, "json.py", "mine = True")) as module:
        assert module.mine
        assert "dumps" in vars(sys.modules["json"])


def test_a_package_is_found_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "pkg_of_test/__init__.py", "")
    write(tmp_path, "pkg_of_test/models.py", "model = 7")
    monkeypatch.chdir(tmp_path)
    with imported("pkg_of_test.models") as module:
        assert module.model == 7
    for missing in ("pkg_of_test.nothing", "no_such_pkg.models"):
        with pytest.raises(SourceNotFound, match="no Python module"), imported(missing):
            pass


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f():\n    return 1 / 0\n\nf()\n", "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit('no data')\n", "it called sys.exit('no data')"),
        ("import no_such_thing_at_all\n", "ModuleNotFoundError"),
        ("def f(:\n", "SyntaxError"),
        ("import json\njson.loads('{')\n", "JSONDecodeError"),
    ],
)
def test_a_file_that_fails_is_reported_with_its_last_line(tmp_path: Path, text: str, told: str) -> None:
    place = write(tmp_path, "train.py", text)
    with pytest.raises(ExportFailed) as caught, imported(place):
        pass
    line = {"ZeroDivisionError: division by zero": 2, "ModuleNotFoundError": 1, "SyntaxError": 1}.get(told, 2)
    assert told in caught.value.message
    assert f"{place}, line {line}" in caught.value.message


def test_an_interrupt_passes_through(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), imported(write(tmp_path, "train.py", "raise KeyboardInterrupt")):
        pass


DEFINES = """
import collections
from collections import Counter
from os.path import join

NAME, EPOCHS, _hidden = "net", 5, object()
def build_net(): ...
def build_nets(): ...
class Net:
    layer = Counter()
    def call(self): ...
net_of_today = Net()
"""


@pytest.mark.parametrize(
    ("asked", "nearest", "listed"),
    [
        ("bild_net", "build_net", ["build_net", "build_nets", "Net", "net_of_today"]),
        ("build_ne", "build_net", ["build_net", "build_nets", "Net", "net_of_today"]),
        ("net", "Net", ["Net", "build_net", "build_nets", "net_of_today"]),
        ("zzz", None, ["build_net", "build_nets", "Net", "net_of_today"]),
        ("Counter_", None, ["build_net", "build_nets", "Net", "net_of_today"]),
        ("Net.cal", "call", ["call", "layer"]),
    ],
)
def test_a_missing_name_is_answered_with_all_that_could_be_meant(tmp_path: Path, asked, nearest, listed) -> None:
    with imported(write(tmp_path, "train.py", DEFINES)) as module, pytest.raises(SourceNotFound) as caught:
        attribute(module, asked)
    hint = str(caught.value.hint)
    named = re.search(r"did you mean (\S+)\?", hint)
    assert (named[1] if named else None) == nearest
    found = hint.partition("it has ")[2].split(", ")
    assert sorted(found) == sorted(listed)
    assert nearest in (None, found[0])


def test_of_many_names_some_are_listed_the_nearest_among_them(tmp_path: Path) -> None:
    text = "".join(f"def make_{number}(): ...\n" for number in range(500)) + "def zebra(): ...\n"
    with imported(write(tmp_path, "train.py", text)) as module, pytest.raises(SourceNotFound) as caught:
        attribute(module, "zebr")
    assert len(str(caught.value.hint)) < 300
    assert "did you mean zebra? it has zebra, make_0, " in str(caught.value.hint)
    assert "and 491 more" in str(caught.value.hint)


def test_a_module_without_names_says_so(tmp_path: Path) -> None:
    with imported(write(tmp_path, "train.py", "import os\n")) as module, pytest.raises(SourceNotFound) as caught:
        attribute(module, "os_")
    assert "it has no names" in str(caught.value.hint)


def test_errors_in_a_call_are_the_users(tmp_path: Path) -> None:
    with imported(write(tmp_path, "train.py", "def make():\n    raise ValueError('no weights')\n")) as module:
        told = r"make\(\) failed: ValueError: no weights\n.*line 2"
        with pytest.raises(ExportFailed, match=told), user_code("make() failed", tmp_path):
            module.make()
