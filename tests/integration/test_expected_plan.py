"""`up --expect` executes a plan with an export of which only running it tells whether it makes a version."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.cli import Ended, in_process
from support.files import copy_model

CODE = """
import tensorflow as tf

class Scale(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, x):
        return {"y": FACTOR * x}

model = Scale()
"""
TOML = """
name = "both"
[server]
rest_port = 0
grpc_port = 0
[models.code]
source = "code.py:model"
"""


@pytest.fixture
def directory(empty_project: Path) -> Path:
    write(empty_project, "2.0")
    (empty_project / "deployer.toml").write_text(TOML)
    return empty_project


def write(directory: Path, factor: str) -> None:
    (directory / "code.py").write_text(CODE.replace("FACTOR", factor))


def run(directory: Path, *arguments: str) -> Ended:
    return in_process(*arguments, "--skip-gate", "--json", cwd=directory)


def digest(directory: Path) -> str:
    shown = run(directory, "plan")
    assert shown.code == 0, shown.err
    assert shown.json["plan"]["steps"][0]["kind"] == "export"
    return shown.json["plan"]["digest"]


def up(directory: Path) -> tuple[str, dict[str, list[int]]]:
    """What `up` changes when it expects the plan that is shown now, and what is served then."""
    done = run(directory, "up", "--expect", digest(directory))
    assert done.code == 0, done.out
    return done.json["plan"]["change"], {model["name"]: model["versions"] for model in done.json["models"]}


def test_a_plan_is_executed_whether_its_export_makes_a_version_or_finds_one(directory):
    assert up(directory) == ("create", {"code": [1]})
    assert up(directory) == ("nothing", {"code": [1]})
    write(directory, "3.0")
    assert up(directory) == ("reload", {"code": [2]})
    write(directory, "2.0")
    assert up(directory) == ("reload", {"code": [1]})
    assert in_process("down", cwd=directory).code == 0
    assert up(directory) == ("create", {"code": [1]})


def test_an_export_that_finds_its_content_does_not_keep_others_from_being_deployed(directory):
    assert up(directory) == ("create", {"code": [1]})
    copy_model(directory / "trained")
    (directory / "deployer.toml").write_text(f'{TOML}[models.file]\nsource = "trained"\n')
    assert up(directory) == ("reload", {"code": [1], "file": [1]})
    copy_model(directory / "new", version=2)
    (directory / "deployer.toml").write_text(f'{TOML}[models.file]\nsource = "new"\n')
    assert up(directory)[1] == {"code": [1], "file": [2]}


def test_another_plan_is_still_refused(directory):
    assert up(directory) == ("create", {"code": [1]})
    before = digest(directory)
    toml = directory / "deployer.toml"
    toml.write_text(f"{toml.read_text()}labels = {{ stable = 1 }}\n")
    refused = run(directory, "up", "--expect", before)
    assert refused.code != 0
    (status,) = in_process("status", "both", "--json", cwd=directory).json["deployments"]
    assert status["deployment"]["models"][0]["labels"] == []


def test_a_file_of_other_content_is_another_plan(directory):
    copy_model(directory / "trained")
    (directory / "deployer.toml").write_text(TOML.replace("code.py:model", "trained"))
    shown = digest(directory)
    shutil.rmtree(directory / "trained")
    copy_model(directory / "trained", version=2)
    refused = run(directory, "up", "--expect", shown)
    assert "another plan was expected" in refused.json["error"]["message"]
    assert not (directory / "models" / "code").exists()
    assert digest(directory) != shown
    assert up(directory) == ("create", {"code": [1]})
