"""The image that models are added to, as the engine describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EPOCH = "1970-01-01T00:00:00Z"
KEPT = ("Env", "Entrypoint", "ExposedPorts", "StopSignal", "Volumes", "WorkingDir")
"""The keys of a base image's configuration that an image on it inherits, as with `docker build`."""


@dataclass(frozen=True)
class BaseImage:
    """An inspected image: what an image on top of it repeats. It is the same on every engine."""

    id: str
    layers: tuple[str, ...]
    platform: Mapping[str, str] = field(hash=False)
    created: str = EPOCH
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, answer: Mapping[str, Any]) -> BaseImage:
        """Return an inspected image."""
        config = answer.get("Config") or {}
        platform = {"architecture": "Architecture", "os": "Os", "variant": "Variant"}
        return cls(
            id=str(answer["Id"]),
            layers=tuple(map(str, (answer.get("RootFS") or {}).get("Layers") or ())),
            platform={name: str(answer[key]) for name, key in platform.items() if answer.get(key)},
            created=str(answer.get("Created") or EPOCH),
            config={key: config[key] for key in KEPT if config.get(key)},
            labels=config.get("Labels") or {},
        )
