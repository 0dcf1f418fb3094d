"""Addresses of Docker Engines: their parts, and what is none."""

from __future__ import annotations

import pytest

from deployer.config.engine_address import parse_address
from deployer.config.spec import Docker
from deployer.errors import InvalidValue


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("unix:///run/docker.sock", ("unix", "", "", None, "/run/docker.sock")),
        ("ssh://stage", ("ssh", "", "stage", None, "/var/run/docker.sock")),
        ("ssh://ci@stage.example:2222/", ("ssh", "ci", "stage.example", 2222, "/var/run/docker.sock")),
        ("ssh://ci@10.0.0.1/run/user/1000/docker.sock", ("ssh", "ci", "10.0.0.1", None, "/run/user/1000/docker.sock")),
        ("ssh://[2001:db8::1]:22", ("ssh", "", "2001:db8::1", 22, "/var/run/docker.sock")),
        ("tcp://stage", ("tcp", "", "stage", 2376, "")),
        ("tcp://127.0.0.1:2375", ("tcp", "", "127.0.0.1", 2375, "")),
    ],
)
def test_the_parts_of_an_address(text, parts):
    found = parse_address(text)
    assert (found.scheme, found.user, found.host, found.port, found.path) == parts
    assert found.is_remote == (found.scheme != "unix")


@pytest.mark.parametrize(
    "text",
    [
        "", "stage", "http://stage", "ssh://", "ssh://-oProxyCommand=x", "ssh://u@-v", "ssh://-l@h", "ssh://u:secret@h",
        "ssh://h/$(id)", "ssh://h/a'b", "ssh://h h", "ssh://h\n", "tcp://u@h:1", "tcp://h/path", "tcp://h:0",
        "tcp://h:65536", "unix://relative", "npipe:////./pipe/docker",
    ],
)  # fmt: skip
def test_what_is_no_address(text):
    with pytest.raises(InvalidValue) as refused:
        parse_address(text)
    assert "secret" not in refused.value.message


def test_a_setting_that_is_no_address_names_its_key():
    with pytest.raises(InvalidValue) as refused:
        Docker(host="ssh://-v")
    assert refused.value.key_path == ("host",)
