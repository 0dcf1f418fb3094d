"""Assemble the server: from options to loaded models and open ports, and back. Imports TensorFlow."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from deployer.server import tls
from deployer.server.core import ConfigPoll, Core
from deployer.server.flags import Options
from deployer.server.grpc.health import HealthService
from deployer.server.grpc.services import ModelService, PredictionService, handlers
from deployer.server.http.connection import Application
from deployer.server.http.reader import Limits
from deployer.server.http.server import HttpServer
from deployer.server.listeners import Address, GrpcOptions, Listeners
from deployer.server.loading import Loader
from deployer.server.manager import LoadSettings
from deployer.server.metrics import monitoring
from deployer.server.metrics.measuring import MeasuredPredictionService, MeasuredRestApi
from deployer.server.metrics.monitoring import Metrics
from deployer.server.metrics.page import MetricsPage
from deployer.server.rest.app import RestApp
from deployer.server.rest.calls import RestApi
from deployer.server.servable import Model


class Server:
    """A running server."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._metrics_path = monitoring.path_from_options(options)
        self._metrics = None if self._metrics_path is None else Metrics()
        self._core: Core[Model] = Core(
            Loader(options, self._metrics),
            _load_rules(options),
            options.number("file_system_poll_wait_seconds"),
            options.on("allow_version_labels_for_unavailable_models"),
        )
        self._poll = ConfigPoll(
            self._core, options.text("model_config_file"), options.number("model_config_file_poll_wait_seconds")
        )
        self._health = HealthService()
        self._listeners = self._make_listeners()

    def start(self, message: Message) -> None:
        """Load every model of a ModelServerConfig, then open the ports. Raises ServingError, PortError."""
        gc.freeze()
        self._core.start(message)
        self._poll.start()
        address = _address(self._options, "port", "rest_api_port", self._options.text("grpc_socket_path"))
        self._listeners.open_private(address, self._options.on("reuse_port"))
        self._write_ready_file()

    def promote(self) -> None:
        """Open the public ports. Raises PortError, OSError."""
        self._listeners.open_public(_address(self._options, "public_port", "public_rest_api_port"))

    def stop(self) -> None:
        """Close the ports after the requests in flight."""
        self._health.stop()
        self._listeners.close()
        self._poll.stop()
        self._core.stop()

    def _make_listeners(self) -> Listeners:
        options = self._options
        return Listeners(
            handlers(self._prediction_service(), ModelService(self._core)),
            HttpServer(self._rest_application(), _limits(options)),
            GrpcOptions(
                options.number("grpc_max_threads"),
                channel_arguments(options.text("grpc_channel_arguments")),
                tls.credentials(options),
                self._health_handlers(),
            ),
            options.real("drain_seconds"),
        )

    def _health_handlers(self) -> list[Any]:
        return [self._health.handler()] if self._options.on("enable_grpc_healthcheck_service") else []

    def _prediction_service(self) -> PredictionService:
        options = self._options
        check_method = options.on("enable_signature_method_name_check")
        as_content = options.on("enable_serialization_as_tensor_content")
        if self._metrics is None:
            return PredictionService(self._core, check_method, as_content)
        return MeasuredPredictionService(self._core, check_method, as_content, self._metrics)

    def _rest_application(self) -> Application:
        options = self._options
        threads = max(1, options.number("rest_api_num_threads"))
        application = RestApp(self._rest_api(), threads, options.on("rest_api_enable_cors_support"))
        if self._metrics is None:
            return application
        return MetricsPage(application, str(self._metrics_path), self._metrics.page)

    def _rest_api(self) -> RestApi:
        check_method = self._options.on("enable_signature_method_name_check")
        timeout_ms = self._options.number("rest_api_timeout_in_ms")
        max_values = self._options.number("rest_api_max_json_values")
        if self._metrics is None:
            return RestApi(self._core, timeout_ms, check_method, max_values)
        return MeasuredRestApi(self._core, timeout_ms, check_method, max_values, self._metrics)

    def _write_ready_file(self) -> None:
        path = self._options.text("ready_file")
        if not path:
            return
        ports = {name: self._options.number(name) for name in ("port", "rest_api_port")}
        temporary = Path(f"{path}.{os.getpid()}")
        temporary.write_text(json.dumps({"pid": os.getpid(), **ports}), encoding="utf-8")
        temporary.replace(path)


def _limits(options: Options) -> Limits:
    return Limits(
        head_bytes=options.number("rest_api_max_head_bytes"),
        body_bytes=options.number("rest_api_max_body_bytes"),
        bodies_bytes=options.number("rest_api_max_bodies_bytes"),
        connections=options.number("rest_api_max_connections"),
        request_seconds=options.real("rest_api_request_seconds"),
        idle_seconds=options.real("rest_api_idle_seconds"),
    )


def _address(options: Options, port: str, rest_port: str, grpc_socket: str = "") -> Address:
    return Address(options.text("listen_address"), options.number(port), options.number(rest_port), grpc_socket)


def _load_rules(options: Options) -> LoadSettings:
    return LoadSettings(
        retries=max(0, options.number("max_num_load_retries")),
        retry_seconds=options.number("load_retry_interval_micros") / 1e6,
        threads=options.number("num_load_threads"),
    )


def channel_arguments(text: str) -> Sequence[tuple[str, str | int]]:
    """Parse `key=value,key=value`; whole numbers become integers."""
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return [(key, int(value) if value.lstrip("-").isdigit() else value) for key, _, value in pairs]
