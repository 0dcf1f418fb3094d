"""Containers, images and the engine itself as the Docker API describes them: raw answers become values here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.engines.docker.image_pull import split_reference

Answer = Mapping[str, Any]
PAUSED = "paused"


@dataclass(frozen=True)
class ContainerSummary:
    """A container in the engine's list. `ports` are the published ones of the engine's machine."""

    id: str
    names: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    running: bool = False
    """Whether its process exists; it does in a paused container, too."""

    paused: bool = False
    created: str = ""
    ports: frozenset[int] = frozenset()
    network_ids: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, answer: Answer) -> ContainerSummary:
        """Return the summary from an entry of the list."""
        networks = (answer.get("NetworkSettings") or {}).get("Networks") or {}
        return cls(
            id=answer["Id"],
            names=tuple(name.lstrip("/") for name in answer["Names"]),
            labels=answer["Labels"] or {},
            running=answer["State"] in ("running", PAUSED),
            paused=answer["State"] == PAUSED,
            created=_utc(answer.get("Created")),
            ports=frozenset(int(port.get("PublicPort", 0)) for port in answer.get("Ports") or ()),
            network_ids=frozenset(each["NetworkID"] for each in networks.values() if each.get("NetworkID")),
        )

    @property
    def name(self) -> str:
        """The first name."""
        return self.names[0]


def _utc(seconds: object) -> str:
    """Return the seconds since the epoch, by which the list tells times, as `2026-01-31T23:59:59Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if isinstance(seconds, int) else ""


@dataclass(frozen=True)
class ContainerState:
    """How a container ended."""

    exit_code: int
    out_of_memory: bool
    error: str

    @classmethod
    def parse(cls, answer: Answer) -> ContainerState:
        """Return the state of an inspected container."""
        return cls(answer.get("ExitCode", 0), bool(answer.get("OOMKilled")), answer.get("Error") or "")


@dataclass(frozen=True)
class Image:
    """An image: its id, the `repository@digest` names that registries know, its architecture and its command."""

    id: str
    digests: tuple[str, ...] = ()
    architecture: str = ""
    command: tuple[str, ...] = ()

    @classmethod
    def parse(cls, answer: Answer) -> Image:
        """Return an inspected image."""
        config = answer.get("Config") or {}
        return cls(
            id=str(answer["Id"]),
            digests=tuple(answer.get("RepoDigests") or ()),
            architecture=str(answer.get("Architecture", "")),
            command=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        )

    def resolved(self, name: str) -> str:
        """Return `repository@digest` for the repository of a name, or the id of an image without one."""
        repository = split_reference(name.partition("@")[0])[0].removeprefix("docker.io/").removeprefix("library/")
        return next((digest for digest in self.digests if digest.partition("@")[0] == repository), self.id)


@dataclass(frozen=True)
class EngineInfo:
    """What an engine reports about itself and its machine; `cpus` is None if it does not report them."""

    version: str | None = None
    cpus: int | None = None
    runtimes: frozenset[str] = frozenset()
    security_options: tuple[str, ...] = ()
    operating_system: str = ""
    architecture: str = ""

    @classmethod
    def parse(cls, answer: Answer) -> EngineInfo:
        """Return the information from `docker info`."""
        return cls(
            version=answer.get("ServerVersion"),
            cpus=answer.get("NCPU"),
            runtimes=frozenset(answer.get("Runtimes") or ()),
            security_options=tuple(answer.get("SecurityOptions") or ()),
            operating_system=str(answer.get("OperatingSystem", "")),
            architecture=str(answer.get("Architecture", "")),
        )
