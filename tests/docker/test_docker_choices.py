"""What is chosen for containers: the address that they publish on, and when a bind is of no use any more."""

from __future__ import annotations

import re
import shutil

import pytest
from support.cli import ANY_PORTS
from support.containers import PROJECT, docker, inspect
from support.deploying import NAME, ask, deployer, up
from support.world import free_port


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1"])
def test_a_name_of_loopback_is_published_on_loopback_alone(quick, host):
    up(quick, "half_plus_two:1", "--host", host, *ANY_PORTS)
    published = inspect(NAME)["NetworkSettings"]["Ports"]
    assert {each["HostIp"] for bound in published.values() for each in bound} == {"127.0.0.1"}


def test_a_port_that_a_deployment_or_a_container_has_is_said_by_its_name(quick, server_image):
    port = free_port()
    up(quick, "half_plus_two:1", "--rest-port", str(port), "--grpc-port", "0")
    taken = deployer("up", "text:1", "--rest-port", str(port), "--grpc-port", "0", cwd=quick)
    assert (taken.code, "deployment half_plus_two [local]" in taken.err) == (6, True), taken.err
    (hint,) = [line for line in taken.err.splitlines() if line.startswith("hint: ")]
    command = re.search(r"deployer (status .*) shows the deployment that has it$", hint)
    assert command, hint
    (shown,) = deployer(*command[1].split(), "--json", cwd=quick).json["deployments"]
    assert str(port) in shown["deployment"]["endpoints"]["rest"]
    other = free_port()
    stranger = docker("run", "-d", "--rm", "-p", f"127.0.0.1:{other}:80", "--entrypoint", "sleep", server_image, "300")
    try:
        taken = deployer("up", "text:1", "--rest-port", str(other), "--grpc-port", "0", cwd=quick)
        name = inspect(stranger)["Name"].lstrip("/")
        assert (taken.code, f"container {name}" in taken.err) == (6, True), taken.err
        assert "shows the deployment" not in taken.err
    finally:
        docker("rm", "-f", stranger)


@pytest.mark.parametrize("harm", ["removed", "moved"])
def test_a_store_that_was_removed_and_made_again_is_noticed_and_the_server_replaced(project, harm):
    models, saved = project / "models", project / "saved"
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    shutil.copytree(models, saved)
    if harm == "removed":
        shutil.rmtree(models)
    else:
        models.rename(project / "away")
        shutil.rmtree(project / "away" / "half_plus_two" / "2")
    saved.rename(models)
    planned = deployer("redeploy", "half_plus_two", "--version", "2", "--dry-run", cwd=project)
    assert "REPLACE" in planned.out
    assert str(models) in planned.out
    ended = deployer("redeploy", "half_plus_two", "--version", "2", "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err
    assert (ended.json["plan"]["change"], ended.json["endpoints"]) == ("replace", first["endpoints"])
    assert ask(first["endpoints"], 2.0) == 4.0
    again = deployer("redeploy", "half_plus_two", "--version", "3", "--json", "-q", cwd=project)
    assert (again.code, again.json["plan"]["change"]) == (0, "reload"), again.err


def test_a_config_directory_that_was_removed_is_noticed(quick):
    first = up(quick, "half_plus_two:1", *ANY_PORTS)
    shutil.rmtree(quick / ".deployer")
    again = up(quick, "half_plus_two:1")
    assert (again["plan"]["change"], again["endpoints"]) == ("replace", first["endpoints"])
    assert up(quick, "half_plus_two:1")["plan"]["change"] == "nothing"
    shutil.rmtree(quick / ".deployer")
    moved = deployer("redeploy", "half_plus_two", "--version", "2", "--json", "-q", cwd=quick)
    assert (moved.code, moved.json["plan"]["change"]) == (0, "replace"), moved.err


@pytest.mark.parametrize("arguments", [("down", "half_plus_two"), ("down", "--all")], ids=" ".join)
def test_down_names_the_directory_that_the_deployment_of_the_same_project_came_from(quick, tmp_path, arguments):
    up(quick, "half_plus_two:1", *ANY_PORTS)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ended = deployer(*arguments, "--json", "-q", cwd=elsewhere)
    assert ended.code == 0, ended.err
    result = ended.json.get("deployments", [ended.json])[0]
    assert result["state_dir"] == str(quick / ".deployer")
    assert any(str(quick / ".deployer") in notice for notice in result["notices"])


def test_down_in_its_own_directory_names_none(quick):
    up(quick, "half_plus_two:1", *ANY_PORTS)
    ended = deployer("down", "half_plus_two", "--json", "-q", cwd=quick)
    assert (ended.json["state_dir"], ended.json["notices"]) == (None, [])


@pytest.mark.parametrize("arguments", [("status",), ("status", "--all"), ("down", "--all"), ("smoke",)], ids=" ".join)
def test_what_this_directory_has_under_another_project_is_named(quick, arguments):
    up(quick, "half_plus_two:1", *ANY_PORTS)
    ended = deployer(*arguments, "--project", "another", cwd=quick)
    assert ended.code == (0 if arguments[0] == "status" else 10), ended.err
    assert "--project" in ended.err


def test_a_port_that_the_same_deployment_of_another_project_has_names_that_project(quick):
    port = str(free_port())
    up(quick, "half_plus_two:1", "--rest-port", port, "--grpc-port", "0")
    ended = deployer("up", "half_plus_two:1", "--project", "another", "--rest-port", port, cwd=quick)
    assert (ended.code, "--rest-port 0" in ended.err) == (6, True), ended.err
    assert f"--project {PROJECT}" in ended.err
