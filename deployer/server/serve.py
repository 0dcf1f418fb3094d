"""The server put together: from options to loaded models and open ports, and down again. Imports TensorFlow."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deployer.server import batching_config as batching_configs
from deployer.server import servable, text_protos
from deployer.server.asgi import RestApp
from deployer.server.batching import Batching
from deployer.server.core import ConfigPoll, Core
from deployer.server.flags import Options
from deployer.server.grpc_services import ModelService, PredictionService, handlers
from deployer.server.listeners import Address, Listeners
from deployer.server.manager import LoadRules
from deployer.server.rest import RestApi
from deployer.server.runtime import config_pb2
from deployer.server.servable import LoadOptions, Model, SavedModel
from deployer.server.warmup import warm_up


class Server:
    """One running server."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._core: Core[Model] = Core(
            _loader(options),
            _load_rules(options),
            options.number("file_system_poll_wait_seconds"),
            options.on("allow_version_labels_for_unavailable_models"),
        )
        self._poll = ConfigPoll(
            self._core, options.text("model_config_file"), options.number("model_config_file_poll_wait_seconds")
        )
        self._listeners = self._make_listeners()

    def start(self, message: Any) -> None:
        """Load every model of a ModelServerConfig, then open the ports; raises ServingError and PortError."""
        gc.freeze()
        self._core.start(message)
        self._poll.start()
        address = _address(self._options, "port", "rest_api_port", self._options.text("grpc_socket_path"))
        self._listeners.open_private(address, self._options.on("reuse_port"))
        self._tell_ready()

    def promote(self) -> None:
        """Open the public pair of ports; raises PortError and OSError."""
        self._listeners.open_public(_address(self._options, "public_port", "public_rest_api_port"))

    def stop(self) -> None:
        """Close the ports, let requests in flight finish."""
        self._listeners.close()
        self._poll.stop()
        self._core.stop()

    def _make_listeners(self) -> Listeners:
        options = self._options
        check_method = options.on("enable_signature_method_name_check")
        api = RestApi(self._core, options.number("rest_api_timeout_in_ms"), check_method)
        pool = ThreadPoolExecutor(max(1, options.number("rest_api_num_threads")), "rest-work")
        as_content = options.on("enable_serialization_as_tensor_content")
        return Listeners(
            handlers(PredictionService(self._core, check_method, as_content), ModelService(self._core)),
            RestApp(api, pool, options.on("rest_api_enable_cors_support")),
            max(1, options.number("grpc_max_threads")),
            channel_arguments(options.text("grpc_channel_arguments")),
            options.real("drain_seconds"),
        )

    def _tell_ready(self) -> None:
        path = self._options.text("ready_file")
        if not path:
            return
        ports = {name: self._options.number(name) for name in ("port", "rest_api_port")}
        beside = Path(f"{path}.{os.getpid()}")
        beside.write_text(json.dumps({"pid": os.getpid(), **ports}), encoding="utf-8")
        beside.replace(path)


def _address(options: Options, port: str, rest_port: str, grpc_socket: str = "") -> Address:
    return Address(options.text("listen_address"), options.number(port), options.number(rest_port), grpc_socket)


def _loader(options: Options) -> Callable[[str, int, str], Model]:
    load_options = _load_options(options)
    config = batching_configs.from_options(options)
    batching = None if config is None else Batching(config)
    warms_up, iterations = options.on("enable_model_warmup"), options.number("num_request_iterations_for_warmup")

    def load(_name: str, _version: int, path: str) -> Model:
        model = _wrapped(servable.load(path, load_options), path, batching)
        if warms_up:
            _warm(model, path, iterations)
        return model

    return load


def _wrapped(model: SavedModel, path: str, batching: Batching | None) -> Model:
    try:
        return batching.wrap(model, path) if batching else model
    except BaseException:
        model.close()
        raise


def _warm(model: Model, path: str, iterations: int) -> None:
    try:
        warm_up(model, path, iterations)
    except BaseException:
        model.close()
        raise


def _load_rules(options: Options) -> LoadRules:
    return LoadRules(
        retries=max(0, options.number("max_num_load_retries")),
        retry_seconds=options.number("load_retry_interval_micros") / 1e6,
        threads=options.number("num_load_threads"),
    )


def _load_options(options: Options) -> LoadOptions:
    both = options.number("tensorflow_session_parallelism")
    return LoadOptions(
        tags=tuple(options.text("saved_model_tags").split(",")),
        intra_op_threads=options.number("tensorflow_intra_op_parallelism") or both,
        inter_op_threads=options.number("tensorflow_inter_op_parallelism") or both,
        gpu_memory_fraction=options.real("per_process_gpu_memory_fraction"),
        session_config=_session_config(options.text("tensorflow_session_config_file")),
    )


def _session_config(path: str) -> Any:
    return text_protos.read(path, config_pb2.ConfigProto()) if path else None


def channel_arguments(text: str) -> Sequence[tuple[str, str | int]]:
    """Read `key=value,key=value`; whole numbers are sent as numbers."""
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return [(key, int(value) if value.lstrip("-").isdigit() else value) for key, _, value in pairs]
