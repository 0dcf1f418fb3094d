"""What `deployer doctor` tells of a real engine, its image, and what containers see of the store."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import ANY_PORTS
from support.containers import PROJECT, docker
from support.deploying import NAME, deployer, up

from deployer.engines.docker import probe

OURS = f"{PROJECT}-doctor"


def findings(project: Path, code: int = 0) -> list[dict[str, Any]]:
    ended = deployer("doctor", "--json", cwd=project)
    assert ended.code == code, ended.out + ended.err
    return ended.json["findings"]


def told(found: list[dict[str, Any]], check: str, severity: str, text: str) -> dict[str, Any]:
    """The finding; a remedy goes with each that is not fine."""
    (one,) = [
        each for each in found if (each["check"], each["severity"]) == (check, severity) and text in each["message"]
    ]
    assert bool(one["remedy"]) == (severity != "ok")
    return one


def probes() -> list[str]:
    """The names of the containers that doctor starts, running or not."""
    return docker("ps", "-a", "--format", "{{.Names}}", "--filter", f"label={OURS}").split()


@pytest.fixture(autouse=True)
def _nothing_is_left(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The containers have a label of this process: others run doctor now, and theirs must stay."""
    monkeypatch.setattr(probe, "PROBE_LABEL", OURS)
    yield
    assert probes() == []


def test_all_is_well(project, server_image):
    found = findings(project)
    told(found, "docker engine", "ok", docker("version", "--format", "{{.Server.Version}}"))
    told(found, "image", "ok", f"the engine has {server_image}")
    told(found, "image", "ok", "is as new as every model's")
    told(found, "models directory", "ok", "containers see ")


def test_an_image_that_is_missing_is_reported_and_not_pulled(project, monkeypatch):
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", "deployer.invalid/none:1")
    one = told(findings(project), "image", "warning", "the engine does not have deployer.invalid/none:1")
    assert one["remedy"] == "docker pull deployer.invalid/none:1"


def test_the_image_that_a_deployment_keeps_is_checked(project, server_image, monkeypatch):
    """`up` keeps an image that an option gave, and so doctor does not check the default one."""
    monkeypatch.delenv("DEPLOYER_DOCKER_IMAGE")
    told(findings(project), "image", "warning", "the engine does not have")
    assert deployer("up", "half_plus_two", *ANY_PORTS, "--image", server_image, cwd=project).code == 0
    told(findings(project), "image", "ok", f"the engine has {server_image}")


def test_gpus_and_cpus_that_the_machine_lacks_are_reported(project, server_image, monkeypatch):
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", docker("image", "inspect", "--format", "{{.Id}}", server_image))
    monkeypatch.setenv("DEPLOYER_DOCKER_GPUS", "1")
    monkeypatch.setenv("DEPLOYER_DOCKER_CPUS", "100000")
    found = findings(project, 6)
    told(found, "docker engine", "error", "no GPU runtime")
    told(found, "docker engine", "error", "docker.cpus is 100000")


def test_a_memory_limit_is_held_against_the_largest_model(project, monkeypatch):
    monkeypatch.setenv("DEPLOYER_DOCKER_MEMORY", "40m")
    assert "raise docker.memory" in told(findings(project), "memory", "warning", "docker.memory is 0.04 GiB")["remedy"]
    monkeypatch.setenv("DEPLOYER_DOCKER_MEMORY", "2G")
    told(findings(project), "memory", "ok", "docker.memory is 2.00 GiB")


def test_a_version_that_containers_cannot_read_is_reported(project):
    version = project / "models" / "text" / "1"
    (version / "saved_model.pb").chmod(0o600)
    one = told(findings(project, 6), "models directory", "error", "a container does not see text:1 below")
    assert "chmod -R a+rX models/text/1" in one["remedy"]


def test_a_model_of_a_newer_tensorflow_than_the_images_is_reported(project):
    manifest = project / "models" / "text" / "1" / "assets.extra" / "manifest.json"
    document = json.loads(manifest.read_text())
    document["info"]["tensorflow"] = "2.99.0"
    manifest.write_text(json.dumps(document))
    found = findings(project)
    told(found, "image", "warning", "text:1 was written by TensorFlow 2.99.0, and ")


def test_what_a_killed_doctor_left_is_taken_away_once_it_is_old(project, server_image, monkeypatch):
    docker("create", "--label", f"{OURS}=true", "--name", OURS, server_image)
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)  # the age is told by the engine's clock
    findings(project)
    assert probes() == [OURS]
    monkeypatch.setattr(probe, "STALE_SECONDS", -60)
    findings(project)
    assert probes() == []


def test_a_server_that_is_down_and_a_version_that_is_gone_are_reported(quick):
    up(quick, "half_plus_two:1", *ANY_PORTS)
    shutil.rmtree(quick / "models" / "half_plus_two" / "1")
    told(findings(quick, 6), "deployments", "error", "serves half_plus_two:1, which is no longer in")
    docker("kill", NAME)
    told(findings(quick, 6), "deployments", "error", "half_plus_two [local] is not running")
