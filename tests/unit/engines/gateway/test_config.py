"""What a gateway reads: nothing that is configured can become another line, and every setting changes the digest."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.config.quoting import haproxy
from deployer.config.spec import Gateway
from deployer.engines.docker.gateway import tls, tokens
from deployer.engines.docker.gateway.config import GatewayConfig, Listen
from deployer.engines.docker.gateway.directory import GatewayDir
from deployer.errors import ConfigError, DeployerError, TemplateError

PLACE = Listen("127.0.0.1", 8501, 8500, ("172.18.0.2", "172.18.0.3"))


def config(tmp_path: Path, place: Listen = PLACE, **settings) -> str:
    return GatewayConfig(Gateway(enabled=True, **settings)).files(GatewayDir(tmp_path), "1", place)["b.cfg"]


def test_the_other_slot_is_closed(tmp_path):
    lines = [line.split() for line in config(tmp_path).splitlines() if line.startswith("    server ")]
    assert [(line[1], line[2], "disabled" in line) for line in lines] == [
        ("a", "'172.18.0.2:8501'", True),
        ("b", "'172.18.0.3:8501'", False),
        ("a", "'172.18.0.2:8500'", True),
        ("b", "'172.18.0.3:8500'", False),
    ]


def test_an_address_of_version_6_is_bound_as_one(tmp_path):
    assert "bind '[::1]:8501'" in config(tmp_path, dataclasses.replace(PLACE, host="::1"))


def test_a_server_that_lets_scripts_ask_has_a_gateway_that_does(tmp_path):
    wanted = GatewayConfig(Gateway(enabled=True), cors=True)
    text = wanted.files(GatewayDir(tmp_path), "1", PLACE)["b.cfg"]
    assert "access-control" not in config(tmp_path)
    assert "METH_OPTIONS" in text
    assert wanted.digest(GatewayDir(tmp_path), "127.0.0.1") != GatewayConfig(Gateway(enabled=True)).digest(
        GatewayDir(tmp_path), "127.0.0.1"
    )


@given(st.text(max_size=40))
def test_a_host_is_an_address_or_refused(tmp_path_factory, host):
    directory = tmp_path_factory.mktemp("gateway")
    try:
        found = config(directory, dataclasses.replace(PLACE, host=host))
    except (ConfigError, TemplateError):
        return
    usual = config(directory)
    assert len(found.splitlines()) == len(usual.splitlines())
    assert set("@,' \"$\\#") & set(host) == set()


@given(st.text())
def test_a_quoted_word_is_one_word_on_one_line(text):
    try:
        quoted = haproxy(text)
    except ValueError:
        assert set(text) & set("\n\r\0") or not text.isascii()
        return
    assert shlex.split(quoted) == [text]  # the shell quotes alike
    assert not set(quoted) & set("\n\r\0")


def test_a_template_of_ones_own_cannot_be_broken_out_of(tmp_path):
    (tmp_path / "haproxy.cfg.j2").write_text("{{ gateway.nothing }}")
    with pytest.raises(TemplateError):
        GatewayConfig(Gateway(), tmp_path).digest(GatewayDir(tmp_path), "127.0.0.1")


@pytest.mark.parametrize(
    "settings",
    [{"image": "haproxy:3.2"}, {"tls": True}, {"max_body": "1m"}, {"requests_per_second": 5}, {"metrics_port": 9000},
     {"drain_seconds": 1}, {"answer_seconds": 1}, {"max_connections": 5}],
)  # fmt: skip
def test_every_setting_makes_another_gateway(tmp_path, settings):
    home, plain = GatewayDir(tmp_path), GatewayConfig(Gateway())
    assert plain.digest(home, "h") == plain.digest(home, "h") != plain.digest(home, "g")
    assert GatewayConfig(Gateway(**settings)).digest(home, "h") != plain.digest(home, "h")


def test_another_token_or_certificate_makes_another_gateway_and_the_same_do_not(tmp_path):
    home, path = GatewayDir(tmp_path / "home"), tmp_path / "tokens"
    wanted = GatewayConfig(Gateway(enabled=True, tls=True, tokens=path))
    tokens.write(path, {"a": tokens.hash_token("1")})
    files = wanted.files(home, "1", PLACE)
    digest = wanted.digest(home, PLACE.host)
    assert wanted.digest(home, PLACE.host) == digest
    assert files["server.pem"] == wanted.files(home, "2", PLACE)["server.pem"]
    tokens.write(path, {"a": tokens.hash_token("2")})
    assert (changed := wanted.digest(home, PLACE.host)) != digest
    tls.create_self_signed(home.self_signed, PLACE.host)
    assert wanted.digest(home, PLACE.host) not in (digest, changed)


def test_a_certificate_of_ones_own_must_fit_its_key(tmp_path):
    one, two = (tls.create_self_signed(tmp_path / name, "127.0.0.1").pem for name in ("one", "two"))
    certificate, key = tmp_path / "certificate", tmp_path / "key"
    certificate.write_text(one[: one.index("-----BEGIN PRIVATE")])
    key.write_text(two[two.index("-----BEGIN PRIVATE") :])
    with pytest.raises(ConfigError, match="another certificate's"):
        tls.load_key_pair(certificate, key)
    key.write_text(one[one.index("-----BEGIN PRIVATE") :])
    assert tls.load_key_pair(certificate, key).name == "localhost"
    for broken in ("", "garbage", one.replace("A", "B")):
        certificate.write_text(broken)
        with pytest.raises(ConfigError) as refusal:
            tls.load_key_pair(certificate, key)
        assert "PRIVATE" not in refusal.value.message
        assert refusal.value.key == "gateway.certificate"
        assert "gateway.key" in str(refusal.value.hint)


@pytest.mark.parametrize("unreadable", ["certificate", "key"])
@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "binary"])
def test_a_file_that_cannot_be_read_is_named_with_its_setting(tmp_path, unreadable, content):
    pem = tls.create_self_signed(tmp_path / "both", "127.0.0.1").pem
    files = {name: tmp_path / name for name in ("certificate", "key")}
    for path in files.values():
        path.write_text(pem)
    files[unreadable].unlink()
    if content:
        files[unreadable].write_bytes(content)
    with pytest.raises(ConfigError) as refusal:
        tls.load_key_pair(**files)
    assert (refusal.value.key, bool(refusal.value.hint)) == (f"gateway.{unreadable}", True)
    assert str(files[unreadable]) in refusal.value.message


@pytest.mark.parametrize(
    "settings",
    [{"image": "Not an image"}, {"max_body": "-1"}, {"requests_per_second": -1}, {"drain_seconds": 0},
     {"max_connections": 10**9}, {"metrics_port": 70000}, {"tls": True, "key": Path("k")},
     {"certificate": Path("c"), "key": Path("k")}],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(settings):
    with pytest.raises(DeployerError):
        Gateway(**settings)
