"""Which settings of the Docker engine make another server, and which do not."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployer.config.spec import Docker, Server, Spec
from deployer.engines import ENGINES
from deployer.engines.docker import findings, probe, visibility
from deployer.engines.docker.engine import DockerEngine
from deployer.engines.docker.host import DockerHost
from deployer.engines.docker.inspection import EngineInfo
from deployer.errors import EngineError
from deployer.results.launch import Rendered
from deployer.results.served import ServedModel


def engine(**settings) -> DockerEngine:
    return DockerEngine(DockerHost(Path("state"), Path("models"), Docker(**settings)))


@pytest.mark.parametrize("settings", [{"host": "unix:///elsewhere.sock"}, {"pull_seconds": 1.0}])
def test_how_a_container_is_made_makes_no_other_server(settings):
    assert engine(**settings).traits.fingerprint == engine().traits.fingerprint


@pytest.mark.parametrize(
    "settings", [{"image": "a:1"}, {"memory": "1g"}, {"environment": {"A": "1"}}, {"restart": "no"}]
)
def test_what_a_container_is_makes_another_server(settings):
    assert engine(**settings).traits.fingerprint != engine().traits.fingerprint


def test_the_digest_of_a_server_has_no_values_of_variables():
    """It is in a label: a short value could be found by trying."""
    assert engine(environment={"A": "1"}).traits.fingerprint == engine(environment={"A": "2"}).traits.fingerprint


@pytest.mark.parametrize(
    ("memory", "number"),
    [
        (None, None),
        ("7000000", 7_000_000),
        ("7000000b", 7_000_000),
        ("7000k", 7000 << 10),
        ("7M", 7 << 20),
        ("2g", 2 << 30),
    ],
)
def test_a_memory_limit_is_a_number_of_bytes(memory, number):
    assert Docker(memory=memory).memory_bytes == number


def test_an_engines_id_is_its_address():
    assert engine(host="unix:///elsewhere.sock").traits.id == "unix:///elsewhere.sock"


@pytest.mark.parametrize(("flags", "cors"), [({}, False), ({"rest_api_enable_cors_support": True}, True)])
def test_the_gateway_lets_scripts_ask_where_the_server_does(flags, cors):
    spec = dataclasses.replace(Spec(), server=Server(flags=flags))
    assert ENGINES["docker"](spec).host.cors is cors


CONFINED = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=selinux"]}


@pytest.mark.parametrize(
    "info", [{}, {"SecurityOptions": None}, {"SecurityOptions": ["name=apparmor", "name=rootless"]}]
)
def test_without_selinux_no_label_is_asked_for(tmp_path, info):
    assert list(findings.of_selinux(EngineInfo.parse(info), (tmp_path,))) == []


@pytest.mark.parametrize(
    ("label", "severities"),
    [
        (b"system_u:object_r:container_file_t:s0\0", []),
        (b"system_u:object_r:svirt_sandbox_file_t:s0:c1,c2\0", []),
        (b"unconfined_u:object_r:user_home_t:s0\0", ["warning"]),
        (None, ["warning"]),
    ],
)
def test_a_directory_whose_label_keeps_containers_out_is_reported_with_the_command(
    tmp_path, monkeypatch, label, severities
):
    def getxattr(_: object, name: str) -> bytes:
        assert name == "security.selinux"
        if label is None:
            raise OSError("no such attribute")
        return label

    monkeypatch.setattr(os, "getxattr", getxattr, raising=False)
    directory = tmp_path / "of me"
    directory.mkdir()
    found = list(findings.of_selinux(EngineInfo.parse(CONFINED), (directory, tmp_path / "none")))
    assert [each.severity for each in found] == severities
    assert [each.remedy for each in found] == [f"chcon -R -t container_file_t '{directory}'"] * len(severities)


def test_a_server_that_selinux_keeps_out_is_told_so_and_not_to_chmod(tmp_path, monkeypatch):
    (tmp_path / "models" / "m" / "1").mkdir(parents=True)
    for level in (tmp_path / "models").rglob("*"):
        level.chmod(0o755)
    made = DockerEngine(DockerHost(tmp_path / "state", tmp_path / "models", Docker()))
    object.__setattr__(made.host, "client", None)
    monkeypatch.setattr(visibility, "check", lambda *_: None)
    monkeypatch.setattr(probe, "may_read", lambda *_: False)
    container = SimpleNamespace(attrs={"MountLabel": "system_u:object_r:container_file_t:s0:c1,c2"})
    models = (ServedModel("m", (1,)),)
    place = SimpleNamespace(directory=tmp_path / "state")
    launch = SimpleNamespace(models=models, rendered=Rendered({"model_config.config": ""}))
    with pytest.raises(EngineError, match="SELinux") as refused:
        made._check_mounts(container, launch, place)
    assert refused.value.hint == f"chcon -R -t container_file_t {tmp_path / 'models'} {tmp_path / 'state'}"
    container.attrs["MountLabel"] = ""
    made._check_mounts(container, launch, place)
