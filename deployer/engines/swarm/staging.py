"""The start of a candidate: its network, secrets and service, and the service that brings its image to the nodes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from deployer.engines import run_dir
from deployer.engines.docker.container_spec import deployment_labels
from deployer.engines.docker.inspection import Image
from deployer.engines.docker.names import LABEL
from deployer.engines.swarm import secrets, service_spec
from deployer.engines.swarm.host import SwarmHost
from deployer.engines.swarm.inspection import RELEASE, Service
from deployer.engines.swarm.names import CANDIDATE, PULL, identity
from deployer.engines.swarm.ports import choose_ports
from deployer.engines.swarm.service_spec import ServerParts
from deployer.engines.swarm.tasks import Tasks
from deployer.errors import EngineError
from deployer.results.launch import Launch


@dataclass(frozen=True)
class Staging:
    """Starts candidates; `settings` are recorded with them."""

    host: SwarmHost
    tasks: Tasks
    settings: object

    def run(self, launch: Launch) -> str:
        """Return the release of a candidate whose server was started. Raise EngineError, PortTaken."""
        host, state = self.host, self.host.state
        state.check_name(*launch.key)
        services = state.services(*launch.key)
        state.remove_services(services.candidate, services.pull)
        ports = choose_ports(state, launch, services.server)
        network = state.ensure_network(*launch.key, services.server)
        parts = self._parts(launch, network, services.server, ports)
        candidate = state.name(*launch.key, CANDIDATE)
        host.api.create_service(service_spec.candidate(candidate, parts))
        if "@" in parts.image:
            host.api.create_service(service_spec.pull(state.name(*launch.key, PULL), parts))
        self.tasks.await_started(candidate)
        return parts.release

    def _parts(self, launch: Launch, network: str, serving: Service | None, ports: tuple[int, int]) -> ServerParts:
        host, settings, image = self.host, self.host.docker.settings, self._image()
        release, values = run_dir.new_release_id(), secrets.secret_values(settings.environment)
        return ServerParts(
            image=image.resolved(settings.image),
            release=release,
            network=network,
            labels=self._labels(launch, release, image, serving, ports),
            docker=settings,
            swarm=host.swarm,
            environment=secrets.plain_values(settings.environment),
            secrets=secrets.create(host.api, host.project, launch.name, launch.env, release, values),
            command=image.command,
        )

    def _labels(
        self, launch: Launch, release: str, image: Image, serving: Service | None, ports: tuple[int, int]
    ) -> dict[str, str]:
        """Return the labels, which carry everything that is known about the servers of a release."""
        settings = self.host.docker.settings
        replicas = launch.replicas or (serving.replicas if serving else 0) or 1
        return {
            **deployment_labels(launch),
            **identity(self.host.project, launch.name, launch.env, ""),
            RELEASE: release,
            f"{LABEL}image": image.id,
            f"{LABEL}image_digest": image.resolved(settings.image),
            f"{LABEL}image_name": settings.image,
            f"{LABEL}settings": json.dumps(self.settings),
            f"{LABEL}temporary": json.dumps(launch.temporary_settings),
            f"{LABEL}flags": json.dumps(launch.flags),
            f"{LABEL}environment": json.dumps(sorted(settings.environment)),
            f"{LABEL}rest_port": str(ports[0]),
            f"{LABEL}grpc_port": str(ports[1]),
            f"{LABEL}store": str(self.host.docker.models_dir.resolve()),
            f"{LABEL}created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            service_spec.REPLICAS: str(replicas),
        }

    def _image(self) -> Image:
        image = self.host.docker.image
        if image is None:
            raise EngineError(
                f"the engine does not have {self.host.docker.settings.image}", hint="run the command again"
            )
        return image
