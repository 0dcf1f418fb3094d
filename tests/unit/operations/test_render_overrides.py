"""`render` names the variables and options that override the file, in the words of `up`, whatever the form."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS

DOCUMENT = """
project = "shop"
models_dir = "models"
[models.half_plus_two]
[docker]
image = "tensorflow/serving:2.19.1"
[kubernetes]
name = "half"
models_claim = "models"
replicas = 2
[env.staging.kubernetes]
namespace = "staging"
replicas = 1
[env.production.docker]
image = "tensorflow/serving:2.20.0"
"""
IMAGE = "DEPLOYER_DOCKER_IMAGE"
REPLICAS = "DEPLOYER_KUBERNETES_REPLICAS"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for root in ("models", "others"):
        shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / root / "half_plus_two" / "1")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    (tmp_path / "deployer.toml").write_text(DOCUMENT)
    return tmp_path


def notices(project: Path, *arguments: str) -> list[str]:
    """The notices about what the file says."""
    ended = in_process("render", *arguments, "--json", cwd=project)
    assert ended.code == 0, ended.err
    return [each for each in ended.json["notices"] if each.startswith("deployer.toml says")]


@pytest.mark.parametrize("form", ["compose", "docker-run", "dockerfile", "k8s", "kserve"])
def test_a_variable_is_named_in_each_form(project, form, monkeypatch):
    assert notices(project, form) == []
    monkeypatch.setenv(IMAGE, "tensorflow/serving:2.18.0")
    (noted,) = notices(project, form)
    assert "docker.image = tensorflow/serving:2.19.1" in noted
    assert IMAGE in noted
    (noted,) = notices(project, form, "--env", "production")
    assert "env.production.docker.image = tensorflow/serving:2.20.0" in noted


def test_an_option_is_named(project):
    (noted,) = notices(project, "config", "--models-dir", "others")
    assert "models_dir = models" in noted
    assert "--models-dir" in noted
    (noted,) = notices(project, "compose", "--project", "store")
    assert "project = shop" in noted
    assert "--project" in noted


def test_the_same_value_or_one_without_an_effect_on_the_form_is_not_noted(project, monkeypatch):
    monkeypatch.setenv(IMAGE, "tensorflow/serving:2.19.1")
    monkeypatch.setenv(REPLICAS, "7")
    monkeypatch.setenv("DEPLOYER_MODELS_DIR", "models")
    assert notices(project, "compose") == notices(project, "config") == []


@pytest.mark.parametrize("form", ["k8s", "kserve"])
def test_a_directory_says_what_the_base_and_all_overlays_have(project, form, monkeypatch):
    assert notices(project, form, "--out", "a") == []
    monkeypatch.setenv(REPLICAS, "7")
    monkeypatch.setenv(IMAGE, "tensorflow/serving:2.20.0")
    replicas, image = sorted(notices(project, form, "--out", "b"), key=lambda each: "image" in each)
    for text in ("kubernetes.replicas = 2", "env.staging.kubernetes.replicas = 1", REPLICAS, " 7", "overlay", "base"):
        assert text in replicas
    assert "docker.image = tensorflow/serving:2.19.1" in image
    assert "env.production" not in image  # it has that value
    (project / "deployer.toml").write_text(DOCUMENT.partition("[env")[0])
    assert all("overlay" not in each for each in notices(project, form, "--out", "c"))
