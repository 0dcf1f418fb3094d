"""Whatever goes wrong on the way is a RequestFailed, in time."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import numpy as np
import pytest
from support.client_asks import (
    OVER_GRPC,
    OVER_REST,
    ask_grpc,
    ask_rest,
    nobody,
    predict_response,
)
from support.world import free_port

from deployer.client.client import Client
from deployer.errors import DeployerError, RequestFailed
from deployer.results.deployment import Endpoints


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
def test_an_error_is_reported_in_the_servers_words(server, client, ask, status):
    server.answer({"error": "input size does not match"}, status)
    with pytest.raises(RequestFailed, match=rf"was answered {status}: input size does not match$"):
        ask(client)


@pytest.mark.parametrize("body", [[1], "text", {"error": None}, {"error": {"deep": [1]}}, {"error": "x" * 10_000}])
def test_errors_in_other_shapes_are_reported_too_and_never_at_length(server, client, body):
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
    monkeypatch.setattr("deployer.client.client.CONNECT_SECONDS", 0.2)
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
