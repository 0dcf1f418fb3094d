"""What of a deployment's address stays, and who reaches it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from deployer.config.spec import Server, Spec
from deployer.results.deployment import Deployment, Endpoints
from deployer.rollout.addresses import exposure, keep_host

DEPLOYED = Deployment(
    "m", "local", "embedded", "r1", "serving", (), Endpoints("", ""), 8501, 8500, "", "", True, 1, Path(),
    host="127.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", ""])
def test_loopback_is_reached_by_this_machine_alone(host):
    assert exposure(host, tls=False, tokens=False) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "2001:db8::1", "localhost"])
def test_any_other_address_is_said_with_what_guards_it(host):
    """A name was taken by earlier releases: Docker published it on every interface."""
    assert "no TLS, no token" in exposure(host, tls=False, tokens=False)
    assert exposure(host, tls=True, tokens=False).endswith(": no token")
    assert exposure(host, tls=True, tokens=True).endswith(": with TLS and tokens")


def test_an_address_stays_unless_a_setting_says_another():
    there = dataclasses.replace(DEPLOYED, host="0.0.0.0")
    assert keep_host(Spec(), there).server.address == "0.0.0.0"
    assert keep_host(Spec(server=Server(host="127.0.0.1")), there).server.address == "127.0.0.1"
    assert keep_host(Spec(), None).server.address == "127.0.0.1"


@pytest.mark.parametrize(("before", "now"), [("localhost", "127.0.0.1"), ("", "127.0.0.1"), ("127.1", "127.0.0.1")])
def test_an_address_that_is_refused_today_is_not_keep_host(before, now):
    assert keep_host(Spec(), dataclasses.replace(DEPLOYED, host=before)).server.address == now
