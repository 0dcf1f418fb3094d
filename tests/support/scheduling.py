"""Which test process runs which files, and when: files that wait for engines take turns with files that compute."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

WAITING = ("tests/docker/", "tests/contract/engines/")
"""Tests of engines wait for containers most of the time."""
LAST = ("tests/unit/",)
"""Files of a second or a few: no process is left with a long one in the end."""
LONGEST = "/test_swarm_"

IMAGES = ("image_push", "image_up", "manifests", "model_image")
"""Such an image has the same id for the same inputs: another process would find it, and remove it."""
OWN_CLUSTER = ("cluster", "swarm_lost")
"""They start a cluster under the same name, one at a time: another process would only wait."""
TOGETHER = {
    f"tests/docker/test_{name}.py": scope
    for scope, names in {"images": IMAGES, "own cluster": OWN_CLUSTER}.items()
    for name in names
}


class FilesTogether(LoadFileScheduling):  # type: ignore[misc]
    """One process runs the tests of a file, and one those of the files that have something in common."""

    def _split_scope(self, nodeid: str) -> str:
        path = str(super()._split_scope(nodeid))
        return TOGETHER.get(path, path)


def take_turns(items: list[pytest.Item]) -> None:
    """Sort tests by file: whatever the number of processes, some wait for engines while others compute."""
    files = list(dict.fromkeys(map(_file, items)))
    waiting = sorted((file for file in files if file.startswith(WAITING)), key=lambda file: LONGEST not in file)
    computing = [file for file in files if not file.startswith((*WAITING, *LAST))]
    position = {file: 2.0 + number for number, file in enumerate(files)}
    position |= _spread(waiting) | _spread(computing)
    items.sort(key=lambda item: position[_file(item)])


def _spread(files: Sequence[str]) -> dict[str, float]:
    """Positions from 0 to 1."""
    return {file: number / len(files) for number, file in enumerate(files)}


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
