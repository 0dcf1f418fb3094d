"""Whether a running container still sees the mounted directories.

A bind mount refers to a directory, not to a path: after the directory was deleted and created again, the container
still has the deleted one until it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from docker.models.containers import Container

from deployer.engines.docker.container_spec import CONFIG_MOUNT
from deployer.engines.docker.names import MODELS_MOUNT
from deployer.results.launch import MODEL_CONFIG
from deployer.results.served import ServedModel
from deployer.savedmodel.layout import PB_FILE, PBTXT_FILE

NOT_FOUND = (126, 127)
"""The exit codes of a command that the image does not have."""
CONFIG = f"{CONFIG_MOUNT}/{MODEL_CONFIG}"


def stale(container: Container, models_dir: Path, config: Path, models: Iterable[ServedModel]) -> str:
    """Return why the container cannot load these models from the store; empty if it can.

    Also empty if the image lacks the command to check it. Raises the SDK's errors.
    """
    expected = dict(_version_files(models_dir, models))
    visible = _visible_files(container, (*expected, CONFIG))
    if visible is None:
        return ""
    if any(visible.get(container_path) != _size_and_mtime(host_path) for container_path, host_path in expected.items()):
        return f"its container does not see {models_dir} as it is: the directory was deleted and created again"
    if CONFIG not in visible or (config.is_file() and visible[CONFIG] != _size_and_mtime(config)):
        return f"its container does not see {config.parent} as it is: the directory was deleted"
    return ""


def _version_files(models_dir: Path, models: Iterable[ServedModel]) -> Iterator[tuple[str, Path]]:
    """Yield a file of each version, by its path in the container."""
    for model in models:
        for version in model.versions:
            version_dir = f"{model.name}/{version}"
            for name in (PB_FILE, PBTXT_FILE):
                if (models_dir / version_dir / name).is_file():
                    yield f"{MODELS_MOUNT}/{version_dir}/{name}", models_dir / version_dir / name


def _visible_files(container: Container, paths: Iterable[str]) -> Mapping[str, str] | None:
    """Return size and modification time of the files that the container has; None if its image cannot tell."""
    code, output = container.exec_run(["stat", "-L", "-c", "%n %s %Y", *paths], stderr=False)
    if code in NOT_FOUND:
        return None
    rows = (line.partition(" ") for line in output.decode("utf-8", "replace").splitlines())
    return {name: size_and_mtime for name, _, size_and_mtime in rows}


def _size_and_mtime(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} {int(status.st_mtime)}"
