"""Credentials for registries: the docker command line's own settings, and helpers that are programs on PATH."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from deployer.engines.docker import credentials
from deployer.engines.docker.credentials import DOCKER_HUB, Credentials, config_problems, for_registry, sanitized_config

HOST = "registry.example:5000"
WORKS = 'read server\necho "{\\"ServerURL\\": \\"$server\\", \\"Username\\": \\"me\\", \\"Secret\\": \\"s\\"}"'


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, with an empty directory on PATH for helpers beside what a shell needs."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def helper(config: Path, name: str, script: str) -> None:
    path = config.parent / "bin" / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_settings_there_are_no_credentials_and_no_problem(config):
    assert for_registry(HOST) == Credentials()
    assert list(config_problems()) == []


@pytest.mark.parametrize(
    ("registry", "entry", "auth"),
    [
        (HOST, {HOST: {"auth": b64("me:a:b")}}, {"username": "me", "password": "a:b"}),
        (HOST, {f"https://{HOST}/v2/": {"auth": b64("me:s")}}, {"username": "me", "password": "s"}),
        (DOCKER_HUB, {DOCKER_HUB: {"auth": b64("me:s")}}, {"username": "me", "password": "s"}),
        (HOST, {HOST: {"username": "me", "password": "s"}}, {"username": "me", "password": "s"}),
        (HOST, {HOST: {"auth": "", "identitytoken": "t"}}, {"identitytoken": "t"}),
        (HOST, {HOST: {"registrytoken": "t"}}, {"registrytoken": "t"}),
    ],
)
def test_what_a_login_wrote_is_taken(config, registry, entry, auth):
    config.write_text(json.dumps({"auths": {"other.example": {"auth": "!"}, **entry}}))
    assert for_registry(registry) == Credentials({**auth, "serveraddress": registry})


@pytest.mark.parametrize("entry", [{"auth": "not base64"}, {"auth": b64("nocolon")}, {"auth": 7}, "text", None, []])
def test_a_login_that_cannot_be_read_is_a_problem_with_its_remedy(config, entry):
    config.write_text(json.dumps({"auths": {HOST: entry}}))
    found = for_registry(HOST)
    assert not found.auth
    assert f"auths.{HOST} in {config}" in found.problem
    assert f"docker login {HOST}" in found.remedy


@pytest.mark.parametrize("text", ["[]", "null", "7", '"x"', "{", "", "\x00", "[" * 100_000])
def test_a_file_that_is_no_object_is_reported(config, text):
    config.write_text(text)
    assert str(config) in for_registry(HOST).problem
    assert [str(config) in problem for problem, _ in config_problems()] == [True]


@pytest.mark.parametrize(
    "raw", [{"proxies": "x"}, {"HttpHeaders": 1}, {"auths": []}, {"credHelpers": 3}, {"credsStore": 3}]
)
def test_settings_of_other_types_are_reported_and_keep_nothing_from_working(config, raw):
    config.write_text(json.dumps(raw))
    assert for_registry(HOST) == Credentials()
    assert [next(iter(raw)) in problem for problem, _ in config_problems()] == [True]


def test_a_helper_is_asked_for_the_registry(config):
    config.write_text(json.dumps({"credsStore": "mine", "auths": {HOST: {}}}))
    helper(config, "mine", WORKS)
    assert for_registry(HOST).auth == {"username": "me", "password": "s", "serveraddress": HOST}


@pytest.mark.parametrize("raw", [{"credsStore": "mine"}, {"credHelpers": {HOST: "mine", "other.example": "own"}}])
def test_a_helper_that_is_not_installed_is_reported_before_it_is_needed(config, raw):
    config.write_text(json.dumps(raw))
    helper(config, "own", WORKS)
    assert ["docker-credential-mine" in problem for problem, _ in config_problems()] == [True]


def test_the_helper_of_a_registry_comes_first_and_may_give_a_token(config):
    config.write_text(json.dumps({"credsStore": "missing", "credHelpers": {HOST: "own"}}))
    helper(config, "own", WORKS.replace('"me\\"', '"<token>\\"'))
    assert for_registry(HOST).auth == {"identitytoken": "s", "serveraddress": HOST}


def test_a_helper_that_has_none_for_the_registry_is_no_problem(config):
    config.write_text(json.dumps({"credsStore": "mine"}))
    helper(config, "mine", "echo credentials not found in native keychain; exit 1")
    assert for_registry(HOST) == Credentials()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (None, "is not on PATH"),
        ("echo the keychain is locked >&2; exit 1", "failed: the keychain is locked"),
        ("exit 3", "failed: exit code 3"),
        ("echo secret", "without JSON"),
        ('echo \'{"Username": "me"}\'', "without JSON"),
        ("echo '[]'", "without JSON"),
        ("printf '\\377'", "cannot be run"),
        ("exec sleep 600", "did not answer within 0.2 s"),
        ("sleep 600", "did not answer within 0.2 s"),
    ],
)
@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_helper_that_does_not_work_is_a_problem_with_its_name_and_file(config, monkeypatch, key, script, says):
    config.write_text(json.dumps({key: "mine" if key == "credsStore" else {HOST: "mine"}}))
    if script:
        helper(config, "mine", script)
    if "sleep" in (script or ""):
        monkeypatch.setattr(credentials, "HELPER_SECONDS", 0.2)
    found = for_registry(HOST)
    assert not found.auth
    for part in ("docker-credential-mine", f"{key} in {config}", says):
        assert part in found.problem
    assert "secret" not in found.problem
    assert f"docker login {HOST}" in found.remedy


@pytest.mark.parametrize("raw", [[], None, "x", {"proxies": "x"}, {"proxies": {"default": 3}}, {"HttpHeaders": ["x"]}])
def test_the_sdk_reads_just_what_it_understands(raw):
    kept = sanitized_config(raw)
    assert isinstance(kept.get("proxies", {}), dict)
    assert "HttpHeaders" not in kept


def test_the_sdk_still_reads_proxies_and_headers():
    raw = {"proxies": {"default": {"httpProxy": "http://p"}}, "HttpHeaders": {"X": "1"}, "credsStore": "mine"}
    assert sanitized_config(raw) == {"auths": {}, "proxies": raw["proxies"], "HttpHeaders": {"X": "1"}}
