"""The commands that `status` suggests for a deployment that serves: they leave its versions and labels as they are."""

from __future__ import annotations

import dataclasses
import re

import pytest
from support.memory.project import NAME, Project

import deployer
from deployer.results.deployment import Gateway
from deployer.results.launch import NamedImage
from deployer.rollout import restart
from deployer.rollout.workspace import open_workspace


def close_gateway(project: Project) -> None:
    """Put a gateway in front of the server that no client has a token for."""
    (running,) = project.platform.all()
    (project.directory / "token").write_text("token")
    gateway = Gateway("", running=True, token=project.directory / "token", guarded=True, closed=True)
    running.seen = dataclasses.replace(running.seen, gateway=gateway)


def warning(project: Project) -> str:
    (status,) = deployer.status(settings=project.settings())
    return status.warning


def test_the_command_that_brings_a_token_to_the_gateway_names_the_version_that_serves(serving):
    close_gateway(serving)
    assert re.search(rf"deployer up {NAME}:1( --\S+ \S+)* brings it there", warning(serving))


def test_labels_of_a_running_deployment_are_kept_by_a_rollback_to_its_release(serving):
    serving.label(live=1)
    close_gateway(serving)
    assert re.search(rf"deployer rollback {NAME}( --\S+ \S+)* --to 2 brings it there", warning(serving))


@pytest.mark.parametrize("ended", [True, False])
def test_up_keeps_the_labels_of_a_stopped_deployment_alone(serving, ended):
    serving.label(live=1)
    if ended:
        serving.end_servers()
    hint = restart.restart_hint(open_workspace(serving.settings()), serving.observed())
    assert ("deployer up" in hint, "deployer rollback" in hint) == (ended, not ended)


def test_the_command_after_a_moved_tag_names_the_version_that_serves(serving, monkeypatch):
    (running,) = serving.platform.all()
    running.seen = dataclasses.replace(running.seen, image_name="server:1", image_id="sha256:1")
    moved = {"server:1": NamedImage("server:1", "sha256:2")}
    monkeypatch.setattr("support.memory.engine.MemoryImages.find", lambda *_: moved)
    assert re.search(rf"deployer up {NAME}:1( --\S+ \S+)* would replace the server", warning(serving))
