"""The Docker command line, for tests that look at an engine behind deployer's back."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

SECONDS = 120
TESTBED_SECONDS = 600
TESTBED = Path(__file__).parents[2] / "docker" / "testbed" / "testbed.sh"
OURS = "name=^/?deployer(.lock)?-(local|staging)-"


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


def world() -> list[str]:
    """Containers and networks of deployments, and all volumes."""
    containers = docker("ps", "-a", "--format", "container {{.ID}} {{.Names}}", "--filter", OURS)
    networks = docker("network", "ls", "--format", "network {{.ID}} {{.Name}}", "--filter", OURS)
    volumes = docker("volume", "ls", "--format", "volume {{.Name}}")
    return sorted("\n".join((containers, networks, volumes)).split("\n"))
