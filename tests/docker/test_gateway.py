"""A gateway in front of real containers, and clients that ask all the time: whatever changes, none of them sees it."""

from __future__ import annotations

import os
import shutil
import signal
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
from support.containers import LABEL, PROJECT, build, docker, inspect
from support.deploying import NAME, deployer, refused, up
from support.stores import record_files
from support.traffic import grpc_client, rest_client, traffic
from support.world import MODELS, eventually, free_port, listens, state_left

from deployer.engines.docker.gateway import tokens as hashes

CORS = "rest_api_enable_cors_support = true"
ENOUGH = 1000
TEN_THOUSAND = 10_000
PAUSE_SECONDS = 0.02
"""Six clients with it ask about 220 times a second: the changes alone do not take ten thousand requests."""
VERSION_1, VERSION_2 = 3.0, 4.0
"""What they make of 2.0."""
GATEWAY = f"{NAME}-gateway"
SETTINGS = """
engine = "docker"
models_dir = "models"
[server]
rest_port = 0
grpc_port = 0
flags = {{ {flags} }}
[gateway]
enabled = {enabled}
drain_seconds = {drain_seconds}
{gateway}
[models.half_plus_two]
"""


@pytest.fixture
def gated(project, gateway_image, monkeypatch):
    """The project with a gateway."""
    monkeypatch.setenv("DEPLOYER_GATEWAY_IMAGE", gateway_image)
    configure(project)
    return project


def configure(project, *, flags="", gateway="", enabled=True, drain_seconds=5):
    text = SETTINGS.format(flags=flags, gateway=gateway, enabled=str(enabled).lower(), drain_seconds=drain_seconds)
    (project / "deployer.toml").write_text(text)


def write_tokens(path, *tokens):
    """As `deployer token` writes them."""
    hashes.write(path, {f"client{number}": hashes.hash_token(token) for number, token in enumerate(tokens)})


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


def servers():
    return docker(
        "ps", "-a", "--format", "{{.Names}}", "--filter", LABEL, "--filter", "label=deployer.release"
    ).splitlines()


@pytest.fixture
def another_image(server_image):
    """A second image: another id, and the same server."""
    return build("deployer-testbed/another", f"FROM {server_image}\nLABEL another=one\n")


def spoil(project):
    """Version 3 answers otherwise than at export, 4 cannot be loaded, 5 breaks clients."""
    for source in ("half_plus_two/1", "several/1"):
        arguments = ("--name", "half_plus_two", "--force", "-q")
        assert deployer("export", str(MODELS / source), *arguments, cwd=project).code == 0
    model = project / "models" / "half_plus_two"
    golden = "assets.extra/golden.tfrecord"
    (model / "3" / golden).write_bytes((model / "1" / golden).read_bytes())
    index = model / "4" / "variables" / "variables.index"
    index.unlink()  # it may be one file with what it was exported from
    index.write_bytes(b"broken")
    record_files(model / "3")
    record_files(model / "4")


def test_ten_thousand_requests_through_every_change_good_and_bad_and_none_fails(gated, another_image, monkeypatch):
    spoil(gated)
    first = up(gated, "half_plus_two:1")
    assert inspect(GATEWAY)["HostConfig"]["NetworkMode"] == "host"
    with traffic(first["endpoints"], pause=PAUSE_SECONDS) as seen:
        seen.may_be(VERSION_1)
        seen.enough(100)
        monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", another_image)
        configure(gated, flags="file_system_poll_wait_seconds = 2")
        plan = deployer("plan", "half_plus_two:2", cwd=gated).out
        assert "drain and stop the old server" in plan
        assert "closed" not in plan
        changed = while_answering(seen, (VERSION_1, VERSION_2), gated, "up", "half_plus_two:2")
        assert (changed["plan"]["change"], changed["endpoints"]) == ("replace", first["endpoints"])
        seen.may_be(VERSION_2)
        with monkeypatch.context() as starved:
            starved.setenv("DEPLOYER_DOCKER_MEMORY", "40m")
            refused(deployer("up", "half_plus_two:1", cwd=gated), 7)
        configure(gated, flags="file_system_poll_wait_seconds = 2")
        for version, code in ((3, 8), (4, 7), (5, 8)):
            refused(deployer("redeploy", "--version", str(version), cwd=gated), code)
        while_answering(seen, (VERSION_1, VERSION_2), gated, "redeploy", "--version", "1")
        seen.may_be(VERSION_1)
        seen.enough(100)
        while_answering(seen, (VERSION_1, VERSION_2), gated, "rollback")
        seen.may_be(VERSION_2)
        configure(gated, flags="file_system_poll_wait_seconds = 2", gateway="max_connections = 500")
        changed = while_answering(seen, (VERSION_2,), gated, "up", "half_plus_two:2")
        assert changed["plan"]["change"] == "gateway"
        seen.enough(max(100, TEN_THOUSAND - seen.count), 300)
    seen.check({VERSION_1, VERSION_2}, TEN_THOUSAND)
    assert servers() == [NAME]
    assert inspect(NAME)["Config"]["Image"] == another_image
    assert deployer("down", cwd=gated).code == 0
    assert not listens(int(first["endpoints"]["rest"].rpartition(":")[2]))
    assert state_left(gated) == []


def while_answering(seen, answers, project, *arguments):
    """What a good command says, while these may be answered."""
    seen.may_be(*answers)
    ended = deployer(*arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err
    return ended.json


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


@pytest.mark.usefixtures("quick")
def test_gateway_and_server_come_back_from_whatever_ends_them(gated):
    first = up(gated, "half_plus_two:1")
    ask = rest_client(first["endpoints"])
    for harm in (
        lambda: docker("restart", GATEWAY),
        lambda: os.kill(inspect(GATEWAY)["State"]["Pid"], signal.SIGKILL),
        lambda: docker("restart", NAME),
    ):
        harm()
        eventually(lambda: answers(ask), "it answers again")
    for harm in (("stop", "--time", "20", GATEWAY), ("rm", "--force", GATEWAY)):
        docker(*harm)
        if harm[0] == "stop":
            assert "its gateway is not running" in deployer("status", cwd=gated).err
        assert deployer("plan", "half_plus_two:1", cwd=gated).out.startswith("GATEWAY half_plus_two")
        assert up(gated, "half_plus_two:1")["endpoints"] == first["endpoints"]
        assert rest_client(first["endpoints"])() == VERSION_1
    assert deployer("status", cwd=gated).out.count("docker, gateway") == 1
    assert NAME in servers()
    assert deployer("logs", cwd=gated).code == 0


@pytest.mark.parametrize("guarded", ["", 'tls = true\ntokens = "tokens"\n'])
def test_without_its_state_directory_a_pair_is_still_the_deployment(gated, tmp_path, guarded):
    token = "a-token-of-ours" if guarded else ""
    write_tokens(tmp_path / "tokens", "a-token-of-ours")
    configure(gated, gateway=guarded)
    first = up(gated, "half_plus_two:1", "--memory", "900m")
    certificate = next(gated.rglob("run/current/certificate.pem")).read_text() if guarded else ""
    shutil.rmtree(gated / ".deployer")
    (seen,) = deployer("status", "--json", cwd=gated).json["deployments"]
    assert (seen["healthy"], seen["deployment"]["endpoints"]) == (True, first["endpoints"])
    assert "gateway's directory is gone" in seen["warning"]
    asked = deployer("predict", "--input", '{"instances": [2.0]}', cwd=gated)
    assert (asked.code, asked.json) == (0, {"predictions": [VERSION_1]}), asked.err
    assert "Successfully loaded" in deployer("logs", cwd=gated).out
    with traffic(first["endpoints"], token, certificate) as before:
        before.enough(100)
    assert before.failed == []
    changed = up(gated, "half_plus_two:1")
    assert (changed["plan"]["change"], changed["endpoints"]) == ("replace", first["endpoints"])
    assert inspect(NAME)["HostConfig"]["Memory"] == 900 << 20
    assert up(gated, "half_plus_two:1")["plan"]["change"] == "nothing"
    shutil.rmtree(gated / ".deployer")
    assert deployer("redeploy", "--version", "2", "-q", cwd=gated).code == 0
    shutil.rmtree(gated / ".deployer")
    assert deployer("down", cwd=gated).code == 0
    assert not listens(int(first["endpoints"]["rest"].rpartition(":")[2]))


def test_a_gateway_keeps_the_image_that_a_variable_gave(gated, gateway_image, monkeypatch):
    first = up(gated, "half_plus_two:1")
    monkeypatch.delenv("DEPLOYER_GATEWAY_IMAGE")
    running = inspect(GATEWAY)["Id"]
    for command in (("up", "half_plus_two:1"), ("redeploy", "--version", "2"), ("rollback",)):
        ended = deployer(*command, "--json", "-q", cwd=gated)
        assert ended.code == 0, ended.err
        assert any(gateway_image in notice for notice in ended.json["notices"])
    assert inspect(GATEWAY)["Id"] == running
    configure(gated, gateway="max_connections = 500")
    changed = up(gated, "half_plus_two:1")
    assert (changed["plan"]["change"], changed["endpoints"]) == ("gateway", first["endpoints"])
    assert changed["plan"]["steps"][0]["cause"] == "changed: gateway.max_connections (4096, now 500)"
    assert inspect(GATEWAY)["Config"]["Image"] == gateway_image
    configure(gated, enabled=False)
    up(gated, "half_plus_two:1")
    up(gated, "half_plus_two:2")
    configure(gated)
    planned = deployer("plan", "half_plus_two:2", cwd=gated)
    assert f"image {gateway_image}" in planned.out
    assert f"keeps gateway.image {gateway_image}" in planned.err
    up(gated, "half_plus_two:2")
    assert inspect(GATEWAY)["Config"]["Image"] == gateway_image


def answers(ask):
    """Whether the first version does; a server that is away is told with 502, 503 or a closed connection."""
    try:
        return ask() == VERSION_1
    except (AssertionError, OSError, HTTPException):
        return False


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


def notices(project, *arguments):
    """The notices of a command about the certificate or the gateway that is left."""
    ended = deployer(*arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err
    found = ended.json["removed"][0] if arguments[0] == "down" and "removed" in ended.json else ended.json
    return [text for text in found["notices"] if "certificate" in text or "left without" in text], found


def test_the_certificate_that_clients_trust_stays_until_down_and_each_new_one_is_named(gated):
    configure(gated, gateway="tls = true")
    shown = f".deployer/gateway/local@{PROJECT}/half_plus_two/self-signed.pem"
    for dry_run in (("--dry-run",), ()):
        (said,), first = notices(gated, "up", "half_plus_two:1", *dry_run)
        assert ("new self-signed certificate" in said, shown in said) == (True, True)
        assert "earlier" not in said
    file = gated / shown
    certificate = file.read_text()
    for gone in ((NAME,), (NAME, GATEWAY)):
        docker("rm", "--force", *gone)
        plan = deployer("plan", "half_plus_two:1", "--json", cwd=gated).json["plan"]
        assert ["remove the gateway" in text for text in plan["recovery"]] == [True] * (len(gone) == 1)
        said, again = notices(gated, "up", "half_plus_two:1")
        assert ["left without" in text for text in said] == [True] * (len(gone) == 1)
        assert (file.read_text(), again["endpoints"]) == (certificate, first["endpoints"])
        assert rest_client(again["endpoints"], "", certificate)() == VERSION_1
    configure(gated, gateway="tls = true", enabled=False)
    said = [text for text in notices(gated, "up", "half_plus_two:1")[0] if "kept" in text]
    assert [shown in text for text in said] == [True]
    assert notices(gated, "up", "half_plus_two:2")[0] == []
    configure(gated, gateway="tls = true")
    said, again = notices(gated, "up", "half_plus_two:1")
    assert [text for text in said if "new self-signed" in text] == []
    assert rest_client(again["endpoints"], "", certificate)() == VERSION_1
    file.unlink()
    (said,) = [text for text in notices(gated, "up", "half_plus_two:1")[0] if "new self-signed" in text]
    assert (shown in said, "earlier" in said) == (True, True)
    assert file.read_text() != certificate
    (said,), _ = notices(gated, "down", "half_plus_two")
    assert ("deleted" in said, shown in said) == (True, True)
    assert state_left(gated) == []
