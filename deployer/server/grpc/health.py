"""grpc.health.v1, which `--enable_grpc_healthcheck_service` offers on the gRPC port.

Source: `model_servers/server.cc` names the services; they serve from the start on. Beyond that, watchers are told when
this server begins to drain, and let go of, so that they do not hold it up. Neither a question nor a stream that is
watched takes one of the server's threads: TensorFlow Serving's health service is gRPC's own, which needs none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from deployer.server.declared import HEALTH_REQUEST, HEALTH_RESPONSE, message_class
from deployer.server.grpc.limit import Aside

SERVICE = "grpc.health.v1.Health"
_SERVICES = frozenset(("", "ModelService", "PredictionService"))
_SERVING, _NOT_SERVING, _SERVICE_UNKNOWN = 1, 2, 3
_GREETERS = 2
Send = Callable[[Any], None]


class HealthService:
    """Tells whether the server serves; may be called from many threads."""

    def __init__(self) -> None:
        self._response = message_class(HEALTH_RESPONSE)
        self._watchers: dict[Any, tuple[str, Send]] = {}
        self._stopped = False
        self._lock = threading.Lock()

    def check(self, request: Any, context: Any) -> Any:
        """Return the status of a service."""
        if request.service not in _SERVICES:
            context.abort(grpc.StatusCode.NOT_FOUND, "service name unknown")
        return self._response(status=self._status(request.service))

    def watch(self, request: Any, context: Any, send: Send) -> None:
        """Send the status of a service now and when it changes; `send(None)` ends the stream."""
        with self._lock:
            ends = self._stopped or not context.add_callback(lambda: self._forget(context))
            if not ends:
                self._watchers[context] = (request.service, send)
        send(self._response(status=self._status(request.service)))
        if ends:
            send(None)

    def stop(self) -> None:
        """Serve no more: tell all who watch, and end their streams; returns at once."""
        with self._lock:
            self._stopped = True
            watchers, self._watchers = self._watchers, {}
        threading.Thread(target=self._dismiss, args=(watchers.values(),), name="health-stop", daemon=True).start()

    def handler(self) -> Any:
        """Return the service as a gRPC handler."""
        decode = message_class(HEALTH_REQUEST).FromString
        check, watch = Aside(self.check, ThreadPoolExecutor(1, "health-check")), _NonBlocking(self.watch)
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Check": grpc.unary_unary_rpc_method_handler(check, decode, _encode),
                "Watch": grpc.unary_stream_rpc_method_handler(watch, decode, _encode),
            },
        )

    def _status(self, service: str) -> int:
        if service not in _SERVICES:
            return _SERVICE_UNKNOWN
        return _NOT_SERVING if self._stopped else _SERVING

    def _dismiss(self, watchers: Any) -> None:
        for service, send in watchers:
            send(self._response(status=self._status(service)))
            send(None)

    def _forget(self, context: Any) -> None:
        with self._lock:
            self._watchers.pop(context, None)


def _encode(message: Any) -> bytes:
    return bytes(message.SerializeToString())


class _NonBlocking:
    """What gRPC hands a way to send, instead of keeping a thread with an iterator.

    Its threads are its own: a client that takes no data may hold up those who begin to watch, and nobody else.
    """

    experimental_non_blocking = True

    def __init__(self, watch: Callable[[Any, Any, Send], None]) -> None:
        self.experimental_thread_pool = ThreadPoolExecutor(_GREETERS, "health-watch")
        self._watch = watch

    def __call__(self, request: Any, context: Any, send_response_callback: Send) -> None:
        self._watch(request, context, send_response_callback)
