"""Tokens: hashes at rest, whole files, lines that are none refused."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.config.options import Settings
from deployer.engines.docker.gateway import tokens
from deployer.errors import ConfigError, DeployerError
from deployer.operations.token import token


def test_a_file_has_hashes_and_is_its_owners_alone(tmp_path):
    path, made = tmp_path / "deep" / "tokens", tokens.generate()
    tokens.write(path, {"alice": tokens.hash_token(made)})
    assert tokens.read(path) == {"alice": hashlib.sha256(made.encode()).hexdigest()}
    assert made not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.text(max_size=80))
def test_a_line_is_a_hash_and_a_name_or_refused(tmp_path_factory, line):
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    path.write_text(line, encoding="utf-8", errors="surrogatepass")
    try:
        found = tokens.read(path)
    except ConfigError:
        return
    assert found == {} or all(len(kept) == 64 for kept in found.values())


def test_a_missing_file_is_reported_with_what_makes_it(tmp_path):
    with pytest.raises(ConfigError) as refusal:
        tokens.read(tmp_path / "tokens")
    assert "deployer token" in refusal.value.hint


def test_the_tools_own_token_is_made_once(tmp_path):
    path = tmp_path / "token"
    assert tokens.read_or_create(path) == tokens.read_or_create(path) == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_verb_makes_replaces_and_revokes(tmp_path):
    config = tmp_path / "deployer.toml"
    config.write_text('[gateway]\nenabled = true\ntokens = "tokens"\n')
    settings = Settings(config=config)
    first, second = token("alice", settings=settings), token("alice", settings=settings)
    (changed,) = first.notices
    assert f"deployer up NAME:VERSION --config {config} " in changed
    assert token("bob", settings=settings).notices == first.notices
    (said, _) = second.notices
    assert "alice" in said
    assert first.token != second.token
    assert tokens.read(first.file)["alice"] == tokens.hash_token(second.token)
    revoked = token("alice", revoke=True, settings=settings)
    assert (revoked.token, revoked.notices) == (None, first.notices)
    assert token("alice", settings=settings).notices == first.notices
    token("alice", revoke=True, settings=settings)
    assert list(tokens.read(first.file)) == ["bob"]


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "-x", "x" * 65])
def test_a_name_that_could_be_something_else_is_refused(tmp_path, name):
    with pytest.raises(DeployerError, match="is not allowed"):
        token(name)


def test_without_a_file_there_is_nothing_to_write_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"gateway\.tokens is not set"):
        token("alice")


@pytest.mark.parametrize(
    ("text", "env", "table", "enables"),
    [
        ("", "local", "[gateway]", True),
        ("", "staging", "[env.staging.gateway]", True),
        ("[gateway]\nenabled = true\n", "local", "[gateway]", False),
        ("[gateway]\nenabled = true\n[env.staging]\n", "staging", "[env.staging.gateway]", False),
        ("[env.staging.gateway]\nenabled = true\n", "staging", "[env.staging.gateway]", False),
        ("[env.local.gateway]\nenabled = true\n", "local", "[env.local.gateway]", False),
    ],
)
def test_the_hint_names_the_table_that_applies(tmp_path, text, env, table, enables):
    config = tmp_path / "deployer.toml"
    config.write_text(text)
    with pytest.raises(ConfigError) as error:
        token("alice", settings=Settings(config=config, env=env))
    assert f"under {table} in {config}" in error.value.hint
    assert ("enabled = true" in error.value.hint) is enables
    line = re.search(r"tokens = \S+", error.value.hint)
    assert line is not None
    values = f"{'enabled = true' if enables else ''}\n{line[0]}\n"
    config.write_text(f"{text}{values if table in text else f'{table}{chr(10)}{values}'}")
    assert token("alice", settings=Settings(config=config, env=env)).file == tmp_path / "tokens"


def test_hints_name_the_environment_that_has_the_tokens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deployer.toml").write_text('[models.m]\n[env.staging.gateway]\nenabled = true\ntokens = "tokens"\n')
    with pytest.raises(ConfigError) as refusal:
        token("alice")
    assert "--env staging" in (refusal.value.hint or "")
    (changed,) = token("alice", settings=Settings(env="staging")).notices
    assert "deployer up --env staging " in changed
    (tmp_path / "tokens").write_text("damaged\n")
    with pytest.raises(ConfigError) as refusal:
        token("alice", settings=Settings(env="staging"))
    assert "remove the line" in (refusal.value.hint or "")
