"""`image build` and `image push` where no engine answers, or where nothing could be built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version of another tool, which has no golden answers; the engine that is named does not exist."""
    shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / "half_plus_two" / "1")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    return tmp_path


def test_a_version_that_cannot_be_verified_is_refused_before_the_engine_is_asked(project: Path) -> None:
    ended = in_process("image", "build", "half_plus_two", cwd=project)
    assert ended.code == 8
    assert "--skip-gate" in ended.err


@pytest.mark.parametrize(
    "arguments", [("build", "half_plus_two", "--skip-gate"), ("push", "half_plus_two"), ("push", "a/b:1")]
)
def test_an_engine_that_does_not_answer_is_reported(project: Path, arguments: tuple[str, ...]) -> None:
    ended = in_process("image", *arguments, "--json", cwd=project)
    assert ended.code == 6
    assert "/nowhere.sock" in ended.json["error"]["message"]


def test_the_embedded_engine_does_not_matter(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYER_ENGINE", "embedded")
    assert in_process("image", "build", "half_plus_two", "--skip-gate", cwd=project).code == 6


def test_a_file_that_only_its_owner_may_read_is_not_put_into_an_image(project: Path) -> None:
    closed = project / "models/half_plus_two/1/saved_model.pb"
    closed.chmod(0o600)
    ended = in_process("image", "build", "half_plus_two", "--skip-gate", cwd=project)
    assert ended.code == 4
    assert str(closed.name) in ended.err


def test_a_repository_that_is_none_is_refused(project: Path) -> None:
    (project / "deployer.toml").write_text('[models.half_plus_two]\n[image]\nrepository = "Team/half:1"\n')
    ended = in_process("image", "build", cwd=project)
    assert ended.code == 3
    assert "image.repository" in ended.err
