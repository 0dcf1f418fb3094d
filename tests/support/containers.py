"""The Docker command line, for tests that look at an engine behind deployer's back."""

from __future__ import annotations

import subprocess

SECONDS = 120


def docker(*arguments: str) -> str:
    """What `docker ARGUMENTS` prints. Fails with its words when it fails."""
    ended = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()
