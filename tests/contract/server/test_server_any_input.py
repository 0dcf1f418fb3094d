"""Any input to any signature: over REST, in rows and in columns, and over gRPC the answer is TensorFlow's own.

Hypothesis makes the inputs from the dtypes and shapes of the signatures; what TensorFlow refuses, the server refuses.
"""

from __future__ import annotations

import base64
import http.client
import json
import math
from collections.abc import Iterator
from typing import Any

import grpc
import ml_dtypes
import numpy as np
import pytest
from contract.server.server_process import HOST, MODELS, ServerProcess, model_config, serving
from contract.server.tensorflow_itself import TensorFlowItself
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deployer.savedmodel.messages import message_class
from deployer.server.tensors import to_array

NAMES = ("half_plus_two", "several", "types", "text", "odd")
SIGNATURES = [
    ("half_plus_two", "serving_default"),
    ("several", "serving_default"),
    ("several", "norm"),
    ("text", "serving_default"),
    *(
        ("odd", name)
        for name in ("log", "scalar", "refuse", "rank3", "fixed_batch", "no_batch_out", "any_shape", "large")
    ),
    *(("types", name) for name in ("float64", "int8", "uint8", "int16", "int32", "int64", "uint32", "uint64")),
    *(("types", name) for name in ("bool", "string")),
]
WITH_ROWS = [each for each in SIGNATURES if each[1] != "scalar"]
IN_TENSORS = [*SIGNATURES, ("types", "float16"), ("types", "bfloat16")]
VERSIONS = {name: max((MODELS / name).iterdir(), key=lambda directory: int(directory.name)) for name in NAMES}
SMALLEST = 1e-15
LOOK = settings(max_examples=30, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", params=["plain", "batching"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("any_input")
    config = directory / "models.config"
    config.write_text(f"model_config_list {{ {''.join(model_config(name, MODELS / name) for name in NAMES)} }}")
    flags = ["--enable_batching"] if request.param == "batching" else []
    with serving(directory, f"--model_config_file={config}", *flags) as started:
        yield started.wait_ready()


@pytest.fixture(scope="module")
def tensorflow() -> Iterator[TensorFlowItself]:
    itself = TensorFlowItself()
    yield itself
    itself.stop()


def elements(dtype: np.dtype) -> st.SearchStrategy[Any]:
    if dtype.kind == "O":
        return st.binary(max_size=6) | st.text(max_size=4).map(lambda text: text.encode("utf-8", "replace"))
    if dtype in (ml_dtypes.bfloat16, np.float16):
        return floats(16)
    if dtype.kind == "f":
        return floats(dtype.itemsize * 8) | st.integers(-(2**20), 2**20).map(float)
    return arrays.from_dtype(dtype)


def floats(bits: int) -> st.SearchStrategy[float]:
    """JSON's NaN has no sign, which TensorFlow would show in what it refuses.

    Nothing is so small that its square is subnormal: whether that is zero depends on the thread that a model runs on.
    """
    found = st.floats(width=bits, allow_subnormal=False).filter(lambda value: not 0 < abs(value) < SMALLEST)
    return found.map(lambda value: math.nan if math.isnan(value) else value)


@st.composite
def inputs(draw: st.DrawFn, signature: dict[str, tuple[np.dtype, list[int | None] | None]]) -> dict[str, np.ndarray]:
    """Arrays for all inputs of a signature: one batch size, and the same sizes wherever any size will do."""
    batch, any_size, any_rank = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    made = {}
    for alias, (dtype, dims) in signature.items():
        sizes = [None] * any_rank if dims is None else dims
        shape = [(any_size if place else batch) if size is None else size for place, size in enumerate(sizes)]
        values = draw(st.lists(elements(dtype), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        flat = np.empty(len(values), dtype)
        flat[:] = values
        made[alias] = flat.reshape(shape)
    return made


def as_json(value: Any) -> Any:
    if isinstance(value, list):
        return [as_json(each) for each in value]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def post(server: ServerProcess, model: str, body: dict[str, Any]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(HOST, server.rest_port, timeout=60)
    connection.request("POST", f"/v1/models/{model}:predict", body=json.dumps(body))
    answer = connection.getresponse()
    data = answer.read().decode("utf-8", "surrogateescape")
    connection.close()
    return answer.status, json.loads(data)


def from_json(value: Any, like: np.ndarray) -> np.ndarray:
    if like.dtype.kind != "O":
        return np.array(value, like.dtype).reshape(like.shape)
    flat = np.empty(like.size, object)
    flat[:] = [_bytes(each) for each in np.array(value, object).ravel()]
    return flat.reshape(like.shape)


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value.encode("utf-8", "surrogateescape")


def check_same(got: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert got.keys() == wanted.keys()
    for alias, array in wanted.items():
        assert got[alias].dtype == array.dtype
        wide = np.float32 if array.dtype == ml_dtypes.bfloat16 else array.dtype  # numpy knows no NaN of bfloat16
        np.testing.assert_array_equal(got[alias].astype(wide), array.astype(wide))


def judged(tensorflow: TensorFlowItself, model: str, signature: str, made: dict[str, np.ndarray]) -> Any:
    """TensorFlow's outputs and the inputs as protos; the text of its refusal when it has none."""
    try:
        outputs, protos = tensorflow.run(VERSIONS[model], signature, made)
    except RuntimeError as error:
        return str(error), {}
    return {alias: np.asarray(array) for alias, array in outputs.items()}, protos


def batched_refusal(made: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> bool:
    """Whether a batch cannot be made of this, or its answer not be divided."""
    return any(not array.ndim for array in made.values()) or any(
        array.shape[:1] != next(iter(made.values())).shape[:1] for array in outputs.values()
    )


def refused(server: ServerProcess, made: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> bool:
    return "Wrapping session to perform batch processing" in server.log and batched_refusal(made, outputs)


@pytest.mark.parametrize(("model", "signature"), SIGNATURES, ids=map("-".join, SIGNATURES))
def test_columns_are_answered_as_tensorflow_answers(server, tensorflow, model: str, signature: str) -> None:
    @LOOK
    @given(made=inputs(tensorflow.signatures(VERSIONS[model])[signature]))
    def ask(made: dict[str, np.ndarray]) -> None:
        columns = {alias: as_json(array.tolist()) for alias, array in made.items()}
        status, answer = post(server, model, {"signature_name": signature, "inputs": columns})
        outputs, _ = judged(tensorflow, model, signature, made)
        if isinstance(outputs, str):
            assert status == 400
            assert answer["error"].partition("\n")[0] in outputs
            return
        if refused(server, made, outputs):
            assert (status, answer["error"].partition(" ")[0]) in ((400, "Batching"), (400, "Batched"))
            return
        assert status == 200
        got = answer["outputs"] if len(outputs) > 1 else {next(iter(outputs)): answer["outputs"]}
        check_same({alias: from_json(got[alias], outputs[alias]) for alias in got}, outputs)

    ask()


@pytest.mark.parametrize(("model", "signature"), WITH_ROWS, ids=map("-".join, WITH_ROWS))
def test_rows_are_answered_as_tensorflow_answers(server, tensorflow, model: str, signature: str) -> None:
    @LOOK
    @given(made=inputs(tensorflow.signatures(VERSIONS[model])[signature]))
    def ask(made: dict[str, np.ndarray]) -> None:
        columns = [as_json(array.tolist()) for array in made.values()]
        rows = [dict(zip(made, row, strict=True)) if len(made) > 1 else row[0] for row in zip(*columns, strict=True)]
        status, answer = post(server, model, {"signature_name": signature, "instances": rows})
        outputs, _ = judged(tensorflow, model, signature, made)
        if isinstance(outputs, str):
            assert status == 400
            assert answer["error"].partition("\n")[0] in outputs
            return
        if len({array.shape[:1] for array in outputs.values()}) > 1 or any(
            not array.ndim for array in outputs.values()
        ):
            assert status == 400
            return
        if refused(server, made, outputs):
            assert (status, answer["error"].partition(" ")[0]) in ((400, "Batching"), (400, "Batched"))
            return
        assert status == 200
        alone = next(iter(outputs)) if len(outputs) == 1 else ""
        got = {alias: [row if alone else row[alias] for row in answer["predictions"]] for alias in outputs}
        check_same({alias: from_json(got[alias], outputs[alias]) for alias in got}, outputs)

    ask()


@pytest.mark.parametrize(("model", "signature"), IN_TENSORS, ids=map("-".join, IN_TENSORS))
def test_tensors_are_answered_as_tensorflow_answers(server, tensorflow, model: str, signature: str) -> None:

    @LOOK
    @given(made=inputs(tensorflow.signatures(VERSIONS[model])[signature]))
    def ask(made: dict[str, np.ndarray]) -> None:
        outputs, protos = judged(tensorflow, model, signature, made)
        if isinstance(outputs, str):
            return
        request = message_class("tensorflow.serving.PredictRequest")()
        request.model_spec.name, request.model_spec.signature_name = model, signature
        for alias, serialized in protos.items():
            request.inputs[alias].MergeFromString(serialized)
        if refused(server, made, outputs):
            with pytest.raises(grpc.RpcError, match=r"Batching Run|Batched output"):
                server.call(
                    "tensorflow.serving.PredictionService/Predict",
                    request,
                    message_class("tensorflow.serving.PredictResponse"),
                )
            return
        answer = server.call(
            "tensorflow.serving.PredictionService/Predict", request, message_class("tensorflow.serving.PredictResponse")
        )
        check_same({alias: to_array(answer.outputs[alias]) for alias in answer.outputs}, outputs)

    ask()
