"""A directory that an earlier render has written: files that are no longer written are named, whatever the form."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS

BASE = """
[models.half_plus_two]
[kubernetes]
name = "half"
models_claim = "models"
replicas = 2
"""
PATCH = "overlays/staging/deployment-half-patch.yaml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / "half_plus_two" / "1")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    return tmp_path


def render(project: Path, document: str, form: str = "k8s") -> list[str]:
    """Render into `out`; the notices about what is left there."""
    (project / "deployer.toml").write_text(document)
    ended = in_process("render", form, "--out", "out", "--force", "--json", cwd=project)
    assert ended.code == 0, ended.err
    return [each for each in ended.json["notices"] if "earlier render" in each]


def overlay(env: str, settings: str) -> str:
    return f"[env.{env}.kubernetes]\nnamespace = '{env}'\n{settings}\n"


@pytest.mark.parametrize("form", ["k8s", "kserve"])
def test_the_overlay_of_an_environment_that_is_gone_is_named(project, form):
    both = BASE + overlay("staging", "replicas = 1") + overlay("production", "replicas = 3")
    assert render(project, both, form) == []
    (noted,) = render(project, BASE + overlay("staging", "replicas = 1"), form)
    assert "out/overlays/production" in noted
    assert "staging" not in noted
    assert (project / "out/overlays/production/kustomization.yaml").is_file()
    shutil.rmtree(project / "out/overlays/production")
    assert render(project, BASE + overlay("staging", "replicas = 1"), form) == []


def test_patches_and_objects_that_are_no_longer_written_are_named(project):
    render(project, BASE + "host = 'a.example'\n" + overlay("staging", "replicas = 1"))
    (noted,) = render(project, BASE + overlay("staging", ""))
    assert f"out/{PATCH}" in noted
    assert "out/base/ingress.yaml" in noted
    assert "kustomization" not in noted


def test_files_of_the_user_are_not_named(project):
    render(project, BASE)
    own = project / "out/overlays/own/kustomization.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("resources: [../staging]\n")
    (project / "out/base/README").write_bytes(b"\xff")
    assert render(project, BASE) == []


@pytest.mark.parametrize(
    ("form", "where"), [("config", "out"), ("compose", "out/config"), ("docker-run", "out/config")]
)
def test_a_config_file_that_is_no_longer_written_is_named(project, form, where):
    assert render(project, f"{BASE}[batching]\n[monitoring]\n", form) == []
    (noted,) = render(project, BASE, form)
    assert f"{where}/batching_parameters.config" in noted
    assert f"{where}/monitoring.config" in noted


def test_a_terminal_shows_it(project):
    render(project, BASE + overlay("staging", "replicas = 1"))
    (project / "deployer.toml").write_text(BASE)
    assert "out/overlays/staging" in in_process("render", "k8s", "--out", "out", "--force", cwd=project).err
