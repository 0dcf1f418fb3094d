"""Poll the base paths for versions, and select the aspired ones.

Source: `sources/storage_path/file_system_storage_path_source.cc`. As there, one unreadable base path holds back every
model.
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

AspiredVersionsCallback = Callable[[str, dict[int, str]], None]


def list_versions(model: ModelConfig) -> dict[int, str]:
    """Return the path of every version under the base path; of two names for one number, the later wins.

    Raises ServingError.
    """
    try:
        names = sorted(child.name for child in Path(model.directory).iterdir())
    except FileNotFoundError as error:
        raise ServingError(
            Code.NOT_FOUND,
            f"Could not find base path {model.base_path} for servable {model.name} "
            f"with error NOT_FOUND: {model.base_path} not found",
        ) from error
    except OSError as error:
        raise ServingError(Code.FAILED_PRECONDITION, f"{model.base_path}; {error.strerror}") from error
    return {number: str(Path(model.directory, name)) for number, name in _numbered(names).items()}


def _numbered(names: Sequence[str]) -> dict[int, str]:
    found, ignored = numbered(names)
    for name in ignored:
        number = int(name)
        LOG.warning(
            "Duplicate version directories detected. Version %d will be loaded from %s, %s will be ignored.",
            number,
            found[number],
            name,
        )
    return found


def aspired_versions(model: ModelConfig) -> dict[int, str]:
    """Apply the model's policy to the versions on disk, and warn about missing versions. Raises ServingError."""
    found = list_versions(model)
    aspired = {version: found[version] for version in model.policy.aspired(found)}
    if model.policy.choice is Choice.SPECIFIC:
        _warn_specific(model, aspired)
    elif not aspired:
        LOG.warning(
            "No versions of servable %s found under base path %s. Did you forget to name your leaf "
            "directory as a number (eg. '/1/')?",
            model.name,
            model.base_path,
        )
    return aspired


def _warn_specific(model: ModelConfig, aspired: Mapping[int, str]) -> None:
    if not model.policy.versions:
        LOG.warning("No specific versions requested for servable %s.", model.name)
    for version in sorted(model.policy.versions.difference(aspired)):
        LOG.warning(
            "Version %d of servable %s, which was requested to be served as a 'specific' version in the "
            "servable's version policy, was not found in the file system",
            version,
            model.name,
        )


class Source:
    """A thread that polls the base paths and reports the aspired versions to the manager."""

    def __init__(self, aspire: AspiredVersionsCallback, poll_seconds: float) -> None:
        self._aspire = aspire
        self._poll_seconds = poll_seconds
        self._models: dict[str, ModelConfig] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="file-system-poll", daemon=True)

    def start(self) -> None:
        """Start polling; a negative interval disables it."""
        if self._poll_seconds >= 0:
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread; returns immediately."""
        self._stopped = True
        self._wake.set()

    def set_models(self, models: Mapping[str, ModelConfig]) -> None:
        """Set the models to serve: removed models are unloaded, the others polled immediately."""
        with self._lock:
            removed = self._models.keys() - models.keys()
            self._models = dict(models)
            for name in removed:
                self._aspire(name, {})
        self._wake.set()

    def poll(self) -> None:
        """Poll every base path once; if one fails, log it and change nothing."""
        with self._lock:
            try:
                aspired = {name: aspired_versions(model) for name, model in self._models.items()}
            except ServingError as error:
                LOG.error("FileSystemStoragePathSource encountered a filesystem access error: %s", error.message)
                return
            for name, versions in aspired.items():
                self._aspire(name, versions)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(self._poll_seconds or None)
            self._wake.clear()
            if not self._stopped:
                self.poll()
