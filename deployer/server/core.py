"""The server core: the active config, its labels, and the lookup of a loaded version for a request.

Source: `tensorflow_serving/model_servers/server_core.cc`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from deployer.server import config as configs
from deployer.server.config import ModelConfig
from deployer.server.log import LOG
from deployer.server.manager import Closable, Harness, LoadSettings, Manager
from deployer.server.monitor import StateMonitor, VersionState, Waiter
from deployer.server.source import Source
from deployer.server.status import Code, ServingError, invalid, not_found

S = TypeVar("S", bound=Closable)


class ServableHandle(Generic[S]):
    """A version in use for the duration of a `with` block."""

    __slots__ = ("_harness", "_manager")

    def __init__(self, manager: Manager[S], harness: Harness[S]) -> None:
        self._manager = manager
        self._harness = harness

    def __enter__(self) -> tuple[int, S]:
        """Return version number and servable; a version in use is loaded."""
        return self._harness.version, self._harness.loaded()

    def __exit__(self, *_: object) -> None:
        self._manager.release(self._harness)


class Core(Generic[S]):
    """The models in service; every request and every reload goes through it.

    `load` takes a model's name and the path of a version directory, and raises ServingError.
    """

    def __init__(
        self,
        load: Callable[[str, str], S],
        rules: LoadSettings,
        poll_seconds: float = 1,
        labels_for_unavailable: bool = False,
    ) -> None:
        self._monitor = StateMonitor()
        self._manager = Manager(load, self._monitor, rules)
        self._source = Source(self._manager.aspire, poll_seconds)
        self._labels_for_unavailable = labels_for_unavailable
        self._models: dict[str, ModelConfig] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._reloading = threading.Lock()

    def start(self, message: Message) -> None:
        """Serve a ModelServerConfig and return when every model has loaded. Raises ServingError if one cannot."""
        self._manager.start()
        self._source.start()
        self._reload(message, "servable")
        self._manager.end_first_load()

    def stop(self) -> None:
        """Stop polling, deciding and waiting; loaded versions stay usable."""
        self._source.stop()
        self._manager.stop()
        self._monitor.stop()

    def reload(self, message: Message) -> None:
        """Apply another ModelServerConfig and return when every new model serves. Raises ServingError if one cannot."""
        self._reload(message, "model")

    def _reload(self, message: Message, noun: str) -> None:
        with self._reloading:
            if message.WhichOneof("config") is None:
                LOG.info("Taking no action for empty config.")
                return
            models = configs.models(message, self._models)
            self._labels = self._check_labels(models)
            waiter = self._monitor.expect(models.keys() - self._models.keys())
            self._models = models
            LOG.info("(Re-)adding %d models.", len(models))
            self._source.set_models(models)
            if self._monitor.wait(waiter):
                _raise_failures(waiter, noun)
            if any(model.logs_requests for model in models.values()):
                raise invalid("No request-logger-creator provided.")

    def _check_labels(self, models: Mapping[str, ModelConfig]) -> dict[str, dict[str, int]]:
        for model in models.values():
            for label, version in model.labels:
                self._check_label(model.name, label, version)
        return {model.name: dict(model.labels) for model in models.values() if model.labels}

    def _check_label(self, name: str, label: str, version: int) -> None:
        """Require that a label points to a version that serves; the flag exempts new and unchanged labels."""
        previous = self._labels.get(name, {}).get(label, version)
        allowed = self._labels_for_unavailable and previous == version
        if not allowed and not self._monitor.available(name, version):
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"Request to assign label to version {version} of model {name}, "
                "which is not currently available for inference",
            )

    def servable_handle(self, name: str, version: int | None = None, label: str | None = None) -> ServableHandle[S]:
        """Return a handle for a loaded version: the given one, the label's, or the highest. Raises ServingError."""
        if label is not None:
            version = self._labels.get(name, {}).get(label)
            if version is None:
                raise invalid(f"Unrecognized servable version label: {label}")
        return ServableHandle(self._manager, self._manager.acquire(name, version))

    def status(self, name: str, version: int | None = None) -> list[VersionState]:
        """Return the states of a model's versions, or of one of them. Raises ServingError."""
        states = self._monitor.versions(name)
        if not states:
            raise not_found(f"Could not find any versions of model {name}")
        if version is None:
            return states
        states = [state for state in states if state.version == version]
        if not states:
            raise not_found(f"Could not find version {version} of model {name}")
        return states


def _raise_failures(waiter: Waiter, noun: str) -> None:
    failed = waiter.failures()
    if not failed:
        return
    failures = "".join(
        f"{{{{name: {name} version: {state.version}}}{f' due to error: {state.error}' if state.error else ''}}}, "
        for name, state in failed
    )
    raise ServingError(Code.UNKNOWN, f"{len(failed)} {noun}(s) did not become available: {{{failures}}}")


class ConfigPoll:
    """A thread that polls the config file and reloads it (`--model_config_file_poll_wait_seconds`)."""

    def __init__(self, core: Core[Any], path: str, seconds: int) -> None:
        self._core = core
        self._path = path
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="config-poll", daemon=True)

    def start(self) -> None:
        """Start polling if an interval is set."""
        if self._path and self._seconds > 0:
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread; returns immediately."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._poll_once()

    def _poll_once(self) -> None:
        try:
            message = configs.read_file(self._path)
        except ServingError as error:
            LOG.error("Failed to read ModelServerConfig file: %s", error.message)
            return
        try:
            self._core.reload(message)
        except ServingError as error:
            LOG.error("PollFilesystemAndReloadConfig failed to ReloadConfig: %s", error.message)
