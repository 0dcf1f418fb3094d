"""The REST API without its transport: a method, a target and a body in, an answer out.

Source: `model_servers/http_rest_api_handler.cc`. Errors come in that file's order: JSON, model, signature, tensors.
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
    """The request may take long: ask again from a thread that may wait."""


def refusal(error: ServingError) -> Reply:
    """Return the answer that tells of an error."""
    return Reply(HTTP_STATUS[error.code], error_body(error.message), error.code)


class RestApi:
    """Answers REST requests; `handle` may be called from any thread."""

    def __init__(self, core: Core[Model], timeout_ms: int, check_method: bool, most_values: int) -> None:
        self._core = core
        self._timeout_ms = max(0, timeout_ms)
        self.timeout_seconds = self._timeout_ms / 1000 or None
        self._check_method = check_method
        self._most_values = most_values

    def handle(self, method: str, target: str, body: bytes, inline: bool = False) -> Reply:
        """Answer a request; with `inline` it raises NeedsWorkerThread rather than keep the event loop waiting."""
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

    def _answer(self, asked: Route, body: bytes, inline: bool) -> bytes:
        if asked.verb == "status":
            return json_metadata.status(self._core.status(asked.model, asked.version))
        if asked.verb == "metadata":
            with self._core.use(asked.model, asked.version, asked.label) as (version, model):
                return json_metadata.metadata(asked.model, version, model)
        if asked.verb == "predict":
            return self._predict(asked, body, inline)
        if inline:
            raise NeedsWorkerThread
        return self._examples(asked, body)

    def _predict(self, asked: Route, body: bytes, inline: bool) -> bytes:
        document = parse(body, self._most_values)
        given = json_in.signature_name(document)
        name = given or predict.DEFAULT_SIGNATURE
        with self._core.use(asked.model, asked.version, asked.label) as (_, model):
            pace = model.paces.get(name)
            if inline and not (pace and pace.quick):
                raise NeedsWorkerThread
            if pace is None:
                raise invalid(f'Serving signature name: "{name}" not found in signature def')
            if not model.signatures[name].inputs:
                raise invalid(f"Failed to get input map for signature: {given or 'DEFAULT'}")
            with pace.timed():
                return self._run(model, name, document, RunOptions(self._timeout_ms, pace.alone))

    def _run(self, model: Model, name: str, document: Any, options: RunOptions) -> bytes:
        signature = model.signatures[name]
        inputs, in_rows = json_in.predict_inputs(document, signature.input_dtypes)
        predict.find_signature(model, name, self._check_method)
        predict.check_inputs(signature, list(inputs))
        outputs = predict.run(model, signature, inputs, list(signature.outputs), options)
        return json_out.rows(outputs) if in_rows else json_out.columns(outputs)

    def _examples(self, asked: Route, body: bytes) -> bytes:
        name, serialized = json_examples.example_request(parse(body, self._most_values))
        with self._core.use(asked.model, asked.version, asked.label) as (_, model):
            call = examples.Call(model, name, serialized, self._check_method, self._timeout_ms)
            if asked.verb == "classify":
                return encode(json_examples.classifications(examples.classify(call)))
            return encode(json_examples.regressions(examples.regress(call)))
