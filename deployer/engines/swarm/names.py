"""Names of the objects of a deployment on a Swarm, and the labels that identify them.

Names are unique and valid in DNS; the labels tell whose an object is. No name is one of the Docker engine's, so that
engine never takes these networks for its own.
"""

from __future__ import annotations

import hashlib
import json
import re

from deployer.engines.docker.names import LABEL, PROJECT

SERVER, CANDIDATE, GATEWAY, PULL, LOCK = "server", "candidate", "gateway", "pull", "lock"
ROLE = f"{LABEL}role"
"""The label with one of these roles; the server's name has no role in it."""

MAX_CHARACTERS = 63
DIGEST_DIGITS = 10
PLAIN = re.compile(r"[a-z0-9]+")


def service_name(project: str, name: str, env: str, role: str = "") -> str:
    """Return the name of a service, config or secret of a deployment: a DNS label of at most 63 characters.

    It is `deployer-PROJECT-ENV-NAME[-ROLE]` if that is possible and no other deployment can have it; otherwise a digest
    follows the parts, which may be cut.
    """
    parts, suffix = (project, env, name), f"-{role}" if role else ""
    plain = "-".join(("deployer", *parts)) + suffix
    if all(map(PLAIN.fullmatch, parts)) and len(plain) <= MAX_CHARACTERS:
        return plain
    digest = f"-{short_digest(*parts)}{suffix}"
    words = re.sub(r"[^a-z0-9]+", "-", "-".join(("deployer", *parts)).lower())
    return words[: MAX_CHARACTERS - len(digest)].rstrip("-") + digest


def lock_name(project: str, name: str, env: str) -> str:
    """Return the name of the config that locks a deployment."""
    return service_name(project, name, env, LOCK)


def secret_name(project: str, name: str, env: str, release: str, variable: str) -> str:
    """Return the name of the secret with the value of a variable of a release."""
    return service_name(project, name, env, short_digest(release, variable))


def short_digest(*texts: str) -> str:
    """Return a digest that is short enough for a part of a name."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:DIGEST_DIGITS]


def identity(project: str, name: str, env: str, role: str) -> dict[str, str]:
    """Return the labels that say whose an object is."""
    return {PROJECT: project, f"{LABEL}name": name, f"{LABEL}env": env, ROLE: role}


def is_named_for(object_name: str, labels: dict[str, str], role: str = "") -> bool:
    """Return whether an object has the name that belongs to its labels: anyone can write labels."""
    parts = (labels.get(PROJECT), labels.get(f"{LABEL}name"), labels.get(f"{LABEL}env"))
    if not all(parts):
        return False
    project, name, env = map(str, parts)
    return object_name == service_name(project, name, env, role)
