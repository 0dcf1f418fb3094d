"""How requests get to a server: connections are kept, and given up before a server gives them up."""

from __future__ import annotations

import pytest
import requests
from support.fake_server import fake_server

from deployer import access


def test_a_connection_is_kept_but_not_when_it_was_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_server() as server, requests.Session() as session:
        access.mount(session, None, 1)
        for seconds in (60.0, 60.0, 0.0):
            monkeypatch.setattr(access, "IDLE_SECONDS", seconds)
            session.post(f"{server.endpoints.rest}/v1/models/m:predict", timeout=60)
        first, second, third = (asked.client for asked in server.asked)
    assert first == second != third
