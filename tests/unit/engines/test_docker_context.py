"""Which engine is meant, by the variables and files that `docker` reads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from deployer.engines.docker.context import DEFAULT_ADDRESS, TlsFiles, address, tls_files
from deployer.errors import EngineUnavailable


def context(directory: Path, name: str, text: str) -> None:
    meta = directory / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(text)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Of a user with two contexts, `near` being the current one."""
    for name in ("near", "far"):
        endpoint = {"Name": name, "Endpoints": {"docker": {"Host": f"unix:///{name}.sock"}}}
        context(tmp_path, name, json.dumps(endpoint))
    (tmp_path / "config.json").write_text('{"currentContext": "near"}')
    return {"DOCKER_CONFIG": str(tmp_path)}


def test_without_any_setting_it_is_the_usual_one(tmp_path):
    assert address({"DOCKER_CONFIG": str(tmp_path)}) == DEFAULT_ADDRESS
    assert address({"DOCKER_CONFIG": str(tmp_path), "DOCKER_HOST": "", "DOCKER_CONTEXT": "default"}) == DEFAULT_ADDRESS


def test_docker_host_comes_before_docker_context_and_that_before_the_current_one(settings):
    assert address(settings) == "unix:///near.sock"
    assert address({**settings, "DOCKER_CONTEXT": "far"}) == "unix:///far.sock"
    assert address({**settings, "DOCKER_CONTEXT": "far", "DOCKER_HOST": "tcp://h:1"}) == "tcp://h:1"


def test_a_context_is_found_without_a_config_file(settings):
    (Path(settings["DOCKER_CONFIG"]) / "config.json").unlink()
    assert address({**settings, "DOCKER_CONTEXT": "far"}) == "unix:///far.sock"


def test_a_context_that_does_not_exist_is_refused_and_not_replaced(settings):
    with pytest.raises(EngineUnavailable, match="no docker context 'gone'"):
        address({**settings, "DOCKER_CONTEXT": "gone"})


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"Endpoints": []}', '{"Endpoints": {"docker": 7}}', "\xff" * 3])
def test_a_damaged_context_is_reported(settings, text):
    context(Path(settings["DOCKER_CONFIG"]), "bad", text)
    with pytest.raises(EngineUnavailable, match="'bad' cannot be read"):
        address({**settings, "DOCKER_CONTEXT": "bad"})


@pytest.mark.parametrize("text", ["{", "[]", '{"currentContext": ""}'])
def test_a_damaged_config_file_names_no_context(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    assert address({"DOCKER_CONFIG": str(tmp_path)}) == DEFAULT_ADDRESS


def test_the_certificates_of_variables(tmp_path):
    (tmp_path / "cert.pem").touch()
    named = {"DOCKER_CERT_PATH": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "none")}
    assert tls_files(None, {"DOCKER_HOST": "tcp://h:1"}) is None
    found = tls_files("tcp://h:1", named)
    assert found == TlsFiles(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")
    assert tls_files(None, {**named, "DOCKER_HOST": "tcp://h:1", "DOCKER_TLS_VERIFY": "1"}) == found
    default = tls_files("tcp://h:1", {"DOCKER_TLS_VERIFY": "1", "DOCKER_CONFIG": str(tmp_path / "none")})
    assert default == TlsFiles(tmp_path / "none" / "ca.pem")


@pytest.mark.parametrize("skips", [False, True])
def test_the_certificates_of_a_context(tmp_path, skips):
    digest = hashlib.sha256(b"far").hexdigest()
    meta, tls = tmp_path / "contexts/meta" / digest, tmp_path / "contexts/tls" / digest / "docker"
    meta.mkdir(parents=True)
    tls.mkdir(parents=True)
    endpoint = {"Host": "tcp://h:2376", "SkipTLSVerify": skips}
    (meta / "meta.json").write_text(json.dumps({"Endpoints": {"docker": endpoint}}))
    settings = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "far", "DOCKER_CERT_PATH": "/elsewhere"}
    if skips:
        with pytest.raises(EngineUnavailable, match="SkipTLSVerify"):
            tls_files(None, settings)
    else:
        assert tls_files(None, settings) == TlsFiles(tls / "ca.pem")
