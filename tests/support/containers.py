"""The Docker command line, for tests that look at an engine behind deployer's back."""

from __future__ import annotations

import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

SECONDS = 120
TESTBED_SECONDS = 600
TESTBED = Path(__file__).parents[2] / "docker" / "testbed" / "testbed.sh"
PROJECT = f"tests-{os.getpid()}"
"""The project of this run's deployments: runs on one engine, at the same time, have nothing to do with one another."""
LABEL = f"label=deployer.project={PROJECT}"
OURS = rf"^/?deployer(.lock)?-{PROJECT}[a-z0-9_-]*\."
OTHERS = re.compile(rf"deployer-tests-(?!{os.getpid()}\D)")
"""The names of what other runs on this engine have made."""


def docker(*arguments: str, seconds: float = SECONDS) -> str:
    """What `docker ARGUMENTS` prints. Fails with its words when it fails."""
    ended = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=seconds, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def build(tag: str, dockerfile: str) -> str:
    """An image made of nothing but its Dockerfile; its tag."""
    made = subprocess.run(
        ["docker", "build", "--quiet", "--network", "none", "--tag", tag, "-"],
        input=dockerfile, capture_output=True, text=True, timeout=SECONDS, check=False,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return tag


def inspect(container: str) -> dict[str, Any]:
    return json.loads(docker("inspect", "--type", "container", container))[0]


def testbed(verb: str) -> str:
    """What the testbed prints: the name of something that it found, or has just made."""
    ended = subprocess.run([str(TESTBED), verb], capture_output=True, text=True, timeout=TESTBED_SECONDS, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@cache
def gateway_image() -> str:
    """HAProxy: the image that DEPLOYER_TEST_GATEWAY_IMAGE names, or the testbed's."""
    return os.environ.get("DEPLOYER_TEST_GATEWAY_IMAGE") or testbed("gateway")


def remove_images(text: str) -> None:
    """Remove what images are named with a text in the repository; an image goes with its last name.

    By name: one on which another image is built stays until that one goes.
    """
    listed = docker("images", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}")
    for repository, tag, digest in (line.split() for line in listed.splitlines()):
        if text in repository:
            docker("rmi", f"{repository}:{tag}" if tag != "<none>" else f"{repository}@{digest}")


def world() -> list[str]:
    """Containers and networks of this run's deployments, and all volumes but those of other runs."""
    api = _engine(os.environ.get("DOCKER_HOST")).api
    listed = {
        "container": api.containers(all=True, filters={"name": OURS}),
        "network": api.networks(filters={"name": OURS}),
    }
    found = [f"{kind} {each['Id'][:12]} {_name(each)}" for kind, there in listed.items() for each in there]
    volumes = [each["Name"] for each in api.volumes()["Volumes"] or ()]
    return sorted((*found, *(f"volume {name}" for name in volumes if not OTHERS.match(name))))


def labelled(label: str) -> tuple[list[str], list[str]]:
    """The names of containers, running or not, and of networks with a label; sorted."""
    api, wanted = _engine(os.environ.get("DOCKER_HOST")).api, {"label": label}
    there = api.containers(all=True, filters=wanted), api.networks(filters=wanted)
    return sorted(map(_name, there[0])), sorted(map(_name, there[1]))


def running(label: str) -> list[str]:
    """The short ids of the running containers with a label."""
    api = _engine(os.environ.get("DOCKER_HOST")).api
    return [each["Id"][:12] for each in api.containers(filters={"label": label})]


def _name(listed: dict[str, Any]) -> str:
    return (listed.get("Names") or [listed.get("Name", "")])[0].lstrip("/")


@cache
def _engine(_: str | None) -> Any:
    """Asked directly, where a test looks often: the command line takes ten times as long."""
    import docker

    return docker.from_env(version="auto", timeout=SECONDS)
