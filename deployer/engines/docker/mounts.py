"""Whether a running container still sees the folders of its binds: a bind is a folder, and not the path that it had.

Where a folder was removed and made again, the container has the removed one until it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deployer.engines.docker.blueprint import CONFIG_MOUNT
from deployer.engines.docker.names import MODELS_MOUNT
from deployer.results.deployment import MODEL_CONFIG, ServedModel
from deployer.savedmodel.layout import PB_FILE, PBTXT_FILE

NOT_FOUND = (126, 127)
"""What an engine answers where an image does not have the program."""
CONFIG = f"{CONFIG_MOUNT}/{MODEL_CONFIG}"


def stale(container: Any, models_dir: Path, config: Path, models: Iterable[ServedModel]) -> str:
    """Why the container cannot take up these models from the store, as a sentence; empty where it can, or where its
    image has nothing to ask with. Raises the SDK's errors."""
    wanted = dict(_versions(models_dir, models))
    seen = _seen(container, (*wanted, CONFIG))
    if seen is None:
        return ""
    if any(seen.get(inside) != _figures(outside) for inside, outside in wanted.items()):
        return f"its container does not see {models_dir} as it is: the folder was removed and made again"
    if CONFIG not in seen or (config.is_file() and seen[CONFIG] != _figures(config)):
        return f"its container does not see {config.parent} as it is: the folder was removed"
    return ""


def _versions(models_dir: Path, models: Iterable[ServedModel]) -> Iterator[tuple[str, Path]]:
    """A file of each version, by its path in the container."""
    for model in models:
        for version in model.versions:
            place = f"{model.name}/{version}"
            for name in (PB_FILE, PBTXT_FILE):
                if (models_dir / place / name).is_file():
                    yield f"{MODELS_MOUNT}/{place}/{name}", models_dir / place / name


def _seen(container: Any, paths: Iterable[str]) -> Mapping[str, str] | None:
    """Size and date of those that the container has; None where its image cannot tell."""
    code, said = container.exec_run(["stat", "-L", "-c", "%n %s %Y", *paths], stderr=False)
    if code in NOT_FOUND:
        return None
    rows = (line.partition(" ") for line in said.decode("utf-8", "replace").splitlines())
    return {name: figures for name, _, figures in rows}


def _figures(file: Path) -> str:
    found = file.stat()
    return f"{found.st_size} {int(found.st_mtime)}"
