"""Addresses that people type: read, or refused with an example."""

from __future__ import annotations

import pytest

from deployer.client.address import parse_grpc, parse_rest
from deployer.errors import InvalidValue


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://digits:8501", "http://digits:8501"),
        ("digits.staging.svc:8501/", "http://digits.staging.svc:8501"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://half_plus_two", "http://half_plus_two"),
    ],
)
def test_a_rest_address(text, url):
    assert parse_rest(text).url == url


def test_a_grpc_address():
    assert parse_grpc("[::1]:8500").host_port == "[::1]:8500"


@pytest.mark.parametrize("text", ["", "http://", "https://a:1", "ftp://a", "a:b", "a:70000", "a b", "a/v1", "-\n"])
def test_no_rest_address(text):
    with pytest.raises(InvalidValue) as refused:
        parse_rest(text)
    assert "--url" in (refused.value.hint or "")


@pytest.mark.parametrize("text", ["", "a", "http://a:1", "a:70000", "a:1/", "a:1\n"])
def test_no_grpc_address(text):
    with pytest.raises(InvalidValue) as refused:
        parse_grpc(text)
    assert "--grpc" in (refused.value.hint or "")
