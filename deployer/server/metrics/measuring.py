"""Measure requests, runs and loads; unused without monitoring.

Sources: `model_servers/http_server.cc`, `prediction_service_impl.cc`, `servables/tensorflow/predict_util.cc`,
`multi_inference.cc`. Latencies are whole microseconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.message import Message

from deployer.server.core import Core
from deployer.server.dtypes import Array
from deployer.server.grpc.services import Handler, PredictionService
from deployer.server.http.message import Reply
from deployer.server.latency import LatencyTracker
from deployer.server.metrics.monitoring import Metrics
from deployer.server.rest.calls import RestApi
from deployer.server.rest.routes import Route, route
from deployer.server.servable import Model, Signature
from deployer.server.status import Code, ServingError

_VERBS = {"predict": "Predict", "classify": "Classify", "regress": "Regress"}
_UNROUTED = Route("", "")


class _CurrentRequest(threading.local):
    """The API that the current thread is serving."""

    api = ""


_request = _CurrentRequest()


@contextmanager
def _api_in_progress(api: str) -> Iterator[None]:
    _request.api = api
    try:
        yield
    finally:
        _request.api = ""


class MeasuredRestApi(RestApi):
    """The REST API with request metrics."""

    def __init__(
        self, core: Core[Model], timeout_ms: int, check_method: bool, max_values: int, metrics: Metrics
    ) -> None:
        super().__init__(core, timeout_ms, check_method, max_values)
        self._metrics = metrics

    def handle(self, method: str, target: str, body: bytes, inline: bool = False) -> Reply:
        """Answer a request and record it."""
        start = time.perf_counter()
        requested = _route_or_unrouted(method, target)
        verb = requested.verb if requested.verb in _VERBS else ""
        with _api_in_progress(_VERBS.get(verb, "")):
            reply = super().handle(method, target, body, inline)
        if reply.code is Code.OK:
            self._metrics.request_latency.add(_micros_since(start), requested.model, verb, "REST")
        self._metrics.request_count.add(requested.model, reply.code.name)
        return reply


def _route_or_unrouted(method: str, target: str) -> Route:
    try:
        return route(method, target)
    except ServingError:
        return _UNROUTED


class MeasuredPredictionService(PredictionService):
    """PredictionService with request metrics."""

    def __init__(self, core: Core[Model], check_method: bool, as_content: bool, metrics: Metrics) -> None:
        super().__init__(core, check_method, as_content)
        self._metrics = metrics

    def predict(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Run a signature on tensors."""
        return self._measured("Predict", super().predict, request, context)

    def classify(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Classify examples."""
        return self._measured("Classify", super().classify, request, context)

    def regress(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Regress examples."""
        return self._measured("Regress", super().regress, request, context)

    def multi_inference(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Classify and regress the same examples."""
        response = super().multi_inference(request, context)
        kind = request.input.WhichOneof("kind")
        number = len(getattr(request.input, kind).examples)
        name = request.tasks[0].model_spec.name
        self._metrics.example_counts.add(number, name)
        self._metrics.example_count_total.add(name, by=number)
        return response

    def _measured(self, api: str, function: Handler, request: Message, context: grpc.ServicerContext) -> Message:
        start, name, code = time.perf_counter(), request.model_spec.name, Code.INTERNAL
        try:
            with _api_in_progress(api):
                response = function(request, context)
            code = Code.OK
        except ServingError as error:
            code = error.code
            raise
        finally:
            self._metrics.request_count.add(name, code.name)
        self._metrics.request_latency.add(_micros_since(start), name, api, "GRPC")
        return response


class MeasuredModel:
    """A loaded version with runtime metrics."""

    def __init__(self, name: str, model: Model, metrics: Metrics) -> None:
        self.signatures: Mapping[str, Signature] = model.signatures
        self.latencies: Mapping[str, LatencyTracker] = model.latencies
        self._name = name
        self._model = model
        self._metrics = metrics

    def run(
        self, feeds: Mapping[str, Array], fetches: Sequence[str], timeout_ms: int = 0, on_caller_thread: bool = False
    ) -> Any:
        """Feed arrays by tensor name and return the fetched ones in order. Raises ServingError."""
        start = time.perf_counter()
        outputs = self._model.run(feeds, fetches, timeout_ms, on_caller_thread)
        if _request.api:
            self._metrics.runtime_latency.add(_micros_since(start), self._name, _request.api, "TF1")
        return outputs

    def close(self) -> None:
        """Free the version's resources; no call may be running."""
        self._model.close()


@contextmanager
def count_load(path: str, metrics: Metrics) -> Iterator[None]:
    """Record the load of a version directory within the context."""
    start, status = time.perf_counter(), "fail"
    try:
        yield
        status = "success"
        metrics.load_latency.add(path, by=_micros_since(start))
    finally:
        metrics.load_attempt_count.add(path, status)


def _micros_since(start: float) -> int:
    return round((time.perf_counter() - start) * 1e6)
