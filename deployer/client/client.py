"""The client of a model server, over REST and gRPC. It knows no engine.

Responses are untrusted input: they become values here, or RequestFailed is raised. Every call has a deadline, and is
repeated until then while the server refuses it for load.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from deployer.client import access, encoding, overload, tf_examples
from deployer.client.encoding import ModelTarget, rest_path, version_path
from deployer.client.overload import Answer, Retries
from deployer.errors import RequestFailed, RequestRefused
from deployer.results.deployment import GRPC_PORT, REST_PORT, Endpoints, Gateway
from deployer.results.model import Signature, TensorSpec
from deployer.results.running import ModelState
from deployer.savedmodel import tensors
from deployer.savedmodel.messages import message_class
from deployer.savedmodel.reader import INIT_SIGNATURE

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from grpc import Channel
    from urllib3 import HTTPConnectionPool

    from deployer.client.tf_examples import Array

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_metadata_size", 1 << 20),  # TensorFlow's error texts are sent there, and can be long
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # else a failed connection of `--measure` delays those of the gate
)
POOL_SIZE = 32
# A kernel accepts a connection at once, however busy its processes are. One SYN may get lost.
CONNECT_SECONDS = 3.0
# A gRPC port answers a REST request with HTTP/2's first frame, which is no status line.
HTTP2_SETTINGS_FRAME = re.compile(r"BadStatusLine\('\\x00\\x00.{1,4}\\x04")
# gRPC's errors for a server that answers in HTTP/1.1.
HTTP1_ERROR = re.compile(r"http1\.x server|Failed parsing HTTP/2|Expected SETTINGS frame")
DEFAULT_PORTS_HINT = f"TensorFlow Serving's REST port is {REST_PORT} and its gRPC port {GRPC_PORT} by default"
# The errors of reading a document that has another shape than expected.
INVALID_RESPONSE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


def _not_ended() -> str:
    return ""


@dataclass(frozen=True)
class Client:
    """A client of one server, through the gateway in front of it if there is one.

    A request may take `seconds`. One that is refused for load is repeated for `retry_seconds`, by default as long; 0
    never repeats it. `exit_reason` returns why the server has ended, or an empty string while it may still answer.
    """

    endpoints: Endpoints
    seconds: float = 30.0
    gateway: Gateway | None = None
    retry_seconds: float | None = None
    exit_reason: Callable[[], str] = field(default=_not_ended, compare=False, repr=False)
    retries: Retries = field(default_factory=Retries, init=False, compare=False, repr=False)

    def states(self, model: str, *, retry: bool = True) -> tuple[ModelState, ...]:
        """Return the states of all versions of a model, also while the server loads them. Raises RequestFailed.

        Callers that poll pass `retry=False`.
        """
        path = f"/v1/models/{model}"
        body = self._get_json(path) if retry else self._get_json_once(path)
        try:
            return tuple(_parse_state(model, raw) for raw in body["model_version_status"])
        except INVALID_RESPONSE as error:
            raise RequestFailed(f"the status of {model} cannot be understood: {str(body)[:200]}") from error

    def signatures(self, model: str, version: int) -> tuple[Signature, ...]:
        """Return the signatures of a version. Raises RequestFailed."""
        body = self._get_json(f"/v1/models/{model}/versions/{version}/metadata")
        try:
            definitions = body["metadata"]["signature_def"]["signature_def"]
            return tuple(
                _parse_signature(name, definitions[name]) for name in sorted(definitions) if name != INIT_SIGNATURE
            )
        except INVALID_RESPONSE as error:
            raise RequestFailed(f"the metadata of {model} cannot be understood: {str(body)[:200]}") from error

    def answering_version(self, model: str, label: str) -> int:
        """Return the version that answers requests for a label. Raises RequestFailed; RequestRefused if none does."""
        body = self._get_json(f"/v1/models/{model}{version_path(label)}/metadata")
        try:
            return int(body["model_spec"]["version"])
        except INVALID_RESPONSE as error:
            raise RequestFailed(f"the metadata of {model} cannot be understood: {str(body)[:200]}") from error

    def post_predict(self, model: str, version: int | str | None, body: bytes) -> object:
        """Send a predict request in JSON; return the parsed answer. `version` may be a label.

        Raises RequestFailed, and RequestRefused for an answer that is an error.
        """
        return self._ask(model, version, tf_examples.PREDICT, body)

    def _ask(self, model: str, version: int | str | None, method: str, body: bytes) -> object:
        return self._post(rest_path(model, version, method), body)

    def predict_rest(
        self, target: ModelTarget, inputs: Mapping[str, Array], outputs: tuple[TensorSpec, ...]
    ) -> dict[str, Array]:
        """Predict over REST: arrays by input name to arrays by output name. JSON has no dtypes: `outputs` gives them.

        Raises RequestFailed, and MalformedTensor for values that form no such array.
        """
        answer = self.post_predict(target.model, target.version, encoding.predict_body(target.signature, inputs))
        return encoding.read_json(answer, tf_examples.PREDICT, target.signature, outputs)

    def examples_rest(self, target: ModelTarget, method: str, examples: Sequence[bytes]) -> dict[str, Array]:
        """Classify or regress over REST: serialized tf.Example messages to arrays by output name."""
        answer = self._ask(target.model, target.version, method, encoding.examples_body(target.signature, examples))
        return encoding.read_json(answer, method, target.signature, ())

    def examples_grpc(
        self, target: ModelTarget, method: str, examples: Sequence[bytes]
    ) -> tuple[int, dict[str, Array]]:
        """Classify or regress over gRPC; return the version that answered, and arrays by output name."""
        return self._ask_grpc(method, encoding.examples_message(target, method, examples))

    def predict_grpc(self, target: ModelTarget, inputs: Mapping[str, Array]) -> tuple[int, dict[str, Array]]:
        """Predict over gRPC; return the version that answered, and arrays by output name.

        Raises RequestFailed, MalformedTensor.
        """
        return self._ask_grpc(tf_examples.PREDICT, encoding.predict_message(target, inputs))

    def _ask_grpc(self, method: str, request: Message) -> tuple[int, dict[str, Array]]:
        answer = self._call(encoding.grpc_method(method), request, encoding.answer_name(method))
        return encoding.read_message(answer, method)

    def reload(self, model_config: str) -> None:
        """Send the server a new ModelServerConfig, in text proto. It takes effect a moment later.

        Raises RequestFailed.
        """
        from google.protobuf import text_format

        request = message_class("tensorflow.serving.ReloadConfigRequest")()
        text_format.Parse(model_config, request.config)
        answer = self._call("ModelService/HandleReloadConfigRequest", request, "ReloadConfigResponse")
        if answer.status.error_code:
            raise RequestFailed(f"the server refused its new config: {answer.status.error_message}")

    @staticmethod
    def preload() -> None:
        """Import what requests need, in the time that a server takes to load."""
        import grpc  # noqa: F401
        import urllib3  # noqa: F401

        message_class("tensorflow.serving.PredictRequest")

    def close(self) -> None:
        """Close all connections."""
        if "_pool" in vars(self):
            self._pool.close()
        if "_channel" in vars(self):
            self._channel.close()

    def _with_retries(self, request: Callable[[], Answer]) -> Answer:
        seconds = self.seconds if self.retry_seconds is None else self.retry_seconds
        return overload.call_with_retries(request, seconds, self.retries, self.exit_reason)

    def _get_json(self, path: str) -> Any:
        return self._with_retries(lambda: self._get_json_once(path))

    def _get_json_once(self, path: str) -> Any:
        # http.client and not requests or urllib3: `status` must start quickly.
        try:
            return _parse_response(f"GET {path}", *self._get(path))
        except ConnectionRefusedError as error:
            raise RequestFailed(f"{self.endpoints.rest} cannot be reached: nothing listens there") from error
        except TimeoutError as error:
            raise RequestFailed(f"{self.endpoints.rest} did not answer within {self.seconds:g} s") from error
        except (OSError, HTTPException, ValueError) as error:
            raise _connection_error(self.endpoints.rest, repr(error)) from error

    def _get(self, path: str) -> tuple[int, bytes]:
        """Return the status and the body."""
        url = urlsplit(self.endpoints.rest)
        host, context = url.hostname or "", access.tls_context(self.gateway)
        connection = HTTPConnection(host, url.port)
        with closing(connection):
            connection.sock = self._connect(host, url.port)
            if context:
                connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
            connection.request("GET", path, headers=access.headers(self.gateway))
            answer = connection.getresponse()
            return answer.status, answer.read()

    def _connect(self, host: str, port: int | None) -> socket.socket:
        # A container that is gone took its address with it: a connection to it is not even refused.
        seconds = min(CONNECT_SECONDS, self.seconds)
        try:
            connection = socket.create_connection((host, port or 80), seconds)
        except TimeoutError as error:
            text = f"{self.endpoints.rest} cannot be reached: no connection within {seconds:g} s"
            raise RequestFailed(text) from error
        connection.settimeout(self.seconds)
        return connection

    def _post(self, path: str, body: bytes) -> Any:
        return self._with_retries(lambda: self._post_once(path, body))

    def _post_once(self, path: str, body: bytes) -> Any:
        from urllib3 import exceptions

        url = self.endpoints.rest + path
        try:
            answer = self._pool.urlopen("POST", path, body=body, redirect=False)
        except exceptions.NewConnectionError as error:  # urllib3 counts it as a TimeoutError
            raise _connection_error(url, str(error)) from error
        except exceptions.TimeoutError as error:
            raise RequestFailed(f"{url} did not answer within {self.seconds:g} s") from error
        except (exceptions.HTTPError, ValueError) as error:
            raise _connection_error(url, str(error)) from error
        return _parse_response(f"POST {path}", answer.status, answer.data)

    @cached_property
    def _pool(self) -> HTTPConnectionPool:
        return access.connection_pool(self.endpoints.rest, self.gateway, self.seconds, POOL_SIZE)

    @cached_property
    def _channel(self) -> Channel:
        return access.grpc_channel(self.endpoints.grpc, self.gateway, CHANNEL_OPTIONS)

    def _call(self, method: str, request: Message, answer: str) -> Message:
        return self._with_retries(lambda: self._call_once(method, request, answer))

    def _call_once(self, method: str, request: Message, answer: str) -> Message:
        import grpc

        call = self._channel.unary_unary(
            f"/tensorflow.serving.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=message_class(f"tensorflow.serving.{answer}").FromString,
        )
        try:
            return call(request, timeout=self.seconds, metadata=access.metadata(self.gateway))
        except grpc.RpcError as error:
            raise self._failure(method, error.code().name, str(error.details())) from error

    def _failure(self, method: str, code: str, details: str) -> RequestFailed:
        if HTTP1_ERROR.search(details):
            text = f"{self.endpoints.grpc} speaks HTTP/1.1, as REST ports do: a gRPC request was sent to it"
            return RequestFailed(text, hint=DEFAULT_PORTS_HINT)
        text = f"{method} was answered {code}: {details[:500]}"
        if overload.is_refusal(code, details):
            return overload.overloaded_error(text, code, details)
        return RequestFailed(text)


def _connection_error(url: str, reason: str) -> RequestFailed:
    """Return the error for a request without an answer. It names a gRPC port that was taken for a REST port."""
    if HTTP2_SETTINGS_FRAME.search(reason):
        where = urlsplit(url).netloc
        return RequestFailed(f"{where} is a gRPC port: a REST request was sent to it", hint=DEFAULT_PORTS_HINT)
    return RequestFailed(f"{url} cannot be reached, or broke off: {reason}")


def _parse_response(request: str, status: int, body: bytes) -> Any:
    """Return the JSON of a response. Raises RequestFailed for other text, and for an error of the server."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        if overload.is_refusal(status, ""):
            raise overload.overloaded_error(f"{request} was answered {status}", status, "") from error
        raise RequestFailed(f"{request} was answered {status} with what is not JSON: {error}") from error
    if status != 200:
        details = str(parsed.get("error") if isinstance(parsed, dict) else parsed)
        text = f"{request} was answered {status}: {details[:500]}"
        if overload.is_refusal(status, details):
            raise overload.overloaded_error(text, status, details)
        raise RequestRefused(text)
    return parsed


def _parse_state(model: str, raw: Mapping[str, Any]) -> ModelState:
    return ModelState(
        model, int(raw["version"]), str(raw["state"]), str(raw.get("status", {}).get("error_message", ""))
    )


def _parse_signature(name: str, raw: Mapping[str, Any]) -> Signature:
    return Signature(
        name, str(raw["method_name"]), _parse_specs(raw.get("inputs", {})), _parse_specs(raw.get("outputs", {}))
    )


def _parse_specs(raw: Mapping[str, Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name, tensors.dtype_from_text(raw[name]["dtype"]), _parse_shape(raw[name])) for name in sorted(raw)
    )


def _parse_shape(raw: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    shape = raw["tensor_shape"]
    if shape.get("unknown_rank"):
        return None
    sizes = [int(dim["size"]) for dim in shape.get("dim", [])]
    return tuple(None if size < 0 else size for size in sizes)
