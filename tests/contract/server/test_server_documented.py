"""What TensorFlow Serving's sources say beyond the recordings: the table of REST cases, CORS, time-outs, files."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from contract.server.server_process import HOST, MODELS, ServerProcess, model_config, serving, until

from deployer.savedmodel.messages import message_class

HALF = "/v1/models/half_plus_two/versions/1"
SEVERAL, TEXT, TYPES = "/v1/models/several", "/v1/models/text", "/v1/models/types"
EXAMPLES = "/v1/models/examples"
ELEMENT = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "
PARSE = "JSON Parse error: "
MALFORMED = "Malformed request: "
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
FOR_EVER = 1 << 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("documented")
    config = directory / "models.config"
    names = ("several", "text", "types", "examples", "looping")
    half = model_config("half_plus_two", MODELS / "half_plus_two", "model_version_policy { all {} }")
    config.write_text(f"model_config_list {{ {half} {''.join(model_config(name, MODELS / name) for name in names)} }}")
    flags = (
        "--rest_api_enable_cors_support",
        "--rest_api_timeout_in_ms=500",
        f"--grpc_socket_path={directory}/grpc.sock",
    )
    with serving(directory, f"--model_config_file={config}", *flags) as started:
        yield started.wait_ready()


def ask(server: ServerProcess, method: str, path: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
    with closing(http.client.HTTPConnection(HOST, server.rest_port, timeout=60)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.said = answer.read()  # type: ignore[attr-defined]
        return answer


def said(answer: Any) -> tuple[int, Any]:
    return answer.status, json.loads(answer.said)


@pytest.mark.parametrize(
    ("path", "body", "predictions"),
    [
        (f"{HALF}:predict", b'{"signature_name": "serving_default", "instances": [3.0]}', [3.5]),
        (f"{HALF}:predict", b'{"instances": [1.0]} junk', [2.5]),
        (f"{HALF}:predict", b'{"instances": [1.0], "instances": [2.0]}', [2.5]),
        (f"{HALF}:predict", b'{"instances": [Inf, -Inf, 1.7976931348623157e308]}', [float("inf"), -float("inf")]),
        (f"{HALF}:predict", b'{"instances": [4e-39]}', [2.0]),
        (f"{TYPES}:predict", b'{"signature_name": "int64", "instances": [9223372036854775807]}', [2**63 - 1]),
        (f"{TYPES}:predict", b'{"signature_name": "uint64", "instances": [18446744073709551615]}', [2**64 - 1]),
        (f"{TYPES}:predict", b'{"signature_name": "uint8", "instances": [300]}', [300 % 256]),
        ("/V1/Models/half_plus_two/Versions/1:predict", b'{"instances": [1.0]}', [2.5]),
        ("/v1/models/half%5Fplus%5Ftwo/versions/1:predict", b'{"instances": [1.0]}', [2.5]),
    ],
)
def test_what_is_taken(server: ServerProcess, path: str, body: bytes, predictions: list[Any]) -> None:
    status, answer = said(ask(server, "POST", path, body))
    assert (status, answer["predictions"][: len(predictions)]) == (200, predictions)


def test_columns_take_no_rows_other_keys_and_none_of_the_rest(server: ServerProcess) -> None:
    body = b'{"inputs": {"left": [[1, 2]], "right": [[3, 4]], "extra": [9]}}'
    assert said(ask(server, "POST", f"{SEVERAL}:predict", body))[1]["outputs"]["dot"] == [11.0]
    assert said(ask(server, "POST", f"{HALF}:predict", b'{"inputs": []}')) == (200, {"outputs": []})


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/v1/models/nope:predict", b"", f"{PARSE}The document is empty"),
        (f"{HALF}:predict", b"   ", f"{PARSE}The document is empty."),
        (f"{HALF}:predict", b"instances = [1, 2]", f"{PARSE}Invalid value."),
        (f"{HALF}:predict", b"{'instances': [1]}", f"{PARSE}Missing a name for object member."),
        (
            f"{HALF}:predict",
            b'{"instances": [1 2]}',
            f"{PARSE}Missing a comma or ']' after an array element.",
        ),
        (
            f"{HALF}:predict",
            b'{"instances": [1,2]',
            f"{PARSE}Missing a comma or '}}' after an object member.",
        ),
        (
            f"{HALF}:predict",
            b'{"instances": [1e400]}',
            f"{PARSE}Number too big to be stored in double.",
        ),
        (f"{HALF}:predict", b'{"instances": [nan]}', f"{PARSE}Invalid value."),
        (
            f"{HALF}:predict",
            b'{"signature_name": 100}',
            'JSON Value: {\n    "signature_name": 100\n} not formatted correctly. '
            "'signature_name' key must be a string value.",
        ),
        (
            f"{HALF}:predict",
            b'{"instances": [true]}',
            f"{ELEMENT.format(0)}JSON Value: true Type: True is not of expected type: float",
        ),
        (f"{HALF}:predict", b'{"inputs": ["x"]}', 'JSON Value: "x" Type: String is not of expected type: float'),
        (
            f"{HALF}:predict",
            b'{"instances": [[1, 2], [3]]}',
            f"{ELEMENT.format(1)}Expecting tensor size: 2 but got: 1",
        ),
        (f"{HALF}:predict", b'{"instances": [1, [1]]}', f"{ELEMENT.format(1)}Expecting shape [] but got: [1]"),
        (
            f"{HALF}:predict",
            b'{"inputs": [[1, 2], [3]]}',
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        (f"{HALF}:predict", b'{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
        (
            f"{HALF}:predict",
            b'{"inputs": [[1], 2]}',
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (
            f"{HALF}:predict",
            b'{"instances": [{"z": 1.0}]}',
            "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: z",
        ),
        (
            f"{HALF}:predict",
            b'{"instances": [1.0, {"x": 2.0}]}',
            "Expecting value/list but got object at item 1 of input list",
        ),
        (
            f"{SEVERAL}:predict",
            b'{"instances": [1, 2]}',
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map",
        ),
        (
            f"{SEVERAL}:predict",
            b'{"instances": [{"left": 1.0}]}',
            "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"left\": 1.0\n} keys must be equal "
            "to: left,right",
        ),
        (
            f"{TEXT}:predict",
            b'{"instances": [{"b64": 5}]}',
            "Failed to process element: 0 key: b64 of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not "
            "have named input: b64",
        ),
        (
            f"{TEXT}:predict",
            b'{"inputs": [[{"a": 1}]]}',
            'JSON Value: {\n    "a": 1\n} not formatted correctly for base64 data',
        ),
        (
            f"{TYPES}:predict",
            b'{"signature_name": "int32", "instances": [1.0]}',
            f"{ELEMENT.format(0)}JSON Value: 1.0 Type: Number is not of expected type: int32",
        ),
        (
            f"{TYPES}:predict",
            b'{"signature_name": "int32", "instances": [3000000000]}',
            f"{ELEMENT.format(0)}JSON Value: 3000000000 Type: Number is not of expected type: int32",
        ),
        (
            f"{EXAMPLES}:classify",
            b'{"signature_name": "classify"}',
            'JSON Value: {\n    "signature_name": "classify"\n} When method is classify, key \'examples\' is expected '
            "and was not found",
        ),
        (f"{EXAMPLES}:classify", b'{"examples": [[{"a": 1}]]}', "Example must be JSON object but got JSON Array"),
        (
            f"{EXAMPLES}:classify",
            b'{"examples": [{"n": [10, 10.0]}]}',
            "Unexpected element type in feature: n expecting type: int64",
        ),
        (
            f"{EXAMPLES}:classify",
            b'{"examples": [{"n": [20, 18446744073709551603]}]}',
            "Feature: n has uint64_t element. Only int64_t is supported.",
        ),
        (f"{HALF}:predict/", b"{}", f"{MALFORMED}POST {HALF}:predict/"),
        (f"{HALF}:predict?a=1", b"{}", f"{MALFORMED}POST {HALF}:predict?a=1"),
        (f"{HALF}/labels/stable:predict", b"{}", f"{MALFORMED}POST {HALF}/labels/stable:predict"),
    ],
)
def test_what_is_refused(server: ServerProcess, path: str, body: bytes, error: str) -> None:
    status, answer = said(ask(server, "POST", path, body))
    assert (status, answer.keys()) == (400, {"error"})
    assert answer["error"].partition(" at offset: ")[0] == error


def test_a_value_in_an_error_text_is_cut_after_256_bytes(server: ServerProcess) -> None:
    _, answer = said(ask(server, "POST", f"{HALF}:predict", b"[" + b'"abcdefgh", ' * 100 + b"1]"))
    shown = answer["error"].removeprefix("JSON Value: ").removesuffix(" Is not object")
    assert shown.startswith('["abcdefgh", "abcdefgh", ')
    assert 256 < len(shown) <= 256 + len('"abcdefgh"')


def test_versions_are_reported_newest_first_and_one_alone(server: ServerProcess) -> None:
    _, answer = said(ask(server, "GET", "/v1/models/half_plus_two"))
    assert [each["version"] for each in answer["model_version_status"]] == ["3", "2", "1"]
    good = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert said(ask(server, "GET", HALF)) == (200, {"model_version_status": [good]})
    assert said(ask(server, "GET", "/V1/Models/half_plus_two/VERSIONS/1"))[0] == 200


def test_an_answer_has_these_headers_and_no_others(server: ServerProcess) -> None:
    answer = ask(server, "POST", f"{HALF}:predict", b'{"instances": [1.0]}')
    assert {name for name, _ in answer.getheaders()} == {"Content-Type", "Date", "Content-Length", *CORS}
    assert answer.getheader("Content-Type") == "application/json"
    assert (answer.version, answer.will_close) == (11, False)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", f"{HALF}:predict", {}, 400),
        ("GET", "/v1/models/nope", {}, 404),
        ("OPTIONS", f"{HALF}:predict", {"Origin": "https://a"}, 200),
        ("OPTIONS", f"{HALF}:predict", {}, 400),
    ],
)
def test_every_answer_of_the_api_allows_other_origins_where_the_flag_says_so(
    server: ServerProcess, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = ask(server, method, path, **headers)
    assert (answer.status, {name: answer.getheader(name) for name in CORS}) == (status, CORS)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 400), ("PATCH", 400), ("TRACE", 501), ("BREW", 501)])
def test_methods_that_the_api_does_not_have(server: ServerProcess, method: str, status: int) -> None:
    assert ask(server, method, HALF).status == status


def count_to(number: int) -> Any:
    request = message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "looping"
    request.inputs["x"].dtype = 9
    request.inputs["x"].tensor_shape.dim.add(size=1)
    request.inputs["x"].int64_val.append(number)
    return request


def test_a_run_without_end_ends_in_time_and_the_next_one_is_answered(server: ServerProcess) -> None:
    """Twice, so that nothing is left of the first one."""
    for _ in range(2):
        answer = ask(server, "POST", "/v1/models/looping:predict", b'{"instances": [%d]}' % FOR_EVER)
        assert said(answer) == (504, {"error": "Timed out waiting for notification"})
        assert answer.reason == "Gateway Time-out"
        with pytest.raises(grpc.RpcError) as caught:
            predict(server, count_to(FOR_EVER), seconds=0.5)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert said(ask(server, "POST", "/v1/models/looping:predict", b'{"instances": [3]}')) == (200, {"predictions": [3]})
    assert predict(server, count_to(4)) == [4]


def predict(server: ServerProcess, request: Any, seconds: float = 30.0) -> list[int]:
    response = message_class("tensorflow.serving.PredictResponse")
    answer = server.call("tensorflow.serving.PredictionService/Predict", request, response, seconds)
    return list(answer.outputs["y"].int64_val)


def test_grpc_answers_on_a_unix_socket_too(server: ServerProcess) -> None:
    with grpc.insecure_channel(f"unix:{server.log_file.parent}/grpc.sock") as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=message_class("tensorflow.serving.PredictRequest").SerializeToString,
            response_deserializer=message_class("tensorflow.serving.PredictResponse").FromString,
        )
        assert list(call(count_to(5), timeout=60).outputs["y"].int64_val) == [5]


def test_an_empty_config_is_served_and_takes_a_later_one(tmp_path: Path) -> None:
    """Rules of the config that only a reload shows: request logging, which no stock server has, and the log."""
    config = tmp_path / "models.config"
    config.write_text("")
    with serving(tmp_path, f"--model_config_file={config}") as server:
        server.wait_ready()
        assert "Taking no action for empty config." in server.log
        assert said(ask(server, "GET", "/v1/models/m"))[0] == 404
        logging = 'logging_config { log_collector_config { type: "file" filename_prefix: "/tmp/x" } }'
        with pytest.raises(grpc.RpcError) as caught:
            server.reload(model_config("m", MODELS / "half_plus_two", logging))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == "No request-logger-creator provided."
        assert server.states("m") == {3: "AVAILABLE"}
        server.reload(model_config("n", MODELS / "half_plus_two"))
        until(lambda: server.states("m") == {3: "END"})
