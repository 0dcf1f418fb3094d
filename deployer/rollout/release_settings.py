"""The settings of a release's containers, as the history has them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.results.deployment import IN_IMAGE, Deployment

IMAGE = "image"


@dataclass(frozen=True)
class ReleaseSettings:
    """The address and the settings of a release's containers, as they recorded them; they outlive the containers."""

    host: str = ""
    rest_port: int | None = None
    grpc_port: int | None = None
    settings: Mapping[str, object] = field(default_factory=dict, hash=False)
    temporary_settings: tuple[str, ...] = ()
    gateway: Mapping[str, object] = field(default_factory=dict, hash=False)
    temporary_gateway: tuple[str, ...] = ()
    replicas: int | None = None
    """The number of servers; None if it is not known."""

    @classmethod
    def of(cls, deployment: Deployment) -> ReleaseSettings:
        """Return those of a deployment."""
        gateway = deployment.gateway
        return cls(
            deployment.host,
            deployment.rest_port,
            deployment.grpc_port,
            deployment.settings,
            deployment.temporary_settings,
            gateway.settings if gateway else {},
            gateway.temporary_settings if gateway else (),
            deployment.replicas,
        )

    @property
    def in_image(self) -> bool:
        """Whether the image of the release has the models inside."""
        return self.settings.get(IN_IMAGE) is True

    def without_image(self) -> ReleaseSettings:
        """Return the settings without the server's image: a server of the store's models cannot be of another one."""
        settings = {name: value for name, value in self.settings.items() if name != IMAGE}
        temporary = tuple(name for name in self.temporary_settings if name != IMAGE)
        return dataclasses.replace(self, settings=settings, temporary_settings=temporary)

    def keep_image(self, before: ReleaseSettings | None) -> ReleaseSettings:
        """Return the settings with the image that an option or a variable gave an earlier release."""
        if before is None or IMAGE not in before.temporary_settings or IMAGE not in before.settings:
            return self
        settings = {**self.settings, IMAGE: before.settings[IMAGE]}
        return dataclasses.replace(self, settings=settings, temporary_settings=(*self.temporary_settings, IMAGE))

    def keep_gateway_image(self, before: ReleaseSettings | None) -> ReleaseSettings:
        """Return the settings of a release without a gateway, with the image that a variable gave an earlier one."""
        if self.gateway or before is None or IMAGE not in before.temporary_gateway or IMAGE not in before.gateway:
            return self
        return dataclasses.replace(self, gateway={IMAGE: before.gateway[IMAGE]}, temporary_gateway=(IMAGE,))

    @classmethod
    def parse(cls, text: str) -> ReleaseSettings:
        """Read settings from JSON. Raises ValueError or TypeError for anything else."""
        values = json.loads(text)
        temporary = {name: tuple(values.get(name, ())) for name in ("temporary_settings", "temporary_gateway")}
        return cls(**{**values, **temporary})
