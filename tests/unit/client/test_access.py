"""How requests get to a server: connections are kept, and given up before a server gives them up."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fake_server import FakeServer, fake_server

from deployer.client import access
from deployer.engines.docker.gateway import tls
from deployer.results.deployment import Gateway


def assert_given_up_when_idle(server: FakeServer, gateway: Gateway | None, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = access.connection_pool(server.endpoints.rest, gateway, 60.0, 1)
    for seconds in (60.0, 60.0, 0.0):
        monkeypatch.setattr(access, "IDLE_SECONDS", seconds)
        pool.urlopen("POST", "/v1/models/m:predict")
    pool.close()
    first, second, third = (asked.client for asked in server.asked)
    assert first == second != third


def test_a_connection_is_kept_but_not_when_it_was_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_server() as server:
        assert_given_up_when_idle(server, None, monkeypatch)


def test_nor_when_it_is_one_to_a_gateway_that_speaks_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pem, certificate = tmp_path / "own.pem", tmp_path / "certificate"
    certificate.write_text(tls.create_self_signed(pem, "127.0.0.1").certificate)
    (tmp_path / "token").write_text("secret")
    with fake_server(pem) as server:
        assert_given_up_when_idle(server, Gateway("", True, tmp_path / "token", certificate), monkeypatch)
