"""Limit concurrent calls; calls beyond the limit are refused, not queued, as in TensorFlow Serving.

Its server is gRPC's synchronous one: `--grpc_max_threads` are the threads of all calls, and one of them always waits
for the next call. If that thread gets a call and no other thread may be started, it refuses the call without reading
it. Source: gRPC's `src/cpp/thread_manager/thread_manager.cc` and `src/cpp/server/server_cc.cc`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc

EXHAUSTED = "Server Threadpool Exhausted"


class WorkerPool(ThreadPoolExecutor):
    """The threads that handle calls, with a count of the free ones."""

    def __init__(self, max_threads: int) -> None:
        self._free = max(0, max_threads - 1)  # one thread waits for the next call
        self._counting = threading.Lock()
        super().__init__(max(1, self._free), "grpc")

    @property
    def exhausted(self) -> bool:
        """Whether a call that arrives now gets no thread."""
        return self._free <= 0

    def submit(self, *arguments: Any, **keywords: Any) -> Future[Any]:
        """Run a call on a thread, which is busy until the call ends."""
        self._count(-1)
        try:
            future = super().submit(*arguments, **keywords)
        except BaseException:
            self._count(1)
            raise
        future.add_done_callback(lambda _: self._count(1))
        return future

    def _count(self, delta: int) -> None:
        with self._counting:
            self._free += delta


class LimitedHandlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Services whose calls need a worker.

    gRPC requests the handler and submits the call in one thread, so no other call comes between.
    """

    def __init__(self, services: Sequence[grpc.GenericRpcHandler], workers: WorkerPool) -> None:
        self._services = services
        self._workers = workers
        self._refusal = grpc.stream_unary_rpc_method_handler(
            OwnThreadsHandler(_refuse, ThreadPoolExecutor(1, "grpc-refuse"))
        )

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return the handler of a call; None for an unknown method."""
        if self._workers.exhausted:
            return self._refusal
        matches = (service.service(details) for service in self._services)
        return next((handler for handler in matches if handler is not None), None)


class OwnThreadsHandler:
    """A handler with its own threads, which uses none of the workers."""

    def __init__(self, answer: Any, threads: ThreadPoolExecutor) -> None:
        self.experimental_thread_pool = threads  # gRPC's name for it
        self._answer = answer

    def __call__(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._answer(request, context)


def _refuse(_unread: Any, context: grpc.ServicerContext) -> Any:
    """Refuse the call; as a stream handler, it does not wait for the request."""
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, EXHAUSTED)
