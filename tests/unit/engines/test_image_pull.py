"""Pulling an image: what its name says, and what is told on the way, with a scripted engine that answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployer.engines.docker.credentials import DOCKER_HUB
from deployer.engines.docker.image_pull import (
    GATEWAY_SETTING,
    SERVER_SETTING,
    familiar_name,
    pull,
    registry,
    split_reference,
)
from deployer.engines.docker.inspection import Image
from deployer.errors import EngineError


@pytest.mark.parametrize(
    ("image", "repository", "tag", "host"),
    [
        ("tensorflow/serving", "tensorflow/serving", "latest", "Docker Hub"),
        ("tensorflow/serving:2.20.0", "tensorflow/serving", "2.20.0", "Docker Hub"),
        ("serving", "serving", "latest", "Docker Hub"),
        ("localhost/serving:1", "localhost/serving", "1", "localhost"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b", "latest", "127.0.0.1:5000"),
        ("ghcr.io/a/b:c", "ghcr.io/a/b", "c", "ghcr.io"),
        ("ghcr.io/a@sha256:" + "0" * 64, "ghcr.io/a@sha256:" + "0" * 64, None, "ghcr.io"),
    ],
)
def test_a_name_has_a_repository_a_tag_and_a_registry(image, repository, tag, host):
    assert (split_reference(image), registry(image)) == ((repository, tag), host)


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("tensorflow/serving", "tensorflow/serving:latest"),
        ("docker.io/library/serving:2", "serving:2"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:latest"),
        ("ghcr.io/a@sha256:0", "ghcr.io/a@sha256:0"),
    ],
)
def test_an_engine_lists_a_name_with_its_tag(name, listed):
    assert familiar_name(name) == listed


@pytest.mark.parametrize(
    ("name", "resolved"),
    [
        ("tensorflow/serving:2.20.0", "tensorflow/serving@sha256:1"),
        ("docker.io/tensorflow/serving", "tensorflow/serving@sha256:1"),
        ("ghcr.io/a/b:7", "ghcr.io/a/b@sha256:2"),
        ("ghcr.io/a/b@sha256:2", "ghcr.io/a/b@sha256:2"),
        ("ghcr.io/a/b:7@sha256:2", "ghcr.io/a/b@sha256:2"),
        ("mine:dev", "sha256:own"),
    ],
)
def test_an_image_is_resolved_to_the_digest_of_its_own_repository(name, resolved):
    image = Image("sha256:own", ("tensorflow/serving@sha256:1", "ghcr.io/a/b@sha256:2"))
    assert image.resolved(name) == resolved


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The docker command line's settings: none."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def said(*events: dict, setting: str = SERVER_SETTING) -> list[str]:
    lines: list[str] = []
    api = SimpleNamespace(timeout=30, pull=lambda *_, **__: iter(events))
    pull(SimpleNamespace(api=api), "r.io/a:1", None, 60.0, lambda event: lines.append(str(event)), setting)
    assert api.timeout == 30
    return lines


def downloading(layer: str, current: int, total: int) -> dict:
    return {"status": "Downloading", "id": layer, "progressDetail": {"current": current, "total": total}}


def test_progress_is_of_all_layers_and_never_goes_back():
    events = [
        {"status": "Pulling from a", "id": "1"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "x"},
        downloading("x", 10, 100),
        downloading("x", 50, 100),
        downloading("y", 0, 100),
        {"status": "Extracting", "id": "x", "progressDetail": {"current": 1, "total": 100}},
        {"status": "Download complete", "id": "x", "progressDetail": {}},
        {"status": "Download complete", "id": "y", "progressDetail": {}},
    ]
    assert said(*events) == ["pulling r.io/a:1", *(f"pulling r.io/a:1: {n} %" for n in (10, 50, 100))]


def test_what_comes_without_a_word_of_how_far_it_is_ends_with_all_of_it():
    quick = ({"status": "Download complete", "id": "x", "progressDetail": {}}, {"status": "Already exists", "id": "y"})
    assert said(*quick) == ["pulling r.io/a:1", "pulling r.io/a:1: 100 %"]


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("manifest unknown: manifest unknown", "no such image or tag"),
        ("pull access denied for a, repository does not exist or may require 'docker login'", "no such image or tag"),
        ("unauthorized: authentication required", "docker login r.io"),
        ("no matching manifest for linux/arm64 in the manifest list entries", "for other processors"),
        ("http: server gave HTTP response to HTTPS client", "insecure-registries"),
        (
            "dial tcp 127.0.0.1:1: connect: connection refused",
            "does not reach r.io: check its name in docker.image; --engine embedded needs no image",
        ),
        ("x509: certificate signed by unknown authority", "/etc/docker/certs.d/r.io/ca.crt"),
        ("failed to register layer: write /bin/x: no space left on device", "docker system df"),
        ("something else", "check docker.image, or pull it by hand"),
    ],
)
def test_a_refusal_names_image_and_registry_and_says_what_to_do(reason, hint):
    with pytest.raises(EngineError, match=r"pulling r\.io/a:1 from r\.io failed: ") as refused:
        said({"error": reason})
    assert hint in str(refused.value.hint)
    with pytest.raises(EngineError) as refused:
        said({"error": reason}, setting=GATEWAY_SETTING)
    assert not {"docker.image", "embedded"} & set(re.split(r"[ ;,:]+", str(refused.value.hint)))


@pytest.mark.parametrize(
    "reason", ["unauthorized: authentication required", "pull access denied for a, does not exist"]
)
def test_a_closed_registry_and_credentials_that_cannot_be_had_are_reported_together(config, reason):
    config.write_text('{"credsStore": "no-such-helper"}')
    with pytest.raises(EngineError, match=r"without credentials failed: .*docker-credential-no-such-helper") as refused:
        said({"error": reason})
    assert "docker login r.io" in str(refused.value.hint)
    assert str(config) in str(refused.value.hint)


def test_a_public_image_is_pulled_without_credentials_where_none_can_be_had(config):
    config.write_text("[]")
    assert any("without credentials" in line for line in said({"status": "Already exists", "id": "y"}))


@pytest.mark.parametrize(
    ("image", "key"), [("a/b", DOCKER_HUB), ("docker.io/a/b:1", DOCKER_HUB), ("r.io:5/a", "r.io:5")]
)
def test_credentials_are_looked_up_by_the_registry(config, image, key):
    config.write_text(json.dumps({"auths": {key: {"auth": "bWU6cw=="}}}))
    given: list[dict] = []
    api = SimpleNamespace(timeout=30, pull=lambda *_, auth_config, **__: given.append(auth_config) or iter(()))
    pull(SimpleNamespace(api=api), image, None, 60.0, lambda _: None)
    assert given == [{"username": "me", "password": "s", "serveraddress": key}]
