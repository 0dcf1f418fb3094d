"""Scripts of web pages that ask through a gateway: a real HAProxy with the rendered config; its server is away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from support.containers import PROJECT, docker
from support.world import eventually, free_port, listens

from deployer.config.spec import Gateway
from deployer.engines.docker.gateway import tokens
from deployer.engines.docker.gateway.config import MOUNT, GatewayConfig, Listen
from deployer.engines.docker.gateway.directory import GatewayDir

ORIGIN = {"Origin": "https://page.example"}
PREFLIGHT = {**ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
TOKEN = {"Authorization": "Bearer known"}
NAME = f"{PROJECT}-cors"


@pytest.fixture(scope="module", params=[True, False], ids=["cors", "no cors"])
def gateway(request, tmp_path_factory: pytest.TempPathFactory, gateway_image: str) -> Iterator[tuple[str, bool]]:
    """Its REST address, and whether the server's flag lets scripts ask."""
    directory, port = tmp_path_factory.mktemp("gateway"), free_port()
    tokens.write(directory / "known", {"me": tokens.hash_token("known")})
    settings = Gateway(enabled=True, tokens=directory / "known", max_body="2k", requests_per_second=20)
    place = Listen("127.0.0.1", port, free_port(), ("127.0.0.2", "127.0.0.2"))
    files = GatewayConfig(settings, cors=request.param).files(GatewayDir(directory / "home"), "g", place)
    (directory / "run" / "g").mkdir(parents=True)
    for name, text in files.items():
        (directory / "run" / "g" / name).write_text(text)
    docker(
        "run", "--detach", "--name", NAME, "--network", "host", "--user", "0:0", "--entrypoint", "haproxy",
        "--mount", f"type=bind,source={directory / 'run'},target={MOUNT}",
        gateway_image, "-db", "-f", f"{MOUNT}/g/a.cfg",
    )  # fmt: skip
    try:
        eventually(lambda: listens(port), "the gateway listens")
        yield f"http://127.0.0.1:{port}/v1/models/m", request.param
    finally:
        docker("rm", "--force", NAME)


def allowed(answer: requests.Response) -> str | None:
    """The headers that a script may send, where scripts of any page may ask."""
    if answer.headers.get("Access-Control-Allow-Origin") != "*":
        return None
    assert answer.headers["Access-Control-Allow-Methods"] == "POST, GET"
    return answer.headers["Access-Control-Allow-Headers"]


def ask(method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> requests.Response:
    return requests.request(method, url, headers=headers, data=body, timeout=60)


def test_a_preflight_is_answered_without_token_and_rate(gateway):
    url, cors = gateway
    for _ in range(30):
        answer = ask("OPTIONS", f"{url}:predict", PREFLIGHT)
        assert (answer.status_code, allowed(answer)) == ((200, "Content-Type, Authorization") if cors else (401, None))
        if not cors:
            return


def test_a_script_can_read_why_it_is_refused(gateway):
    url, cors = gateway
    refusals = [
        (401, ask("GET", url, ORIGIN)),
        (413, ask("POST", f"{url}:predict", {**ORIGIN, **TOKEN}, b"x" * 3000)),
        (503, ask("GET", url, {**ORIGIN, **TOKEN})),
    ]
    asked = (ask("GET", url, ORIGIN) for _ in range(1000))
    limited = next((answer for answer in asked if answer.status_code == 429), None)
    assert limited is not None
    for status, answer in (*refusals, (429, limited)):
        assert answer.status_code == status
        assert allowed(answer) == ("Content-Type, Authorization" if cors else None)
        assert "error" in answer.json()


def test_options_that_no_browser_asks_need_a_token(gateway):
    url, _ = gateway
    assert ask("OPTIONS", url, {}).status_code in (401, 429)
