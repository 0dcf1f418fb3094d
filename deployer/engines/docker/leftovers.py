"""Containers that killed commands left: found by a label, and by their age on the clock of the engine.

Clocks of machines differ. A container that another machine made a moment ago may be an hour old by the clock here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import datetime

import docker.errors
from docker import DockerClient

FRACTION = re.compile(r"\.\d+")


def remove_old(client: DockerClient, seconds: float, filters: Mapping[str, object]) -> None:
    """Remove the containers that pass `filters` and were created more than `seconds` ago. Raise APIError."""
    listed = client.api.containers(all=True, filters=dict(filters))
    if not listed:
        return
    now = parse_time(str(client.api.info()["SystemTime"]))
    for container in listed:
        if now - int(container["Created"]) > seconds:
            with contextlib.suppress(docker.errors.APIError):
                client.api.remove_container(container["Id"], force=True, v=True)


def parse_time(text: str) -> float:
    """Return the seconds since the epoch of a time as the Engine API writes it, such as 2026-01-31T23:59:59.1+01:00."""
    return datetime.fromisoformat(FRACTION.sub("", text).replace("Z", "+00:00")).timestamp()
