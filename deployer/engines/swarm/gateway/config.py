"""The configuration of HAProxy in front of the tasks of a service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deployer.config.gateway import Gateway
from deployer.engines.docker.gateway.config import render
from deployer.engines.swarm.gateway.files import DIRECTORY
from deployer.errors import TemplateError
from deployer.results.deployment import GRPC_PORT, REST_PORT

MOST_TASKS = 256
"""The places for tasks: an overlay network of Docker has 253 addresses."""

HOLD_SECONDS = 10
"""How long a request waits for a task if there is none."""

BACKENDS = 2


@dataclass(frozen=True)
class Route:
    """The servers that a gateway sends requests to, and the ports that it publishes."""

    network: str
    service: str
    rest_port: int
    grpc_port: int

    @property
    def ports(self) -> tuple[int, int]:
        """The published ports."""
        return self.rest_port, self.grpc_port


@dataclass(frozen=True)
class GatewayConfig:
    """The settings of a gateway; `cors` is whether the servers answer scripts of any web page.

    Clients of the routing mesh reach another gateway while one is replaced, so their idle connections may stay open
    until the next answer. On a port of a node, they would only keep that port closed for longer.
    """

    settings: Gateway
    templates_dir: Path | None = None
    cors: bool = False
    is_ingress: bool = False

    def text(self, service: str, model: str, tool_token_hash: str) -> str:
        """Return `haproxy.cfg` for the tasks of a service. `model` is the one whose state health checks ask for.

        Raises TemplateError, also for a template that does not route to the tasks.
        """
        host = f"tasks.{service}"
        text = render(
            self.settings,
            self.templates_dir,
            rest_address=f"*:{REST_PORT}",
            grpc_address=f"*:{GRPC_PORT}",
            slots=[],
            slot="",
            tasks={
                "host": host,
                "model": model,
                "most": MOST_TASKS,
                "hold_seconds": HOLD_SECONDS,
                "keep_idle": self.is_ingress,
            },
            directory=DIRECTORY,
            tool_token_hash=tool_token_hash,
            cors=self.cors,
        )
        if text.count(f"{host}:") < BACKENDS:
            raise TemplateError(
                f"haproxy.cfg.j2: it does not route to the tasks of a service on a Swarm ({host})",
                hint="copy the built-in template again: it has such backends",
            )
        return text
