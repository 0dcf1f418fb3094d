"""What recovery does about a change of a gateway that was not accepted. Pure.

An undo leaves the newer tokens: one that was revoked must not be let in again because the command was killed or failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

from deployer.engines.docker.gateway.config import TOKENS
from deployer.engines.docker.names import LABEL
from deployer.engines.swarm.gateway.files import DIRECTORY
from deployer.engines.swarm.inspection import Answer, Service
from deployer.results.launch import GATEWAY_PARTS

DIGEST, SETTINGS = f"{LABEL}gateway_digest", f"{LABEL}settings"
TRIAL = f"{LABEL}gateway_trial"
"""The label of a gateway whose new settings were not accepted yet, while the servers stay."""


class Fate(Enum):
    """What recovery does about a change that was killed."""

    COMPLETE = "complete"
    """The settings of the command ask for it."""

    UNDO = "undo"
    KEEP = "keep"
    """Swarm does not know the settings before it: there are none, or another program has updated the service."""


def fate(service: Service, desired: str | None) -> Fate | None:
    """Return what becomes of a gateway; None if its settings were accepted. `desired` is the digest of those now."""
    if TRIAL not in service.labels:
        return None
    if service.labels.get(DIGEST) == desired:
        return Fate.COMPLETE
    return Fate.KEEP if former(service) is None else Fate.UNDO


def former(service: Service) -> Answer | None:
    """Return the specification that an undo of the last change returns to; None if Swarm does not know it."""
    previous = service.previous
    if previous is None or TRIAL in (previous.get("Labels") or {}):
        return None
    newer, older = _tokens(service.spec), _tokens(previous)
    if newer is None or older is None or newer == older:
        return previous
    task = previous["TaskTemplate"]
    secrets = [newer if each == older else each for each in task["ContainerSpec"]["Secrets"]]
    return {
        **previous,
        "Labels": _with_tokens_of(service.labels, previous.get("Labels") or {}),
        "TaskTemplate": {**task, "ContainerSpec": {**task["ContainerSpec"], "Secrets": secrets}},
    }


def keeps_tokens(service: Service) -> bool:
    """Return whether an undo of the last change leaves other tokens than there were before it."""
    left = former(service)
    return left is not None and left != service.previous


def _tokens(spec: Mapping[str, Any]) -> Answer | None:
    """Return how the containers mount the file of the tokens; None without one."""
    container = (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
    path = f"{DIRECTORY}/{TOKENS}"
    return next((each for each in container.get("Secrets") or () if each["File"]["Name"] == path), None)


def _with_tokens_of(newer: Mapping[str, str], older: Mapping[str, str]) -> dict[str, str]:
    """Return the older labels with what the newer ones say about the tokens."""
    settings, newer_settings = (json.loads(each.get(SETTINGS) or "{}") for each in (older, newer))
    labels = {**older, SETTINGS: json.dumps({**settings, "tokens": newer_settings.get("tokens")})}
    parts, newer_parts = (each.get(DIGEST, "").split(".") for each in (older, newer))
    if len(parts) == len(newer_parts) == len(GATEWAY_PARTS):
        tokens = GATEWAY_PARTS.index("tokens")
        parts[tokens] = newer_parts[tokens]
        labels[DIGEST] = ".".join(parts)
    return labels
