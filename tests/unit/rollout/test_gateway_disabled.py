"""Settings of a gateway that is not enabled: refused unless it is disabled in words, and then named in notes."""

from __future__ import annotations

import pytest
from support.cli import in_process
from support.memory.project import Project

from deployer.config import loader
from deployer.config.fields import own_fields_first
from deployer.config.gateway import Gateway
from deployer.errors import ConfigError

VALUES = {
    "image": '"haproxy:3.0"', "tls": "true", "tokens": '"tokens"', "max_body": '"16m"',
    "certificate": '"c"\ngateway.key = "k"\ngateway.tls = true',
}  # fmt: skip
KEYS = [each.name for each in own_fields_first(Gateway) if each.name not in ("enabled", "key")]
LINE = "gateway.tls has no effect"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("table", ["", "[env.local]\n", "[env.staging]\n"])
def test_each_setting_is_refused_until_the_gateway_is_enabled_or_disabled(tmp_path, key, table):
    file, line = tmp_path / "deployer.toml", f"gateway.{key} = {VALUES.get(key, '5')}\n"
    file.write_text(table + line)
    with pytest.raises(ConfigError) as refused:
        loader.check(file, {})
    assert (refused.value.exit_code, f"gateway.{key} " in refused.value.message) == (3, True)
    for enabled in ("true", "false"):
        file.write_text(f"{table}{line}gateway.enabled = {enabled}\n")
        loader.check(file, {})
        file.write_text(table + line)
        loader.check(file, {"DEPLOYER_GATEWAY_ENABLED": enabled})


def test_a_setting_of_a_variable_alone_is_no_error(tmp_path):
    assert loader.load(environ={"DEPLOYER_GATEWAY_IMAGE": "haproxy:3.0"}).gateway.image == "haproxy:3.0"


@pytest.mark.parametrize(
    ("config", "environ", "said"),
    [
        ("enabled = false\ntls = true", {}, "gateway.tls has no effect: gateway.enabled in deployer.toml is false"),
        ("tls = true", {"DEPLOYER_GATEWAY_ENABLED": "false"}, f"{LINE}: DEPLOYER_GATEWAY_ENABLED is false"),
        ("", {"DEPLOYER_GATEWAY_TLS": "1"}, "DEPLOYER_GATEWAY_TLS has no effect: gateway.enabled is not set"),
        ("enabled = false", {}, ""),
        ("", {}, ""),
    ],
)
def test_a_note_names_settings_of_a_gateway_that_is_disabled(project: Project, monkeypatch, config, environ, said):
    (project.directory / "deployer.toml").write_text(f'engine = "embedded"\nproject = "unit"\n[gateway]\n{config}\n')
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    ports = ("--rest-port", "0", "--grpc-port", "0")
    for command in (("plan", "m:1", *ports), ("up", "m:1", *ports), ("up", "m:1"), ("status",), ("status", "m")):
        ended = in_process(*command, cwd=project.directory)
        assert ended.code in (0, 20), ended.err
        noted = [line for line in ended.err.splitlines() if "no effect" in line]
        assert (len(noted), said in ended.err) == (bool(said), True), command


def test_a_token_for_a_gateway_that_is_disabled_is_not_brought_to_it(tmp_path):
    (tmp_path / "deployer.toml").write_text('[gateway]\nenabled = false\ntokens = "tokens"\n')
    ended = in_process("token", "alice", cwd=tmp_path)
    assert (ended.code, "gateway.tokens has no effect" in ended.err, "deployer up" in ended.err) == (0, True, False)
