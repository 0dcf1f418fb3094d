"""A deployment of several models: what a command is about, and what it does to the other models."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.cli import Ended, in_process
from support.files import copy_model

TOML = """
name = "pair"
[server]
rest_port = 0
grpc_port = 0
[models.a]
source = "a"
[models.b]
source = "b"
"""

MADE = """
import tensorflow as tf

@tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
def model(x):
    return {"y": 2.0 * x}
"""


@pytest.fixture
def pair(empty_project: Path) -> Path:
    """Two models with sources of their own."""
    copy_model(empty_project / "a", version=1)
    copy_model(empty_project / "b", version=1)
    (empty_project / "deployer.toml").write_text(TOML)
    return empty_project


def run(directory: Path, *arguments: str, code: int = 0) -> Ended:
    ended = in_process(*arguments, "--json", cwd=directory)
    assert ended.code == code, ended.err + ended.out
    return ended


def change(source: Path, version: int) -> None:
    """Replace a source by another version of the model."""
    shutil.rmtree(source)
    copy_model(source, version=version)


def versions(result: Any) -> dict[str, list[int]]:
    return {model["name"]: model["versions"] for model in result["models"]}


def about(result: Any, *words: str) -> list[str]:
    return [notice for notice in result["notices"] if all(word in notice for word in words)]


@pytest.mark.parametrize("option", [("--version", "5"), ("--force",)], ids=["version", "force"])
def test_options_for_an_export_are_for_the_model_that_is_named(pair, option):
    run(pair, "up")
    planned = run(pair, "plan", "./a", *option)
    result = run(pair, "up", "./a", *option).json
    new = 5 if option[0] == "--version" else 2
    assert versions(planned.json) == versions(result) == {"a": [new], "b": [1]}
    stored = [(each["name"], each["version"]) for each in run(pair, "versions").json["models"]]
    assert stored == [("a", 1), ("a", new), ("b", 1)]


def test_a_model_that_changes_along_with_the_named_one_is_said(pair):
    created = run(pair, "up", "./a").json
    assert len(about(created, "b:1", "too")) == 1
    assert not about(run(pair, "up", "./a").json, "too")
    change(pair / "b", 2)
    for result in (run(pair, "plan", "./a", "--version", "5").json, run(pair, "up", "./a", "--version", "5").json):
        assert versions(result) == {"a": [5], "b": [2]}
        (said,) = about(result, "too")
        assert "b:1 becomes b:2" in said
    assert not about(run(pair, "up").json, "too")


def test_force_without_a_target_is_for_all_models(pair):
    run(pair, "up")
    assert versions(run(pair, "up", "--force").json) == {"a": [2], "b": [2]}


@pytest.mark.parametrize("verb", ["plan", "up"])
def test_a_version_that_exists_is_refused_by_plan_as_by_up(pair, verb):
    run(pair, "up")
    error = in_process(verb, "./a", "--version", "1", "--json", cwd=pair)
    assert (error.code, "version 1 of model a" in error.err + error.out) == (4, True), error.out


def test_a_source_with_the_content_of_an_older_version_is_said_to_go_back(pair):
    run(pair, "up")
    change(pair / "a", 2)
    run(pair, "up")
    change(pair / "a", 1)
    for result in (run(pair, "plan", "./a").json, run(pair, "plan").json, run(pair, "up").json):
        assert versions(result) == {"a": [1], "b": [1]}
        (said,) = about(result, "nothing is exported")
        assert all(text in said for text in ("a:1", "from 2 to 1", "--force"))
    assert not about(run(pair, "up").json, "nothing is exported")
    run(pair, "down")
    (said,) = about(run(pair, "up").json, "nothing is exported")
    assert "a:2 is not deployed" in said
    change(pair / "a", 2)
    (said,) = about(run(pair, "up").json, "nothing is exported")
    assert "from 1 to 2" in said


@pytest.mark.parametrize("version", [1, 2])
def test_a_source_with_the_content_of_one_of_several_served_versions_is_said_to_become_it(pair, version):
    run(pair, "up")
    change(pair / "a", 2)
    run(pair, "export", "./a")
    run(pair, "label", "pair", "--model", "a", f"stable={3 - version}", f"canary={version}")
    change(pair / "a", version)
    for result in (run(pair, "plan").json, run(pair, "up").json):
        (said,) = about(result, "nothing is exported")
        assert (" from " in said, f"becomes a:{version}" in said) == (False, True)


def test_a_new_version_directory_with_known_content_is_said_not_to_be_exported(pair):
    base = pair / "base"
    copy_model(base / "1", version=1)
    run(pair, "up", "./base", "--name", "c")
    copy_model(base / "5", version=1)
    for command in ("plan", "up"):
        (said,) = about(run(pair, command, "./base", "--name", "c").json, "base/5", "c:1")
        assert "--force exports it as c:5" in said
    run(pair, "down", "c")


def test_a_version_that_is_exported_and_not_listed_is_said(pair):
    run(pair, "up")
    (pair / "deployer.toml").write_text(f"{TOML}[env.prod]\nmodels.a.versions = [1]\n")
    change(pair / "a", 2)
    for result in (run(pair, "plan", "--env", "prod").json, run(pair, "up", "--env", "prod").json):
        assert versions(result) == {"a": [1], "b": [1]}
        (said,) = about(result, "not deployed")
        assert all(text in said for text in ("a:2", "models.a.versions = [1]"))
    assert not about(run(pair, "up", "--env", "prod").json, "not deployed")


def test_export_takes_the_options_that_the_file_lists_for_the_model(pair):
    toml = pair / "deployer.toml"
    toml.write_text(TOML.replace('source = "a"', 'source = "a"\nwarmup = true'))
    made = run(pair, "export", "./a").json["model"]
    assert (made["version"], made["golden"]["warmup"] > 0) == (1, True)
    assert versions(run(pair, "up").json) == {"a": [1], "b": [1]}
    other = run(pair, "export", "./a", "--no-warmup").json["model"]
    assert (other["version"], other["golden"]["warmup"]) == (2, 0)
    assert run(pair, "export", "./a", "--name", "c").json["model"]["golden"]["warmup"] == 0


@pytest.mark.parametrize("verb", ["plan", "up"])
def test_a_missing_source_of_another_model_is_named_with_its_key(pair, verb):
    shutil.rmtree(pair / "b")
    for target, named in (((), True), (("./a",), True), (("./b",), False)):
        error = run(pair, verb, *target, code=4).json["error"]
        assert ("models.b.source" in (error["hint"] or "")) is named


def test_rollback_of_one_model_is_answered_with_the_redeploy_of_it(pair):
    run(pair, "up")
    change(pair / "a", 2)
    run(pair, "up")
    hint = run(pair, "rollback", "a", code=10).json["error"]["hint"]
    typed = re.search(r"deployer (redeploy [^;]*?) goes back", hint)
    assert typed
    assert versions(run(pair, *shlex.split(typed[1])).json) == {"a": [1], "b": [1]}


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "deployed"])
def test_a_deployment_in_the_place_of_a_model_is_answered_with_its_models(pair, listed):
    if not listed:
        run(pair, "up")
        (pair / "deployer.toml").write_text("")
    for verb in (("up",), ("plan",), ("render",), ("render", "compose"), ("versions",), ("inspect",), ("diff",)):
        numbers = ("1", "2") if verb == ("diff",) else ()
        hint = run(pair, *verb, "pair", *numbers, code=4).json["error"]["hint"]
        assert "pair is a deployment, and its models are a, b" in hint
        commands = re.findall(r"deployer ([^;]*?) (?:is )?for ", hint)
        assert len(commands) == 1 + (listed and verb[0] in ("up", "plan", "render")), hint
        for command in commands if not listed and verb != ("diff",) else ():
            run(pair, *shlex.split(command))


def test_a_plan_does_not_say_that_another_model_changes_where_only_an_export_tells(pair):
    (pair / "made.py").write_text(MADE)
    toml = pair / "deployer.toml"
    toml.write_text(TOML.replace('source = "b"', 'source = "made.py:model"'))
    run(pair, "up")
    planned = run(pair, "plan", "./a").json
    assert versions(planned) == {"a": [1], "b": [2]}
    assert not about(planned, "too")
    result = run(pair, "up", "./a").json
    assert versions(result) == {"a": [1], "b": [1]}
    assert not about(result, "too")
