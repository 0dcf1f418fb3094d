"""The order in which test processes start the files of tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from support.scheduling import TOGETHER, take_turns

ROOT = Path(__file__).parents[2]
DOCKER, INTEGRATION, UNIT = "tests/docker/test_", "tests/integration/test_", "tests/unit/test_"


def ordered(*nodeids: str) -> list[str]:
    items: Any = [SimpleNamespace(nodeid=nodeid) for nodeid in nodeids]
    take_turns(items)
    return [item.nodeid for item in items]


def test_files_of_engines_take_turns_with_files_that_compute() -> None:
    given = [f"{DOCKER}{name}.py::test" for name in "abc"] + [f"{INTEGRATION}{name}.py::test" for name in "abc"]
    found = [nodeid.split("/")[1] for nodeid in ordered(*given)]
    assert {frozenset(found[at : at + 2]) for at in (0, 2, 4)} == {frozenset(("docker", "integration"))}


def test_the_longest_come_first_and_unit_tests_last() -> None:
    given = [f"{UNIT}a.py::test", f"{DOCKER}a.py::test", f"{DOCKER}swarm_a.py::test", f"{INTEGRATION}a.py::test"]
    found = ordered(*given)
    assert found.index(f"{DOCKER}swarm_a.py::test") < found.index(f"{DOCKER}a.py::test")
    assert found[-1] == f"{UNIT}a.py::test"


def test_the_tests_of_a_file_stay_in_their_order() -> None:
    given = [f"{DOCKER}{file}.py::test_{number}" for number in (2, 1) for file in ("a", "b")]
    assert ordered(*given) == [f"{DOCKER}{file}.py::test_{number}" for file in ("a", "b") for number in (2, 1)]


def test_the_files_that_one_process_runs_exist() -> None:
    assert [path for path in TOGETHER if not (ROOT / path).is_file()] == []
