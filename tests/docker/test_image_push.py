"""Images with the model inside go to a real registry, or the reason why not is reported with what to do."""

from __future__ import annotations

import ipaddress
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support import schemas
from support.containers import PROJECT, docker
from support.deploying import deployer, refused
from support.quick_server import quick_server
from support.registry import PASSWORD, USER, credential_helper, running, running_closed
from support.world import free_port

REPOSITORY = f"{PROJECT}-push/half"
DEFAULT = f"{PROJECT}/half_plus_two:1"
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("registry"), free_port(), tmp_path_factory.mktemp("data")) as address:
        yield address


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_closed(tmp_path_factory.mktemp("closed"), free_port(), tmp_path_factory.mktemp("data")) as address:
        yield address


@pytest.fixture
def built(project: Path, gateway_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project, with an image on a small base; no golden answers are asked of that."""
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", quick_server(gateway_image))
    ended = deployer("image", "build", "half_plus_two:1", "--skip-gate", cwd=project)
    assert ended.code == 0, ended.err
    yield project
    listed = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    for name in listed:
        if PROJECT in name:
            docker("rmi", "--force", name)


def test_an_image_is_pushed_and_known_by_its_digest(built: Path, registry: str) -> None:
    ended = deployer("image", "push", "half_plus_two:1", "--tag", f"{registry}/{REPOSITORY}", "--json", cwd=built)
    assert ended.code == 0, ended.err
    pushed = ended.json
    schemas.check("image push", pushed)
    assert pushed["image"] == f"{registry}/{REPOSITORY}:1"
    assert pushed["reference"] == f"{registry}/{REPOSITORY}@{pushed['digest']}"
    assert f"pushing {pushed['image']}" in ended.err
    head = requests.head(
        f"http://{registry}/v2/{REPOSITORY}/manifests/1",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
        timeout=60,
    )
    assert head.headers["Docker-Content-Digest"] == pushed["digest"]
    docker("rmi", pushed["image"], DEFAULT)
    docker("pull", "--quiet", pushed["reference"])
    assert docker("image", "inspect", "--format", "{{.Id}}", pushed["reference"]) == pushed["id"]
    docker("rmi", pushed["reference"])


def test_a_second_push_and_a_push_by_name_give_the_same_digest(built: Path, registry: str) -> None:
    first, second = (
        deployer("image", "push", *target, cwd=built)
        for target in (("half_plus_two:1", "--tag", f"{registry}/{REPOSITORY}:2"), (f"{registry}/{REPOSITORY}:2",))
    )
    assert first.code == second.code == 0, first.err + second.err
    assert first.out == second.out
    rebuilt = deployer("image", "build", "half_plus_two:1", "--skip-gate", "--json", cwd=built)
    assert rebuilt.json["digests"] == [first.out.strip()]


def test_the_repository_of_the_settings_is_pushed_to(built: Path, registry: str) -> None:
    (built / "deployer.toml").write_text(
        f'[models.half_plus_two]\nversions = [1]\n[image]\nrepository = "{registry}/{REPOSITORY}"\n'
    )
    refused(deployer("image", "push", cwd=built), 6, "deployer image build", f"{registry}/{REPOSITORY}:1")
    assert deployer("image", "build", "--skip-gate", "-q", cwd=built).out == f"{registry}/{REPOSITORY}:1\n"
    ended = deployer("image", "push", "-q", cwd=built)
    assert ended.out.startswith(f"{registry}/{REPOSITORY}@sha256:")


def test_a_closed_registry_gets_the_credentials_of_docker_login(built: Path, closed: str, docker_config: Path) -> None:
    docker_config.write_text(json.dumps({"credHelpers": {closed: "fake"}, "credsStore": "missing"}))
    credential_helper(docker_config, f"echo '{json.dumps({'Username': USER, 'Secret': PASSWORD})}'")
    ended = deployer("image", "push", "half_plus_two:1", "--tag", f"{closed}/{REPOSITORY}", cwd=built)
    assert ended.code == 0, ended.err
    assert PASSWORD not in ended.err + ended.out


@pytest.mark.parametrize(
    "case",
    [
        ({}, "", "docker login"),
        ({"credsStore": "missing"}, "", "install docker-credential-missing"),
        ({"credsStore": "fake"}, "echo the keychain is locked >&2; exit 1", "the keychain is locked"),
        ({"credsStore": "fake"}, """echo '{"Username": "me", "Secret": "wrong"}'""", "docker login"),
    ],
)  # fmt: skip
def test_credentials_that_fail_are_reported(built: Path, closed: str, docker_config: Path, case) -> None:
    raw, script, says = case
    docker_config.write_text(json.dumps(raw))
    credential_helper(docker_config, script)
    ended = deployer("image", "push", "half_plus_two:1", "--tag", f"{closed}/{REPOSITORY}:1", cwd=built)
    refused(ended, 6, f"pushing {closed}/{REPOSITORY}:1 to {closed}", says)


def test_a_registry_that_is_not_there_is_tried_again_and_reported(built: Path) -> None:
    host = f"127.0.0.1:{free_port()}"
    ended = deployer("image", "push", "half_plus_two:1", "--tag", f"{host}/{REPOSITORY}", cwd=built)
    refused(ended, 6, f"pushing {host}/{REPOSITORY}:1 to {host} failed: ", "trying again in", f"does not reach {host}")


def test_a_registry_that_does_not_answer_is_given_as_long_as_was_said(built: Path, monkeypatch) -> None:
    monkeypatch.setenv("DEPLOYER_DOCKER_PULL_SECONDS", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        ended = deployer("image", "push", "half_plus_two:1", "--tag", f"{host}/{REPOSITORY}", cwd=built)
    refused(ended, 6, f"to {host} took more than 2 s", "docker.pull_seconds")


def test_a_certificate_that_the_engine_does_not_trust_is_reported(built: Path, tmp_path: Path) -> None:
    subnet = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
    host = str(ipaddress.ip_network(subnet)[1])  # an address of this machine that is not on the loopback
    for name in ("tls", "data"):
        (tmp_path / name).mkdir()
    key, certificate = tmp_path / "tls" / "key.pem", tmp_path / "tls" / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={host}",
         "-addext", f"subjectAltName=IP:{host}", "-keyout", key, "-out", certificate],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    http = f', tls: {{ certificate: "{certificate}", key: "{key}" }}'
    with running(tmp_path / "tls", free_port(), tmp_path / "data", host=host, http=http) as address:
        ended = deployer("image", "push", "half_plus_two:1", "--tag", f"{address}/{REPOSITORY}", cwd=built)
    refused(
        ended, 6, f"pushing {address}/{REPOSITORY}:1 to {address} failed: ", f"/etc/docker/certs.d/{address}/ca.crt"
    )


def test_what_is_no_image_with_models_is_refused(built: Path, gateway_image: str) -> None:
    refused(deployer("image", "push", gateway_image, cwd=built), 6, "deployer.contents.models")
    refused(deployer("image", "push", "nowhere/half:1", cwd=built), 6, "nowhere/half:1")
    refused(deployer("image", "push", "half_plus_two:7", cwd=built), 4, "has no version 7")
    refused(deployer("image", "push", f"a/b@sha256:{'0' * 64}", cwd=built), 2, "--tag")
