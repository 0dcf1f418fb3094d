"""grpc.health.v1 on the gRPC port (`--enable_grpc_healthcheck_service`), with gRPC's own servicer.

Source: `model_servers/server.cc` names the services, which serve from the start on. In addition, watchers are notified
when this server starts draining, and their streams end, so that they do not delay it. As in TensorFlow Serving, neither
checks nor watches use the server's worker threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2

_SERVICES = ("ModelService", "PredictionService")
_THREADS = ThreadPoolExecutor(2, "health")
Send = Callable[[Message | None], None]


class HealthService(health.HealthServicer):  # type: ignore[misc]
    """The health status of the server; thread-safe."""

    def __init__(self) -> None:
        super().__init__(experimental_thread_pool=_THREADS)
        self._sends: set[Send] = set()
        self._stopped = threading.Event()
        for service in _SERVICES:
            self.set(service, health_pb2.HealthCheckResponse.SERVING)

    def Check(self, request: Message, context: grpc.ServicerContext) -> Message:  # noqa: N802 - gRPC's name
        """Return the status of a service."""
        return super().Check(request, context)

    Check.experimental_thread_pool = _THREADS  # type: ignore[attr-defined]

    def Watch(self, request: Message, context: grpc.ServicerContext, send_response_callback: Send) -> None:  # noqa: N802 - gRPC's name
        """Send the status of a service now and on every change."""
        self._sends.add(send_response_callback)
        context.add_callback(lambda: self._sends.discard(send_response_callback))
        super().Watch(request, context, send_response_callback)
        if self._stopped.is_set():
            send_response_callback(None)

    def stop(self) -> None:
        """Report NOT_SERVING to all watchers and end their streams; returns immediately."""
        threading.Thread(target=self._stop, name="health-stop", daemon=True).start()

    def _stop(self) -> None:
        self.enter_graceful_shutdown()
        self._stopped.set()
        for send in list(self._sends):
            send(None)

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the service as a gRPC handler."""
        decode, encode = health_pb2.HealthCheckRequest.FromString, health_pb2.HealthCheckResponse.SerializeToString
        return grpc.method_handlers_generic_handler(
            health.SERVICE_NAME,
            {
                "Check": grpc.unary_unary_rpc_method_handler(self.Check, decode, encode),
                "Watch": grpc.unary_stream_rpc_method_handler(self.Watch, decode, encode),
            },
        )
