"""The files that the containers of a gateway read, as Docker configs and secrets.

Neither can be changed, so the name of each contains a digest of its text. Other text gives other tasks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from deployer.engines.docker.gateway.directory import NOBODY
from deployer.engines.swarm.api import SwarmApi
from deployer.engines.swarm.inspection import Service
from deployer.engines.swarm.names import GATEWAY, ROLE, identity, service_name, short_digest
from deployer.errors import EngineError

DIRECTORY = "/gateway"
CONFIGS, SECRETS = "configs", "secrets"
REFERENCES = {CONFIGS: ("Configs", "ConfigID", "ConfigName"), SECRETS: ("Secrets", "SecretID", "SecretName")}
"""The keys of a service's specification: the list, and in it the id and the name."""

FILE = f"{GATEWAY}-file"
TOKEN = f"{GATEWAY}-token"
CERTIFICATE = f"{GATEWAY}-certificate"
"""The roles of configs and secrets. The containers mount files alone."""


@dataclass(frozen=True)
class Owner:
    """The deployment that a gateway belongs to."""

    project: str
    name: str
    env: str

    def object_name(self, role: str) -> str:
        """Return the name of its service, config or secret of a role."""
        return service_name(self.project, self.name, self.env, role)

    def labels(self, role: str) -> dict[str, str]:
        """Return the labels that identify its objects of a role."""
        return identity(self.project, self.name, self.env, role)

    def filters(self, role: str) -> tuple[str, ...]:
        """Return the same as filters of a list."""
        return tuple(f"{label}={value}" for label, value in self.labels(role).items())


@dataclass(frozen=True)
class File:
    """A file below DIRECTORY; `kind` is `configs` or `secrets`."""

    name: str
    kind: str
    text: str = field(repr=False)

    @property
    def digest(self) -> str:
        """A digest of its text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def reference(kind: str, object_id: str, object_name: str, file: str) -> dict[str, Any]:
    """Return how a container mounts a config or secret as a file of its own user alone."""
    _, id_key, name_key = REFERENCES[kind]
    target = {"Name": f"{DIRECTORY}/{file}", "UID": str(NOBODY), "GID": str(NOBODY), "Mode": 0o400}
    return {id_key: object_id, name_key: object_name, "File": target}


def name_of(owner: Owner, file: File) -> str:
    """Return the name of the config or secret of a file."""
    return owner.object_name(f"{GATEWAY}-{short_digest(file.name, file.digest)}")


def ensure(api: SwarmApi, owner: Owner, file: File) -> dict[str, Any]:
    """Create the config or secret of a file if it is missing; return how a container mounts it."""
    name = name_of(owner, file)
    return reference(file.kind, create(api, file.kind, name, owner.labels(FILE), file.text), name, file.name)


def create(api: SwarmApi, kind: str, name: str, labels: dict[str, str], text: str) -> str:
    """Return the id of a config or secret of that name; create it if it is missing."""
    created = api.create_object(kind, name, labels, text.encode())
    if created is not None:
        return created
    found = api.find_object(kind, name)
    if found is None or (found["Spec"].get("Labels") or {}).get(ROLE) != labels[ROLE]:
        raise EngineError(
            f"{name} exists on the Swarm, and deployer did not create it", hint=f"docker {kind[:-1]} inspect {name}"
        )
    return str(found["ID"])


def referenced(service: Service | None) -> frozenset[str]:
    """Return the names of the configs and secrets that a service mounts, also after a rollback."""
    if service is None:
        return frozenset()
    specs = (service.spec, service.previous or {})
    containers = [(spec.get("TaskTemplate") or {}).get("ContainerSpec") or {} for spec in specs]
    return frozenset(
        str(each[name_key])
        for container in containers
        for key, _, name_key in REFERENCES.values()
        for each in container.get(key) or ()
    )


def prune(api: SwarmApi, owner: Owner, keep: Iterable[str], roles: Iterable[str] = (FILE,)) -> None:
    """Remove the configs and secrets of these roles whose names are not in `keep`."""
    kept = frozenset(keep)
    for kind in REFERENCES:
        for role in roles:
            for found in api.objects(kind, *owner.filters(role)):
                if found["Spec"]["Name"] not in kept:
                    api.remove_object(kind, found["ID"])
