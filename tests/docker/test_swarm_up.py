"""The command line on a Swarm of three nodes: images are built of the store, pushed, deployed, changed and scaled."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from support import schemas
from support.cli import ANY_PORTS, command
from support.cluster import Cluster, Node
from support.containers import PROJECT
from support.deploying import ask, deployer, refused, up
from support.swarm import clients
from support.traffic import traffic
from support.world import MODELS, eventually
from urllib3.util import Retry

pytestmark = pytest.mark.timeout(1800)
NAME = "half_plus_two"
ENOUGH = 300
GATEWAYS = "label=deployer.role=gateway"


@pytest.fixture
def swarm(project: Path, cluster: Cluster, gateway_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project, whose deployments run on the cluster; they and their images are removed at the end."""
    with monkeypatch.context() as variables:
        variables.setenv("DOCKER_HOST", cluster.nodes[0].socket)
        variables.setenv("DEPLOYER_ENGINE", "swarm")
        variables.setenv("DEPLOYER_GATEWAY_IMAGE", gateway_image)
        variables.setenv("DEPLOYER_IMAGE_REPOSITORY", f"{cluster.registry}/{PROJECT}/half")
        variables.setenv("DEPLOYER_SWARM_DRAIN_SECONDS", "1")
        variables.setenv("DEPLOYER_SWARM_MONITOR_SECONDS", "1")
        yield project
        assert deployer("down", "--all", "-q", cwd=project).code in (0, 10)
    for node in cluster.nodes:
        eventually(
            partial(without_images, node, f"{cluster.registry}/{PROJECT}/half"), f"images are left on {node.name}"
        )


def without_images(node: Node, repository: str) -> bool:
    """Remove the images of a repository from a node; whether none is left. A server that still drains keeps its own."""
    for image in set(node.docker("images", "-q", repository).split()):
        with contextlib.suppress(AssertionError):
            node.docker("rmi", "--force", image)
    return not node.docker("images", "-q", repository)


def changed(project: Path, *arguments: str) -> Any:
    ended = deployer(*arguments, "--json", cwd=project)
    assert ended.code == 0, ended.err
    schemas.check(arguments[0], ended.json)
    return ended.json


def kinds(plan: dict[str, Any]) -> list[str]:
    return [step["kind"] for step in plan["steps"]]


def status(project: Path) -> dict[str, Any]:
    (found,) = changed(project, "status")["deployments"]
    assert found["healthy"], found
    return found["deployment"]


def services(cluster: Cluster) -> list[str]:
    return cluster.nodes[0].docker("service", "ls", "-q", "--filter", f"label=deployer.project={PROJECT}").split()


def test_versions_of_the_store_are_built_pushed_and_served_by_several_nodes(swarm: Path, cluster: Cluster) -> None:
    planned = changed(swarm, "plan", f"{NAME}:1", "--replicas", "2", *ANY_PORTS)
    steps = [kind for kind in kinds(planned["plan"]) if kind != "build_image"]  # an earlier run may have left the image
    assert steps[:2] == ["push_image", "start_candidate"]
    first = up(swarm, f"{NAME}:1", "--replicas", "2", "--expect", planned["plan"]["digest"], *ANY_PORTS)
    assert (first["plan"]["change"], ask(first["endpoints"], 2.0)) == ("create", 3.0)
    deployed = status(swarm)
    assert deployed["image_name"].startswith(f"{cluster.registry}/{PROJECT}/half@sha256:")
    assert (deployed["replicas"], sum(node["replicas"] for node in deployed["nodes"])) == (2, 2)
    for node in deployed["nodes"]:
        assert ask(node["endpoints"], 2.0) == 3.0

    again = up(swarm, f"{NAME}:1")
    assert (again["plan"]["change"], status(swarm)["release"]) == ("nothing", deployed["release"])
    refused(deployer("scale", NAME, "3", "--engine", "docker", cwd=swarm), 10, f"{NAME} is on swarm: --engine swarm")
    scaled = changed(swarm, "scale", NAME, "3")
    assert (scaled["plan"]["change"], status(swarm)["replicas"]) == ("scale", 3)
    assert status(swarm)["release"] == deployed["release"]

    newest = changed(swarm, "redeploy", "--version", "2", "--measure", "20", "--max-failures", "0")
    assert (newest["plan"]["change"], newest["traffic"]["failures"]) == ("replace", 0)
    served = status(swarm)
    assert (ask(newest["endpoints"], 2.0), served["replicas"]) == (4.0, 3)
    back = changed(swarm, "rollback", "--measure", "20", "--max-failures", "0")
    assert (ask(back["endpoints"], 2.0), status(swarm)["image_name"]) == (3.0, deployed["image_name"])
    assert kinds(changed(swarm, "plan", f"{NAME}:2")["plan"])[0] == "start_candidate"  # the registry has its image
    shutil.rmtree(swarm / "models")
    by_digest = up(swarm, served["image_name"])
    assert (by_digest["plan"]["change"], ask(by_digest["endpoints"], 2.0)) == ("replace", 4.0)
    assert by_digest["report"]["ok"]
    releases = changed(swarm, "history")["releases"]
    assert [each["change"] for each in releases] == ["replace", "replace", "replace", "scale", "create"]
    assert changed(swarm, "down")["name"] == NAME
    assert services(cluster) == []


def test_clients_of_three_nodes_notice_no_change(swarm: Path, cluster: Cluster) -> None:
    up(swarm, f"{NAME}:1", "--replicas", "3", *ANY_PORTS)
    assert deployer("export", str(MODELS / "several/1"), "--name", NAME, "--force", "-q", cwd=swarm).code == 0
    places = [node["endpoints"] for node in status(swarm)["nodes"]]
    assert len(places) == len(cluster.nodes)
    began = time.monotonic()
    with traffic({}, clients=clients(places) * 2) as seen:
        seen.enough(ENOUGH)
        changed(swarm, "redeploy", "--version", "2")
        refused(deployer("redeploy", "--version", "4", cwd=swarm), 8)  # it breaks clients
        assert changed(swarm, "scale", NAME, "4")["plan"]["change"] == "scale"
        changed(swarm, "scale", NAME, "2")
        changed(swarm, "rollback")
        before = seen.answers[4.0]
        seen.enough(ENOUGH)
        assert seen.answers[4.0] == before
    seen.check({3.0, 4.0}, 2 * ENOUGH)
    print(f"{seen.count} requests, {seen.count / (time.monotonic() - began):.0f} a second, none failed")


def test_a_gateway_that_somebody_removed_is_gone_and_up_starts_another(swarm: Path, cluster: Cluster) -> None:
    up(swarm, f"{NAME}:1", *ANY_PORTS)
    cluster.nodes[0].docker("service", "rm", gateway_service(cluster)["ID"])
    shown = deployer("status", cwd=swarm)
    assert "its gateway is not running: deployer up" in shown.out + shown.err
    for untrue in ("reachable from other machines", "cannot be reached"):
        assert untrue not in shown.out + shown.err
    planned = deployer("plan", f"{NAME}:1", cwd=swarm)
    assert "the gateway is gone" in planned.out + planned.err
    again = up(swarm, f"{NAME}:1")
    assert (again["plan"]["change"], ask(again["endpoints"], 2.0)) == ("gateway", 3.0)
    assert status(swarm)["gateway"]["running"]


def kill_once(reached: Callable[[], bool], project: Path, *arguments: str) -> None:
    """Start a command, and kill it as soon as something is reached."""
    with (project / "killed.log").open("wb") as log, subprocess.Popen(
        command(*arguments), cwd=project, env=dict(os.environ), stdout=log, stderr=log
    ) as started:  # fmt: skip
        eventually(lambda: reached() or started.poll() is not None, f"{arguments} reaches it", 120)
        started.kill()
    assert started.returncode == -signal.SIGKILL, (project / "killed.log").read_text()


def gateway_service(cluster: Cluster) -> dict[str, Any]:
    node = cluster.nodes[0]
    ids = node.docker("service", "ls", "-q", "--filter", f"label=deployer.project={PROJECT}", "--filter", GATEWAYS)
    return json.loads(node.docker("service", "inspect", *ids.split()))[0]


def answer_to(place: str, token: str) -> int:
    """The status that a gateway answers; one that has just started may not listen yet."""
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=Retry(connect=8, backoff_factor=0.1)))
        url, headers = f"{place}/v1/models/{NAME}", {"Authorization": f"Bearer {token}"}
        return session.get(url, headers=headers, timeout=60).status_code


def test_plans_after_a_kill_say_what_follows_and_a_revoked_token_stays_revoked(swarm: Path, cluster: Cluster) -> None:
    (swarm / "deployer.toml").write_text(f"[gateway]\ntokens = 'known'\n[models.{NAME}]\nversions = [1]\n")
    token = deployer("token", "bob", "--json", cwd=swarm).json["token"]
    place = up(swarm, *ANY_PORTS)["endpoints"]["rest"]
    eventually(lambda: answer_to(place, token) == 200, "bob is let in")
    assert deployer("token", "bob", "--revoke", cwd=swarm).code == 0
    kill_once(lambda: "deployer.gateway_trial" in gateway_service(cluster)["Spec"]["Labels"], swarm, "up", "-q")
    eventually(lambda: gateway_service(cluster)["UpdateStatus"]["State"] == "completed", "Swarm goes on", 120)
    planned = changed(swarm, "plan")["plan"]
    (shown,) = planned["recovery"]
    assert (planned["change"], shown.startswith("complete the killed change of the gateway")) == ("nothing", True)
    before = gateway_service(cluster)["Spec"]["TaskTemplate"]
    assert answer_to(place, token) == 401
    assert any("is completed: its settings are in force now" in note for note in up(swarm)["notices"])
    assert (answer_to(place, token), gateway_service(cluster)["Spec"]["TaskTemplate"]) == (401, before)

    kill_once(lambda: replicas_label(cluster) == "2", swarm, "scale", NAME, "2", "-q")
    planned = changed(swarm, "plan")["plan"]
    assert planned["recovery"][0].startswith("complete the killed change from 1 to 2 servers: ")
    assert any("from 1 to 2 servers is completed: 2 run" in note for note in up(swarm)["notices"])
    assert sum(node["replicas"] for node in status(swarm)["nodes"]) == 2
    assert changed(swarm, "plan")["plan"]["recovery"] == []


def replicas_label(cluster: Cluster) -> str:
    described = cluster.nodes[0].docker("service", "inspect", *services(cluster))
    return next(each["Spec"]["Labels"]["deployer.replicas"] for each in json.loads(described)
                if each["Spec"]["Labels"]["deployer.role"] == "server")  # fmt: skip


def test_nothing_is_built_without_a_registry_or_with_a_wrong_setting(
    swarm: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYER_IMAGE_REPOSITORY", "team/half")
    refused(deployer("up", f"{NAME}:1", cwd=swarm), 3, "image.repository", "3 nodes", "registry.example.com")
    refused(deployer("up", f"{NAME}:1", "--host", "127.0.0.1", cwd=swarm), 3, "server.host", "every address")
    monkeypatch.setenv("DEPLOYER_IMAGE_REPOSITORY", "198.18.0.1:9/half")
    (registry,) = [
        each for each in deployer("doctor", "--json", cwd=swarm).json["findings"] if each["check"] == "registry"
    ]
    assert registry["severity"] == "error", registry
    assert services(cluster) == []


def test_a_plan_that_exports_names_the_image_that_is_pushed_as_far_as_it_is_known(swarm: Path) -> None:
    planned = changed(swarm, "plan", str(MODELS / "half_plus_two" / "1"), "--name", "fresh")
    made = [step["action"] for step in planned["plan"]["steps"] if step["kind"] in {"build_image", "push_image"}]
    assert [f"{PROJECT}/half:1-ID " in action for action in made] == [True, True]
