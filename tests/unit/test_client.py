"""The client: what it asks, and that whatever is answered becomes a value or RequestFailed, in time."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import numpy as np
import pytest
from support.fake_server import FakeServer, fake_server
from support.world import free_port

from deployer import tensors
from deployer.client import Client, Question
from deployer.deployment import Endpoints
from deployer.errors import DeployerError, MalformedTensor, RequestFailed
from deployer.model import Signature, TensorSpec
from deployer.protos import proto
from deployer.report.running import ModelState

QUESTION = Question("m", 2, "serving_default")
X = {"x": np.float32([1.0, 2.0])}
Y = (TensorSpec("y", "float32", (None,)),)
TWO = (TensorSpec("a", "int64", (None,)), TensorSpec("b", "string", (None,)))
AVAILABLE = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> Iterator[FakeServer]:
    yield running
    running.forget()


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    speaking = Client(server.endpoints, 5.0)
    yield speaking
    speaking.close()


@pytest.fixture
def hasty(server: FakeServer) -> Iterator[Client]:
    """A client that waits a twentieth of a second."""
    speaking = Client(server.endpoints, 0.05)
    yield speaking
    speaking.close()


def nobody() -> Client:
    return Client(Endpoints(f"http://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"), 5.0)


def ask_states(client: Client) -> object:
    return client.states("m")


def ask_rest(client: Client) -> object:
    return client.predict_rest(QUESTION, X, Y)


def ask_grpc(client: Client) -> object:
    return client.predict_grpc(QUESTION, X)[1]


def ask_reload(client: Client) -> object:
    return client.reload("model_config_list {}")


OVER_REST = [ask_states, ask_rest]
"""A GET and a POST, which go different ways."""
OVER_GRPC = [ask_grpc, ask_reload]


def test_states_are_read(server, client):
    failed = {"version": "2", "state": "END", "status": {"error_code": "NOT_FOUND", "error_message": "no such file"}}
    server.answer({"model_version_status": [AVAILABLE, failed, {"version": "3", "state": "LOADING"}]})
    assert client.states("m") == (
        ModelState("m", 1, "AVAILABLE"), ModelState("m", 2, "END", "no such file"), ModelState("m", 3, "LOADING"),
    )  # fmt: skip
    assert [(asked.method, asked.path) for asked in server.asked] == [("GET", "/v1/models/m")]


@pytest.mark.parametrize(
    "body",
    [
        None, 3, [], {}, '"text"', {"model_version_status": None}, {"model_version_status": {"a": 1}},
        {"model_version_status": [None]}, {"model_version_status": [{}]}, {"model_version_status": ["x"]},
        *({"model_version_status": [{**AVAILABLE, "version": version}]} for version in (None, "x", [], math.inf)),
        *({"model_version_status": [{**AVAILABLE, "status": status}]} for status in (None, [], "text", 3)),
    ],
    ids=str,
)  # fmt: skip
def test_a_status_of_another_shape_is_a_failed_request(server, client, body):
    server.answer(body)
    with pytest.raises(RequestFailed, match="the status of m cannot be understood"):
        client.states("m")


def metadata(**definitions: object) -> dict:
    return {"metadata": {"signature_def": {"signature_def": definitions}}}


def tensor(dtype: str, **shape: object) -> dict:
    return {"dtype": dtype, "tensor_shape": shape, "name": "x:0"}


def test_signatures_are_read_and_the_init_op_is_none(server, client):
    inputs = {
        "b": tensor("DT_FLOAT", dim=[{"size": "-1", "name": ""}, {"size": "3", "name": ""}], unknown_rank=False),
        "a": tensor("DT_STRING", dim=[], unknown_rank=True),
    }
    server.answer(
        metadata(
            s={"inputs": inputs, "outputs": {"y": tensor("DT_HALF")}, "method_name": "p"}, __saved_model_init_op={}
        )
    )
    wanted = (TensorSpec("a", "string", None), TensorSpec("b", "float32", (None, 3)))
    assert client.signatures("m", 4) == (Signature("s", "p", wanted, (TensorSpec("y", "float16", ()),)),)
    assert server.asked[0].path == "/v1/models/m/versions/4/metadata"


@pytest.mark.parametrize(
    "body",
    [
        None, [], {}, {"metadata": None}, {"metadata": {"signature_def": []}}, metadata(s=None), metadata(s={}),
        metadata(s={"method_name": "p", "inputs": None}), metadata(s={"method_name": "p", "inputs": {"x": {}}}),
        metadata(s={"method_name": "p", "inputs": {"x": {"dtype": 1, "tensor_shape": {}}}}),
        metadata(s={"method_name": "p", "inputs": {"x": {"dtype": "DT_INT8", "tensor_shape": None}}}),
        *(
            metadata(s={"method_name": "p", "inputs": {"x": tensor("DT_INT8", dim=dim)}})
            for dim in (3, [3], [{}], [{"size": "x"}], [{"size": math.inf}])
        ),
        {"metadata": {"signature_def": {"signature_def": [["a"]]}}},
    ],
    ids=str,
)  # fmt: skip
def test_metadata_of_another_shape_is_a_failed_request(server, client, body):
    server.answer(body)
    with pytest.raises(RequestFailed, match="the metadata of m cannot be understood"):
        client.signatures("m", 1)


def test_a_question_over_rest_is_asked_in_columns_and_strings_go_as_base64(server, client):
    server.answer({"outputs": {"a": [1], "b": [{"b64": "/w=="}]}})
    words = np.empty(1, dtype=object)
    words[:] = [b"\xff"]
    answer = client.predict_rest(QUESTION, {"x": np.float32([0.5]), "words": words}, TWO)
    assert (answer["a"].dtype, answer["a"].tolist(), answer["b"].tolist()) == (np.int64, [1], [b"\xff"])
    assert (server.asked[0].method, server.asked[0].path) == ("POST", "/v1/models/m/versions/2:predict")
    inputs = {"x": [0.5], "words": [{"b64": "/w=="}]}
    assert json.loads(server.asked[0].body) == {"signature_name": "serving_default", "inputs": inputs}


def test_a_single_output_comes_without_its_name(server, client):
    server.answer({"outputs": [[1.5], [2]]})
    np.testing.assert_array_equal(np.float32([[1.5], [2.0]]), client.predict_rest(QUESTION, X, Y)["y"])


def test_without_a_version_the_server_chooses(server, client):
    server.answer({"outputs": [1]})
    client.predict_rest(Question("m", None, "s"), X, Y)
    assert server.asked[0].path == "/v1/models/m:predict"


def test_words_that_are_not_json_but_tensorflow_servings_are_numbers(server, client):
    server.answer('{"outputs": [NaN, Infinity, -Infinity, 1e300]}')
    with np.errstate(over="ignore"):
        answer = client.predict_rest(QUESTION, X, Y)["y"]
    np.testing.assert_array_equal(np.float32([np.nan, np.inf, -np.inf, np.inf]), answer)


@pytest.mark.parametrize(
    "body",
    [None, 3, [], {}, {"predictions": []}, *({"outputs": found} for found in (None, {"a": [1]}, dict.fromkeys("abc")))],
    ids=str,
)
def test_an_answer_that_lacks_outputs_is_a_failed_request(server, client, body):
    server.answer(body)
    with pytest.raises(RequestFailed, match="lacks outputs of signature serving_default"):
        client.predict_rest(QUESTION, X, TWO)


@pytest.mark.parametrize(
    ("body", "dtype"),
    [
        ({"outputs": None}, "float32"), ({"outputs": {"y": [1]}}, "float32"), ({"outputs": [[1], [1, 2]]}, "float32"),
        ({"outputs": ["1"]}, "float32"), ({"outputs": [1.5]}, "int32"), ('{"outputs": [NaN]}', "int64"),
        ({"outputs": [2**40]}, "int32"), ({"outputs": [1]}, "string"), ({"outputs": [{"b64": "!"}]}, "string"),
        ({"outputs": [{"b64": 1}]}, "string"), ('{"outputs": ' + "[" * 70 + '"x"' + "]" * 70 + "}", "string"),
        ('{"outputs": ' + "[" * 70 + "1" + "]" * 70 + "}", "float32"),
    ],
    ids=str,
)  # fmt: skip
def test_outputs_that_are_no_tensor_of_their_dtype_are_refused(server, client, body, dtype):
    server.answer(body)
    with pytest.raises(MalformedTensor):
        client.predict_rest(QUESTION, X, (TensorSpec("y", dtype, None),))


@pytest.mark.parametrize("ask", OVER_REST)
@pytest.mark.parametrize("body", ["", "<html>", '{"a":', "\x00", b"\xff\xfe\x00", "[" * 200_000], ids=len)
def test_what_is_not_json_is_a_failed_request(server, client, ask, body):
    server.answer(body)
    with pytest.raises(RequestFailed, match="answered 200 with what is not JSON"):
        ask(client)


@pytest.mark.parametrize("ask", OVER_REST)
def test_nesting_that_just_parses_is_a_failed_request_too(server, client, ask):
    server.answer("[" * 500 + "]" * 500)
    with pytest.raises(DeployerError):
        ask(client)


@pytest.mark.parametrize("ask", OVER_REST)
@pytest.mark.parametrize("status", [400, 404, 500, 501, 201])
def test_an_error_is_told_in_the_servers_words(server, client, ask, status):
    server.answer({"error": "input size does not match"}, status)
    with pytest.raises(RequestFailed, match=rf"was answered {status}: input size does not match$"):
        ask(client)


@pytest.mark.parametrize("body", [[1], "text", {"error": None}, {"error": {"deep": [1]}}, {"error": "x" * 10_000}])
def test_errors_in_other_shapes_are_told_too_and_never_at_length(server, client, body):
    server.answer(json.dumps(body), 500)
    with pytest.raises(RequestFailed, match="was answered 500: ") as refused:
        client.states("m")
    assert len(refused.value.message) < 700


def test_an_error_page_of_something_in_between_keeps_its_status(server, client):
    server.answer("<html>Bad Gateway</html>", 502)
    with pytest.raises(RequestFailed, match="was answered 502"):
        ask_rest(client)


@pytest.mark.parametrize("ask", OVER_REST)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(server, client, ask, status):
    server.answer({"error": "elsewhere"}, status)
    server.headers["Location"] = f"{server.endpoints.rest}/trap"
    with pytest.raises(RequestFailed, match=f"was answered {status}"):
        ask(client)
    assert "/trap" not in [asked.path for asked in server.asked]


@pytest.mark.parametrize("ask", OVER_REST)
def test_silence_ends_at_the_deadline(server, hasty, ask):
    server.raw = lambda _: server.hang()
    with pytest.raises(RequestFailed, match=r"did not answer within 0\.05 s"):
        ask(hasty)


def test_a_look_at_a_server_from_which_nothing_comes_back_is_over_long_before_a_request(monkeypatch):
    """As at the address of a container that has gone: here nobody takes the connections, and the queue is full."""
    monkeypatch.setattr("deployer.client.CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        host, port = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex((host, port))
        client = Client(Endpoints(f"http://{host}:{port}", f"{host}:{port}"), 90.0)
        with pytest.raises(RequestFailed, match=r"no connection within 0\.2 s"):
            client.states("m")
        for each in waiting:
            each.close()


@pytest.mark.parametrize("ask", OVER_REST)
def test_an_answer_that_stops_halfway_ends_at_the_deadline(server, hasty, ask):
    def half(file) -> None:
        file.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        file.flush()
        server.hang()

    server.raw = half
    with pytest.raises(RequestFailed, match=r"did not answer within 0\.05 s|timed out"):
        ask(hasty)


@pytest.mark.parametrize("ask", OVER_REST)
@pytest.mark.parametrize(
    "sent",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 999999 x\r\n\r\n",
     b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000],
    ids=["nothing", "garbage", "half", "chunk", "status", "headers", "line"],
)  # fmt: skip
def test_a_connection_that_breaks_is_a_failed_request(server, client, ask, sent):
    server.raw = lambda file: file.write(sent)
    with pytest.raises(RequestFailed):
        ask(client)


@pytest.mark.parametrize("ask", [*OVER_REST, *OVER_GRPC])
def test_where_nobody_listens_the_address_is_named(ask):
    client = nobody()
    rest, address = client.endpoints.rest, client.endpoints.grpc
    told = f"UNAVAILABLE.*{address}" if ask in OVER_GRPC else f"{rest}.* cannot be reached"
    with pytest.raises(RequestFailed, match=told):
        ask(client)
    client.close()


def test_a_client_is_not_kept_waiting_by_what_another_one_has_tried():
    """gRPC shares connections, and the pauses between tries to connect, among all channels of a process."""
    early, late = (
        Client(replace(nobody().endpoints, grpc=address), 60.0) for address in [f"127.0.0.1:{free_port()}"] * 2
    )
    with pytest.raises(RequestFailed, match="UNAVAILABLE"):
        ask_grpc(early)
    server = grpc.server(ThreadPoolExecutor(1))
    assert server.add_insecure_port(late.endpoints.grpc)
    server.start()
    with pytest.raises(RequestFailed, match="UNIMPLEMENTED"):
        ask_grpc(late)
    early.close()
    late.close()
    server.stop(None)


@pytest.mark.parametrize("ask", OVER_REST)
@pytest.mark.parametrize("rest", ["http://127.0.0.1:99999", "http://[::1", "http://:0", "http://a..b:1"])
def test_an_address_that_cannot_be_is_a_failed_request(ask, rest):
    with pytest.raises(RequestFailed):
        ask(Client(Endpoints(rest, "127.0.0.1:1"), 1.0))


def test_no_proxy_stands_between(server, client, monkeypatch):
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "grpc_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{trap.getsockname()[1]}")
        server.answer({"outputs": [1]})
        server.call = lambda *_: predict_response(y=np.float32([1])).SerializeToString()
        assert ask_rest(client)["y"].tolist() == [1.0]
        assert ask_grpc(client)["y"].tolist() == [1.0]


def predict_response(**outputs: np.ndarray) -> object:
    response = proto("tensorflow_serving.apis.predict_pb2").PredictResponse()
    for name, array in outputs.items():
        response.outputs[name].CopyFrom(tensors.to_proto(array))
    return response


def test_a_question_over_grpc_carries_model_version_signature_and_tensors(server, client):
    seen = []

    def answer(method: str, request: bytes, _: object) -> bytes:
        seen.append((method, proto("tensorflow_serving.apis.predict_pb2").PredictRequest.FromString(request)))
        return predict_response(a=np.int64([[7]]), b=np.bool_([True])).SerializeToString()

    server.call = answer
    _, found = client.predict_grpc(QUESTION, X)
    assert {name: (str(array.dtype), array.tolist()) for name, array in found.items()} == {
        "a": ("int64", [[7]]), "b": ("bool", [True]),
    }  # fmt: skip
    (method, request), *_ = seen
    assert method == "/tensorflow.serving.PredictionService/Predict"
    spec = request.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 2, "serving_default")
    np.testing.assert_array_equal(X["x"], tensors.from_proto(request.inputs["x"]))
    client.predict_grpc(Question("m", None, "s"), X)
    assert not seen[-1][1].model_spec.HasField("version")


def test_a_refusal_over_grpc_is_told_in_the_servers_words(server, client):
    server.call = lambda _, __, context: context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no input " + "x" * 10_000)
    with pytest.raises(RequestFailed, match="PredictionService/Predict was answered INVALID_ARGUMENT: no input") as no:
        ask_grpc(client)
    assert len(no.value.message) < 700


@pytest.mark.parametrize("ask", OVER_GRPC)
def test_bytes_that_are_no_message_are_a_failed_request(server, client, ask):
    server.call = lambda *_: b"\xff\xff\xff"
    with pytest.raises(RequestFailed, match="INTERNAL"):
        ask(client)


@pytest.mark.parametrize("ask", OVER_GRPC)
def test_silence_over_grpc_ends_at_the_deadline(server, hasty, ask):
    server.call = lambda *_: server.hang() or b""
    with pytest.raises(RequestFailed, match="DEADLINE_EXCEEDED"):
        ask(hasty)


@pytest.mark.parametrize("fields", [{"dtype": 99}, {"dtype": 1, "tensor_content": b"abc"}], ids=str)
def test_a_malformed_tensor_over_grpc_is_refused(server, client, fields):
    response = predict_response(y=np.float32([1]))
    response.outputs["y"].CopyFrom(proto("tensorflow.core.framework.tensor_pb2").TensorProto(**fields))
    response.outputs["y"].tensor_shape.dim.add(size=1)
    server.call = lambda *_: response.SerializeToString()
    with pytest.raises(MalformedTensor):
        ask_grpc(client)


def test_a_reload_hands_over_the_config_and_a_refusal_is_told(server, client):
    management = proto("tensorflow_serving.apis.model_management_pb2")
    seen = []

    def answer(method: str, request: bytes, _: object) -> bytes:
        seen.append((method, management.ReloadConfigRequest.FromString(request)))
        answer = management.ReloadConfigResponse()
        answer.status.error_code, answer.status.error_message = (
            (0, "") if len(seen) == 1 else (3, "label has no version")
        )
        return answer.SerializeToString()

    server.call = answer
    config = 'model_config_list { config { name: "m" base_path: "/models/m" model_platform: "tensorflow" } }'
    client.reload(config)
    assert seen[0][0] == "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
    assert seen[0][1].config.model_config_list.config[0].base_path == "/models/m"
    with pytest.raises(RequestFailed, match="refused its new config: label has no version"):
        client.reload(config)


def test_a_closed_client_may_be_closed_again():
    client = nobody()
    client.close()
    client.close()
