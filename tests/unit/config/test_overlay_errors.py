"""An error about a value of an overlay names the table `[env.NAME]` that has it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS

from deployer.config import loader
from deployer.errors import ConfigError

WRONG = {
    "server.rest_port": "[env.staging.server]\nrest_port = 99999",
    "server.rest_prot": "[env.staging.server]\nrest_prot = 1",
    "docker.image": '[env.staging.docker]\nimage = "${NONE}"',
    "models.m.labels.stable": "[env.staging.models.m]\nlabels = { stable = 0 }",
    "gateway.max_body": '[env.staging.gateway]\nmax_body = "1x"',
    "engine": '[env.staging]\nengine = "podman"',
}


@pytest.mark.parametrize("key", WRONG)
def test_the_key_is_that_of_the_overlay(tmp_path, key):
    file = tmp_path / "deployer.toml"
    file.write_text(f"[models.m]\n{WRONG[key]}\n")
    with pytest.raises(ConfigError, match=rf"deployer\.toml: env\.staging\.{key}: "):
        loader.load(file, "staging", environ={})
    base = WRONG[key].replace("env.staging.models.m]\n", "models.m]\n").replace("env.staging.", "")
    file.write_text(base.replace("[env.staging]\n", "") + "\n[env.staging]\n")
    with pytest.raises(ConfigError, match=rf"deployer\.toml: {key}: "):
        loader.load(file, "staging", environ={})


@pytest.mark.parametrize("command", ["plan", "render", "render compose", "render k8s", "doctor"])
@pytest.mark.parametrize(("env", "place"), [("staging", "env.staging.models.m.labels"), ("local", "models.m.labels")])
def test_a_label_of_a_version_that_is_not_served(tmp_path: Path, command: str, env: str, place: str):
    shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / "m" / "1")
    overlay = "[env.staging.models.m]\nlabels = { stable = 7 }\n"
    text = "[models.m]\nversions = [1]\n[kubernetes]\nmodels_claim = 'c'\n"
    if env == "local":
        overlay = "[env.staging]\n"
        text = text.replace("[1]\n", "[1]\nlabels = { stable = 7 }\n")
    (tmp_path / "deployer.toml").write_text(text + overlay)
    ended = in_process(*command.split(), "--env", env, cwd=tmp_path)
    assert ended.code in (3, 6)
    assert f" {place}: stable = 7" in ended.err + ended.out, ended.err
