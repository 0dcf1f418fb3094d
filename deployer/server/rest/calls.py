"""The REST API without its transport: from method, target and body to a reply.

Source: `model_servers/http_rest_api_handler.cc`. Errors have that file's precedence: JSON, model, signature, tensors.
"""

from __future__ import annotations

from typing import Any

from deployer.server import examples, predict
from deployer.server.core import Core
from deployer.server.http.message import Reply
from deployer.server.log import LOG
from deployer.server.predict import RunOptions
from deployer.server.rest import json_examples, json_in, json_metadata, json_out
from deployer.server.rest.json_read import parse
from deployer.server.rest.json_text import encode, error_body
from deployer.server.rest.routes import Route, SilentError, route
from deployer.server.servable import Model
from deployer.server.status import HTTP_STATUS, Code, ServingError, invalid


class NeedsWorkerThread(Exception):
    """The request may take long: repeat it on a worker thread."""


def refusal(error: ServingError) -> Reply:
    """Return the reply for an error."""
    return Reply(HTTP_STATUS[error.code], error_body(error.message), error.code)


class RestApi:
    """Answers REST requests; `handle` may be called from any thread."""

    def __init__(self, core: Core[Model], timeout_ms: int, check_method: bool, max_values: int) -> None:
        self._core = core
        self._timeout_ms = max(0, timeout_ms)
        self.timeout_seconds = self._timeout_ms / 1000 or None
        self._check_method = check_method
        self._most_values = max_values

    def handle(self, method: str, target: str, body: bytes, inline: bool = False) -> Reply:
        """Answer a request; with `inline`, raise NeedsWorkerThread instead of blocking the event loop."""
        try:
            return Reply(200, self._answer(route(method, target), body, inline))
        except SilentError as error:
            return Reply(HTTP_STATUS[error.code], b"", error.code)
        except ServingError as error:
            return refusal(error)
        except NeedsWorkerThread:
            raise
        except Exception:  # noqa: BLE001 - no request may end the server
            LOG.exception("%s %s failed", method, target)
            return refusal(ServingError(Code.INTERNAL, "Internal error; the server's log tells more."))

    def _answer(self, requested: Route, body: bytes, inline: bool) -> bytes:
        if requested.verb == "status":
            return json_metadata.status(self._core.status(requested.model, requested.version))
        if requested.verb == "metadata":
            with self._core.servable_handle(requested.model, requested.version, requested.label) as (version, model):
                return json_metadata.metadata(requested.model, version, model)
        if requested.verb == "predict":
            return self._predict(requested, body, inline)
        if inline:
            raise NeedsWorkerThread
        return self._examples(requested, body)

    def _predict(self, requested: Route, body: bytes, inline: bool) -> bytes:
        document = parse(body, self._most_values)
        given_name = json_in.signature_name(document)
        name = given_name or predict.DEFAULT_SIGNATURE
        with self._core.servable_handle(requested.model, requested.version, requested.label) as (_, model):
            latency = model.latencies.get(name)
            if inline and not (latency and latency.quick):
                raise NeedsWorkerThread
            if latency is None:
                raise invalid(f'Serving signature name: "{name}" not found in signature def')
            if not model.signatures[name].inputs:
                raise invalid(f"Failed to get input map for signature: {given_name or 'DEFAULT'}")
            with latency.timer():
                return self._run(model, name, document, RunOptions(self._timeout_ms, latency.on_caller_thread))

    def _run(self, model: Model, name: str, document: Any, options: RunOptions) -> bytes:
        signature = model.signatures[name]
        inputs, in_rows = json_in.predict_inputs(document, signature.input_dtypes)
        predict.find_signature(model, name, self._check_method)
        predict.check_inputs(signature, list(inputs))
        outputs = predict.run(model, signature, inputs, list(signature.outputs), options)
        return json_out.rows(outputs) if in_rows else json_out.columns(outputs)

    def _examples(self, requested: Route, body: bytes) -> bytes:
        name, serialized = json_examples.example_request(parse(body, self._most_values))
        with self._core.servable_handle(requested.model, requested.version, requested.label) as (_, model):
            call = examples.Call(model, name, serialized, self._check_method, self._timeout_ms)
            if requested.verb == "classify":
                return encode(json_examples.classifications(examples.classify(call)))
            return encode(json_examples.regressions(examples.regress(call)))
