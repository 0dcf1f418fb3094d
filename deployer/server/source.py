"""Looking at the disk: which versions of each model are there, and which of them are wanted.

Source: `sources/storage_path/file_system_storage_path_source.cc`. One base path that cannot be read holds back
every model, as it does there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deployer.server.config import ModelConfig
from deployer.server.log import LOG
from deployer.server.policy import Choice
from deployer.server.status import Code, ServingError
from deployer.server.version_names import numbered

Aspire = Callable[[str, dict[int, str]], None]


def versions_on_disk(model: ModelConfig) -> dict[int, str]:
    """Return the path of every version under the base path; the later name wins where two mean one number."""
    try:
        names = sorted(child.name for child in Path(model.folder).iterdir())
    except FileNotFoundError as error:
        raise ServingError(
            Code.NOT_FOUND,
            f"Could not find base path {model.base_path} for servable {model.name} "
            f"with error NOT_FOUND: {model.base_path} not found",
        ) from error
    except OSError as error:
        raise ServingError(Code.FAILED_PRECONDITION, f"{model.base_path}; {error.strerror}") from error
    return {number: str(Path(model.folder, name)) for number, name in _numbered(names).items()}


def _numbered(names: Sequence[str]) -> dict[int, str]:
    found, lost = numbered(names)
    for name in lost:
        number = int(name)
        LOG.warning(
            "Duplicate version directories detected. Version %d will be loaded from %s, %s will be ignored.",
            number,
            found[number],
            name,
        )
    return found


def wanted_versions(model: ModelConfig) -> dict[int, str]:
    """Apply the model's policy to what is on disk, and warn where that leaves something out."""
    found = versions_on_disk(model)
    wanted = {version: found[version] for version in model.policy.wanted(found)}
    if model.policy.choice is Choice.SPECIFIC:
        _warn_specific(model, wanted)
    elif not wanted:
        LOG.warning(
            "No versions of servable %s found under base path %s. Did you forget to name your leaf "
            "directory as a number (eg. '/1/')?",
            model.name,
            model.base_path,
        )
    return wanted


def _warn_specific(model: ModelConfig, wanted: Mapping[int, str]) -> None:
    if not model.policy.versions:
        LOG.warning("No specific versions requested for servable %s.", model.name)
    for version in sorted(model.policy.versions.difference(wanted)):
        LOG.warning(
            "Version %d of servable %s, which was requested to be served as a 'specific' version in the "
            "servable's version policy, was not found in the file system",
            version,
            model.name,
        )


class Source:
    """Polls the base paths in a thread of its own and tells the manager which versions are wanted."""

    def __init__(self, aspire: Aspire, poll_seconds: float) -> None:
        self._aspire = aspire
        self._poll_seconds = poll_seconds
        self._models: dict[str, ModelConfig] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="file-system-poll", daemon=True)

    def start(self) -> None:
        """Begin to poll; with a negative interval nothing is ever looked at."""
        if self._poll_seconds >= 0:
            self._thread.start()

    def stop(self) -> None:
        """End the thread; returns at once."""
        self._stopped = True
        self._wake.set()

    def set_models(self, models: Mapping[str, ModelConfig]) -> None:
        """Serve these models from now on: those that left are unloaded, the others looked at without delay."""
        with self._lock:
            gone = self._models.keys() - models.keys()
            self._models = dict(models)
            for name in gone:
                self._aspire(name, {})
        self._wake.set()

    def poll(self) -> None:
        """Look at every base path once; the first that fails is logged and nothing is changed."""
        with self._lock:
            try:
                wanted = {name: wanted_versions(model) for name, model in self._models.items()}
            except ServingError as error:
                LOG.error("FileSystemStoragePathSource encountered a filesystem access error: %s", error.message)
                return
            for name, versions in wanted.items():
                self._aspire(name, versions)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(self._poll_seconds or None)
            self._wake.clear()
            if not self._stopped:
                self.poll()
