"""Connecting to a Docker Engine: its version, the user's `config.json`, and what the SDK's errors mean."""

from __future__ import annotations

import json

import docker.errors
import pytest
import requests
from support.fake_engine import INFO, fake_engine

from deployer.config.spec import Docker
from deployer.engines.docker.api import connect, docker_errors, docker_problem, timed_lines
from deployer.engines.docker.host import DockerHost
from deployer.engines.docker.preflight import DockerPreflight
from deployer.errors import EngineError, EngineUnavailable
from deployer.results.logs import LogLine


@pytest.mark.parametrize("version", ["1.18", "1.24", "1.29"])
def test_an_engine_that_is_too_old_is_reported_with_both_versions(tmp_path, version):
    with fake_engine(version) as address:
        with pytest.raises(EngineUnavailable, match=rf"API {version}\b.* 1\.30 "):
            connect(address)
        (finding,) = DockerPreflight(DockerHost(tmp_path, tmp_path, Docker(host=address))).platform()
        assert (finding.severity, version in finding.message, "1.30" in finding.message) == ("error", True, True)
        assert docker_problem(address)


@pytest.mark.parametrize("version", ["1.30", "1.41", "1.99", "2.0"])
def test_an_engine_that_is_new_enough_is_asked_in_its_own_version(version):
    with fake_engine(version) as address:
        assert connect(address).info() == INFO


@pytest.mark.parametrize(
    ("settings", "needs"),
    [({"gpus": 1, "image": "own:1"}, "docker.gpus"), ({"platform": "linux/arm64"}, "docker.platform")],
)
def test_a_setting_that_needs_a_newer_engine_is_reported_with_both_versions(tmp_path, settings, needs):
    with fake_engine("1.39") as address:
        found = DockerPreflight(DockerHost(tmp_path, tmp_path, Docker(host=address, **settings))).platform()
        assert [each for each in found if needs in each.message and "1.39" in each.message and "1.4" in each.message]


@pytest.mark.parametrize(
    "text",
    [
        "[]", "null", "{", '{"proxies": "x"}', '{"proxies": {"default": "x"}}', '{"HttpHeaders": ["x"]}',
        '{"auths": {"r.io": {"auth": "not base64"}}}', '{"auths": []}', '{"credHelpers": "x"}',
        '{"credsStore": "none"}',
    ],
)  # fmt: skip
def test_nothing_in_the_users_settings_keeps_the_engine_from_being_asked(tmp_path, monkeypatch, text):
    (tmp_path / "config.json").write_text(text)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with fake_engine() as address:
        assert connect(address).info() == INFO


def test_what_the_tool_ignores_of_the_users_settings_is_a_finding(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("[]")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with fake_engine() as address:
        found = DockerPreflight(DockerHost(tmp_path, tmp_path, Docker(host=address))).platform()
    assert [each.severity for each in found if str(tmp_path / "config.json") in each.message] == ["warning"]


def test_proxies_of_the_users_settings_reach_containers(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text(json.dumps({"proxies": {"default": {"httpProxy": "http://proxy:1"}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with fake_engine() as address:
        assert connect(address).api._proxy_configs.http == "http://proxy:1"


@pytest.mark.parametrize(
    "error",
    [
        docker.errors.DockerException("the helper answered nonsense"),
        docker.errors.InvalidVersion("mounts needs 1.30"),
        docker.errors.NullResource("no id"),
    ],
)
def test_an_error_of_the_sdk_does_not_mean_that_no_engine_answers(error):
    with pytest.raises(EngineError) as told, docker_errors("starting it"):
        raise error
    assert not isinstance(told.value, EngineUnavailable)
    assert str(error) in told.value.message


def test_a_full_disk_of_the_engine_is_named():
    reason = "write /var/lib/docker/overlay2/5-init/link: no space left on device"
    with (
        pytest.raises(EngineError, match="the disk of the Docker Engine is full") as told,
        docker_errors("starting it"),
    ):
        raise docker.errors.APIError("500", explanation=reason)
    assert reason in told.value.message
    assert "docker system df" in str(told.value.hint)


@pytest.mark.parametrize("cause", [ConnectionRefusedError(111, "refused"), requests.ConnectionError("refused")])
def test_an_engine_that_is_not_there_is_reported_also_where_the_sdk_wraps_it(cause):
    with pytest.raises(EngineUnavailable), docker_errors("the engine"):
        raise docker.errors.DockerException("Error while fetching server API version") from cause


STAMP, LATER = "2026-11-30T12:00:00.000000001Z", "2026-11-30T12:00:01Z"


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([f"{STAMP} a\n", f"{STAMP} b"], [("a", STAMP), ("b", STAMP)]),
        ([f"{STAMP} long ", f"{LATER} line\n", f"{STAMP} b\n"], [("long line", STAMP), ("b", STAMP)]),
        (["no time\n", f"{STAMP} \n"], [("no time", None), ("", STAMP)]),
        ([f"{STAMP} a\nb\n"], [("a", STAMP), ("b", STAMP)]),
        ([], []),
    ],
)  # fmt: skip
def test_lines_of_a_log_have_the_time_of_their_start(chunks, lines):
    assert list(timed_lines(chunk.encode() for chunk in chunks)) == [LogLine(*line) for line in lines]
