"""PredictionService and ModelService over gRPC.

Sources: `prediction_service_impl.cc`, `model_service_impl.cc`. The handlers are generic, because the generated module
of ModelService cannot be imported with a newer protobuf.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from google.protobuf.message import Message

from deployer.server import examples, predict
from deployer.server.core import Core, ServableHandle
from deployer.server.log import LOG
from deployer.server.metadata import signature_map
from deployer.server.runtime import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)
from deployer.server.servable import Model, time_limit_ms
from deployer.server.status import Code, ServingError, invalid
from deployer.server.tensors import fill_proto

_GRPC_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MESSAGE_LIMIT = 1024
Handler = Callable[[Message, grpc.ServicerContext], Message]


class PredictionService:
    """Inference and metadata."""

    def __init__(self, core: Core[Model], check_method: bool, as_content: bool) -> None:
        self._core = core
        self._check_method = check_method
        self._as_content = as_content

    def predict(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Run a signature on tensors."""
        with self._servable_handle(request) as (version, model):
            answers = predict.run_request(model, request, _timeout_ms(context), self._check_method)
            response = predict_pb2.PredictResponse()
            for alias, array in answers.items():
                fill_proto(response.outputs[alias], array, self._as_content)
            _fill_spec(response.model_spec, request.model_spec, version)
            return response

    def classify(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Classify examples."""
        with self._servable_handle(request) as (version, model):
            response = classification_pb2.ClassificationResponse()
            _fill_classes(response.result, examples.classify(self._call(model, request, context)))
            _fill_spec(response.model_spec, request.model_spec, version)
            return response

    def regress(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Regress examples."""
        with self._servable_handle(request) as (version, model):
            response = regression_pb2.RegressionResponse()
            _fill_values(response.result, examples.regress(self._call(model, request, context)))
            _fill_spec(response.model_spec, request.model_spec, version)
            return response

    def multi_inference(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Classify and regress the same examples."""
        first = request.tasks[0].model_spec if request.tasks else None
        with self._core.servable_handle(*_parse_spec(first)) as (version, model):
            serialized, options = examples.serialized(request.input), predict.RunOptions(_timeout_ms(context))
            answers = examples.infer(model, request.tasks, serialized, options, self._check_method)
            response = inference_pb2.MultiInferenceResponse()
            for task, answer in zip(request.tasks, answers, strict=True):
                result = response.results.add()
                if task.method_name == examples.CLASSIFY:
                    _fill_classes(result.classification_result, answer)
                else:
                    _fill_values(result.regression_result, answer)
                _fill_spec(result.model_spec, task.model_spec, version)
            return response

    def metadata(self, request: Message, _context: grpc.ServicerContext) -> Message:
        """Return the signatures of a version."""
        _check_metadata_fields(request)
        with self._servable_handle(request) as (version, model):
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = request.model_spec.name
            response.model_spec.version.value = version
            response.metadata["signature_def"].Pack(signature_map(model))
            return response

    def _servable_handle(self, request: Message) -> ServableHandle[Model]:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        return self._core.servable_handle(*_parse_spec(request.model_spec))

    def _call(self, model: Model, request: Message, context: grpc.ServicerContext) -> examples.Call:
        name, serialized = request.model_spec.signature_name, examples.serialized(request.input)
        return examples.Call(model, name, serialized, self._check_method, _timeout_ms(context))


def _fill_classes(result: Message, answer: Message) -> None:
    result.SetInParent()
    for row in answer:
        classes = result.classifications.add()
        for label, score in row:
            text = label if isinstance(label, str) else label.decode("utf-8", "replace")
            classes.classes.add(label=text, score=score)


def _fill_values(result: Message, answer: Message) -> None:
    result.SetInParent()
    for value in answer:
        result.regressions.add(value=value)


class ModelService:
    """Status and reload; reloads run one at a time, even if the client disconnects."""

    def __init__(self, core: Core[Model]) -> None:
        self._core = core
        self._reloads = ThreadPoolExecutor(1, "reload")

    def status(self, request: Message, _context: grpc.ServicerContext) -> Message:
        """Return the states of a model's versions."""
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        response = get_model_status_pb2.GetModelStatusResponse()
        for state in self._core.status(spec.name, version):
            entry = response.model_version_status.add(version=state.version, state=int(state.state))
            entry.status.SetInParent()
            if state.error is not None:
                entry.status.error_code = int(state.error.code)
                entry.status.error_message = state.error.message
        return response

    def reload(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Apply another config, and wait for it as long as the client does."""
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        future = self._reloads.submit(self._core.reload, request.config)
        _wait(future, context)
        response = model_management_pb2.ReloadConfigResponse()
        response.status.SetInParent()
        return response


def _wait(future: Future[None], context: grpc.ServicerContext) -> None:
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    if not context.add_callback(done.set):
        done.set()
    done.wait()
    if not future.done():
        raise ServingError(Code.DEADLINE_EXCEEDED, "The reload goes on, its client has gone.")
    future.result()


def _parse_spec(spec: Message) -> tuple[str, int | None, str | None]:
    """Return model, version and label of a ModelSpec."""
    if spec is None or not spec.name:
        raise invalid("ModelSpec has no name specified.")
    kind = spec.WhichOneof("version_choice")
    return (
        spec.name,
        spec.version.value if kind == "version" else None,
        spec.version_label if kind == "version_label" else None,
    )


def _fill_spec(answer: Message, requested: Message, version: int) -> None:
    answer.name = requested.name
    answer.version.value = version
    answer.signature_name = requested.signature_name or predict.DEFAULT_SIGNATURE


def _check_metadata_fields(request: Message) -> None:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise invalid(f"Metadata field {field} is not supported")


def _timeout_ms(context: grpc.ServicerContext) -> int:
    """Return a time-out that covers the client's remaining time; 0 for a client without deadline."""
    remaining = context.time_remaining()
    return 0 if remaining is None else time_limit_ms(remaining)


def handlers(prediction: PredictionService, models: ModelService) -> list[grpc.GenericRpcHandler]:
    """Return both services as gRPC handlers."""
    return [
        _service(
            "tensorflow.serving.PredictionService",
            Predict=(prediction.predict, predict_pb2.PredictRequest),
            Classify=(prediction.classify, classification_pb2.ClassificationRequest),
            Regress=(prediction.regress, regression_pb2.RegressionRequest),
            MultiInference=(prediction.multi_inference, inference_pb2.MultiInferenceRequest),
            GetModelMetadata=(prediction.metadata, get_model_metadata_pb2.GetModelMetadataRequest),
        ),
        _service(
            "tensorflow.serving.ModelService",
            GetModelStatus=(models.status, get_model_status_pb2.GetModelStatusRequest),
            HandleReloadConfigRequest=(models.reload, model_management_pb2.ReloadConfigRequest),
        ),
    ]


def _service(service: str, **methods: tuple[Handler, type[Message]]) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        service,
        {
            name: grpc.unary_unary_rpc_method_handler(
                _with_status(f"{service}/{name}", function),
                request_deserializer=request.FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name, (function, request) in methods.items()
        },
    )


def _with_status(name: str, function: Handler) -> Handler:
    """Convert exceptions of a handler to a status, so that no request ends the server."""

    def answer(request: Message, context: grpc.ServicerContext) -> Message:
        with _errors_as_status(name, context):
            return function(request, context)

    return answer


@contextmanager
def _errors_as_status(name: str, context: grpc.ServicerContext) -> Iterator[None]:
    try:
        yield
    except ServingError as error:
        status_error = error
    except Exception:  # noqa: BLE001 - no request may end the server
        LOG.exception("%s failed", name)
        status_error = ServingError(Code.INTERNAL, "Internal error; the server's log tells more.")
    else:
        return
    context.abort(_GRPC_CODES[int(status_error.code)], _truncated(status_error.message))


def _truncated(message: str) -> str:
    return message if len(message) <= _MESSAGE_LIMIT else message[:_MESSAGE_LIMIT] + "...TRUNCATED"
