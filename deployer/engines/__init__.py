"""The engines, by name. A new engine is one folder, one entry here, and one row in the contract suite."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deployer.config.project import FALLBACK_PROJECT
from deployer.config.spec import Spec
from deployer.engines.base import Engine
from deployer.errors import EngineError

if TYPE_CHECKING:
    from deployer.engines.docker.engine import DockerEngine

SHORT_TIMEOUT_SECONDS = 3.0
"""How long an engine that was not asked for may take to answer."""


def _embedded(spec: Spec) -> Engine:
    from deployer.engines.embedded.engine import EmbeddedEngine

    return EmbeddedEngine(spec.state_dir, spec.gateway.enabled, spec.project or FALLBACK_PROJECT)


def _docker(spec: Spec) -> DockerEngine:
    from deployer.engines.docker.engine import DockerEngine
    from deployer.engines.docker.host import DockerHost

    cors = str(spec.server.flags.get("rest_api_enable_cors_support", "")).lower() in ("true", "1")
    project = spec.project or FALLBACK_PROJECT
    return DockerEngine(
        DockerHost(spec.state_dir, spec.models_dir, spec.docker, spec.gateway, spec.templates_dir, cors, project)
    )


ENGINES: dict[str, Callable[[Spec], Engine]] = {"docker": _docker, "embedded": _embedded}


RENDERED_BY = {"compose": "docker", "docker-run": "docker"}
"""The forms in which a deployment can be rendered to be started without this tool, and the engine that knows each."""


@dataclass(frozen=True)
class EngineSelection:
    """The engines that a verb looks at, the one for new deployments first.

    `docker_problem` says why Docker is not among them where `auto` would have preferred it.
    """

    engines: tuple[Engine, ...]
    docker_problem: str = ""


def select_engines(spec: Spec) -> EngineSelection:
    """The named engine; with `auto` all of this machine, Docker first.

    A Docker Engine that DOCKER_HOST, `docker.host` or a docker context asks for is never left out: where it cannot be
    used, its own error says so when it is needed. The usual one is left out where it does not answer.
    """
    if spec.engine != "auto":
        return EngineSelection((ENGINES[spec.engine](spec),))
    from deployer.engines.docker import api, context

    docker_problem = "" if context.choose(spec.docker.host).source else api.docker_problem()
    return EngineSelection(
        tuple(make(spec) for name, make in ENGINES.items() if name != "docker" or not docker_problem), docker_problem
    )


def unselected_engines(spec: Spec) -> EngineSelection:
    """The engines of this machine that a spec leaves out by naming another; they may be asked what they have, and not
    for long. `docker_problem` says why Docker is not among them."""
    if spec.engine == "auto":
        return EngineSelection(())
    if spec.engine == "docker":
        return EngineSelection((_embedded(spec),))
    from deployer.engines.docker import api, context

    docker_problem = "" if context.choose(spec.docker.host).source else api.socket_problem()
    return (
        EngineSelection((), docker_problem)
        if docker_problem
        else EngineSelection((_with_short_timeout(_docker(spec)),))
    )


def with_short_timeout(engine: Engine) -> Engine:
    """The same engine, waited for no longer than one that was not asked for."""
    if engine.traits.name != "docker":
        return engine
    from deployer.engines.docker.engine import DockerEngine

    return _with_short_timeout(engine) if isinstance(engine, DockerEngine) else engine


def _with_short_timeout(engine: DockerEngine) -> DockerEngine:
    return replace(engine, host=replace(engine.host, answer_seconds=SHORT_TIMEOUT_SECONDS))


def port_holder(engine: Engine, port: int) -> str:
    """Who has a port of this machine, as an engine sees it; of a container that Docker's proxy stands for, its name."""
    holder = engine.inventory.port_holder(port)
    if "docker-proxy" not in holder:
        return holder
    from deployer.engines.docker import api, placement

    with contextlib.suppress(EngineError):
        return placement.port_publisher(api.connect(), port) or holder
    return holder
