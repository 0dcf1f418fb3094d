"""Who may ask a gateway, and how much: tokens, limits of size and rate, and what it counts."""

from __future__ import annotations

import socket
import ssl
from collections import Counter
from contextlib import closing
from http.client import HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import grpc
import psutil
import pytest
import requests
from support.containers import docker
from support.deploying import NAME, deployer, up
from support.gated import GATEWAY, VERSION_1, configure, write_tokens
from support.traffic import grpc_client, rest_client, traffic
from support.world import eventually, free_port

CORS = "rest_api_enable_cors_support = true"
ENOUGH = 1000


def assert_closed_without_token(endpoints, certificate):
    for token in ("", "wrong", "Bearer", "'\"$(id)`"):
        with pytest.raises(AssertionError, match="401"):
            rest_client(endpoints, token, certificate)()
        with pytest.raises(grpc.RpcError) as refusal:
            grpc_client(endpoints, token, certificate)()
        assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED


def assert_limited(endpoints, token, certificate):
    assert refusal_of(endpoints, token, certificate, ("Content-Length", "2049")) == 413
    assert refusal_of(endpoints, token, certificate, ("Transfer-Encoding", "chunked")) == 411
    with pytest.raises(grpc.RpcError) as refusal:
        grpc_client(endpoints, token, certificate, [0.5] * 2000)()
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def refusal_of(endpoints, token, certificate, length):
    """The status that a request gets before its body is sent: one that is too large is never read."""
    context = ssl.create_default_context(cadata=certificate)
    connection = HTTPSConnection(urlsplit(endpoints["rest"]).netloc, timeout=60, context=context)
    with closing(connection):
        connection.putrequest("POST", "/v1/models/half_plus_two:predict")
        connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader(*length)
        connection.endheaders()
        return connection.getresponse().status


def assert_scripts_may_ask(endpoints, token, trusted):
    """As the server's flag says: the gateway answers for itself, and passes on what the server says."""
    url, origin = f"{endpoints['rest']}/v1/models/half_plus_two", {"Origin": "https://page.example"}
    preflight = requests.options(url, headers=origin, verify=trusted, timeout=60)
    assert preflight.status_code == 200
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    answer = requests.get(url, headers={**origin, "Authorization": f"Bearer {token}"}, verify=trusted, timeout=60)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")


def assert_untold(project, *tokens):
    """Nobody is told a token: nor are files that others may read."""
    own = next(project.rglob("token")).read_text()
    told = docker("inspect", NAME, GATEWAY) + docker("logs", GATEWAY) + docker("logs", NAME)
    told += "".join(" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    told += "".join(path.read_text(errors="replace") for path in (project / ".deployer").rglob("*") if readable(path))
    told += deployer("history", "--json", cwd=project).out + deployer("status", "--json", cwd=project).out
    assert not [token for token in (own, *tokens) if token in told]
    assert "BEGIN PRIVATE KEY" not in told


def readable(path):
    """By anybody who can open the directory that it is in."""
    return path.is_file() and path.stat().st_mode & 0o077


def test_an_update_of_the_gateway_fails_no_request_and_tokens_and_limits_hold(gated, tmp_path):
    known, later = "a-token-of-ours", "another-token"
    write_tokens(tmp_path / "tokens", known)
    guarded = 'tls = true\ntokens = "tokens"\nmax_body = "2k"\n'
    configure(gated, gateway=guarded, flags=CORS)
    first = up(gated, "half_plus_two:1")
    certificate = next(gated.rglob("run/current/certificate.pem")).read_text()
    assert first["endpoints"]["rest"].startswith("https://")
    with traffic(first["endpoints"], known, certificate) as seen:
        seen.enough(100)
        write_tokens(tmp_path / "tokens", known, later)
        configure(gated, gateway=guarded + "requests_per_second = 10000\n", flags=CORS)
        second = up(gated, "half_plus_two:1")
        assert (second["plan"]["change"], second["endpoints"]) == ("gateway", first["endpoints"])
        assert rest_client(first["endpoints"], later, certificate)() == VERSION_1
        assert deployer("token", "client1", "--revoke", cwd=gated).code == 0
        assert up(gated, "half_plus_two:1")["plan"]["change"] == "gateway"
        with pytest.raises(AssertionError, match="401"):
            rest_client(first["endpoints"], later, certificate)()
        seen.enough(max(100, ENOUGH - seen.count))
    seen.check({VERSION_1}, ENOUGH)
    assert up(gated, "half_plus_two:1")["plan"]["change"] == "nothing"
    assert_rest_is_http_1(first["endpoints"], certificate)
    assert_closed_without_token(first["endpoints"], certificate)
    assert_limited(first["endpoints"], known, certificate)
    assert_scripts_may_ask(first["endpoints"], known, next(gated.rglob("run/current/certificate.pem")))
    assert_untold(gated, known, later)


def assert_rest_is_http_1(endpoints, certificate):
    """Over HTTP/2, curl loses a refusal that arrives before it has sent its whole request."""
    context = ssl.create_default_context(cadata=certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    where = urlsplit(endpoints["rest"])
    with (
        socket.create_connection((where.hostname, where.port), timeout=60) as raw,
        context.wrap_socket(raw, server_hostname=where.hostname) as client,
    ):
        assert client.selected_alpn_protocol() == "http/1.1"


def test_a_gateway_that_lets_no_client_in_is_said(gated, tmp_path):
    write_tokens(tmp_path / "tokens", "the-only-token")
    configure(gated, gateway='tokens = "tokens"\n')
    first = up(gated, "half_plus_two:1")
    assert not [notice for notice in first["notices"] if "every client" in notice]
    assert "every client" not in deployer("status", cwd=gated).err
    revoked = deployer("token", "client0", "--revoke", cwd=gated)
    assert (revoked.code, "refuses every client" in revoked.err) == (0, True), revoked.err
    for command in ("plan", "up"):
        ended = deployer(command, "half_plus_two:1", "--json", cwd=gated)
        assert ended.json["plan"]["change"] == "gateway"
        assert any("refuses every client" in notice for notice in ended.json["notices"])
    rest = f"{first['endpoints']['rest']}/v1/models/half_plus_two"
    assert requests.get(rest, headers={"Authorization": "Bearer the-only-token"}, timeout=60).status_code == 401
    assert "refuses every client" in deployer("status", cwd=gated).err
    assert deployer("token", "new", cwd=gated).code == 0
    up(gated, "half_plus_two:1")
    assert "every client" not in deployer("status", cwd=gated).err


def test_what_is_too_much_or_too_large_is_refused_and_counted(gated):
    port = free_port()
    configure(gated, gateway=f"requests_per_second = 20\nmax_body = '2k'\nmetrics_port = {port}\n", drain_seconds=900)
    first = up(gated, "half_plus_two:1")
    idle = rest_client(first["endpoints"])
    assert outcome(idle) == "200"
    outcomes = [outcome(rest_client(first["endpoints"])) for _ in range(60)]
    assert set(outcomes) == {"200", "429"}
    assert_let_in_all_the_time(first["endpoints"])
    assert_measured_whatever_it_says(first["endpoints"])
    ask = grpc_client(first["endpoints"])
    with pytest.raises(grpc.RpcError) as refusal:
        [ask() for _ in range(60)]
    assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
    assert 'haproxy_frontend_http_responses_total{proxy="rest",code="4xx"}' in metrics
    assert deployer("smoke", cwd=gated).code == 0  # the tool's own requests are not counted
    channel = grpc.insecure_channel(first["endpoints"]["grpc"])
    reload = channel.unary_unary("/tensorflow.serving.ModelService/HandleReloadConfigRequest")
    with pytest.raises(grpc.RpcError) as refusal:
        reload(b"", timeout=60)
    assert refusal.value.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert deployer("down", cwd=gated).code == 0  # for which no idle connection is waited
    with pytest.raises((OSError, HTTPException)):
        idle()


def assert_let_in_all_the_time(endpoints):
    """Who asks too often gets what is allowed: what was refused is not counted."""
    answered = Counter()

    def enough():
        answered.update([outcome(rest_client(endpoints))])
        return answered["200"] > 60

    eventually(enough, f"no more than {answered} of who asks too often")


def assert_measured_whatever_it_says(endpoints):
    """A length beyond 32 bits, a body without a length where none is expected, over HTTP/1 and HTTP/2."""
    chunked = b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    for sent, says in (
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (2**32 + 1), b"larger than 2048 bytes"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + chunked, b"must say how long it is"),
        (b"DELETE / HTTP/1.1\r\nHost: h\r\n" + chunked, b"must say how long it is"),
        (GET_OVER_HTTP2 + b"\x00\x00\x05\x00\x00\x00\x00\x00\x01hello", b"must say how long it is"),
    ):
        eventually(lambda sent=sent, says=says: says in answer_to(endpoints, sent), f"{sent!r} is refused: {says!r}")


GET_OVER_HTTP2 = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"  # an empty SETTINGS frame
    b"\x00\x00\x06\x01\x04\x00\x00\x00\x01\x82\x84\x86\x41\x01h"  # HEADERS: GET / of http://h, to be continued
)


def answer_to(endpoints, sent):
    """What comes within a moment; the limit of the rate may be told instead."""
    where = urlsplit(endpoints["rest"])
    with socket.create_connection((where.hostname, where.port), timeout=60) as client:
        client.sendall(sent)
        told = b""
        while b'" }' not in told and (piece := client.recv(1 << 16)):
            told += piece
    return told


def outcome(ask):
    try:
        ask()
    except AssertionError as refusal:
        return str(refusal)[:3]
    return "200"
