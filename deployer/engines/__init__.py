"""The engines by name, and which of them a command uses.

A new engine is one package, one entry in ENGINES, and one row in the contract suite.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.config.project import FALLBACK_PROJECT
from deployer.config.spec import SWARM, Spec
from deployer.engines.base import Engine
from deployer.engines.docker import context
from deployer.errors import EngineError

if TYPE_CHECKING:
    from deployer.engines.docker.engine import DockerEngine
    from deployer.engines.port_holders import PortHolder
    from deployer.engines.swarm.engine import SwarmEngine

SHORT_TIMEOUT_SECONDS = 3.0
"""The time limit for each answer of an engine that the user did not select."""


def _embedded(spec: Spec) -> Engine:
    from deployer.engines.embedded.engine import EmbeddedEngine

    return EmbeddedEngine(spec.state_dir, spec.project or FALLBACK_PROJECT)


def docker_engine(spec: Spec, *, store_dir: Path | None = None) -> DockerEngine:
    """Return the Docker engine that the settings describe.

    With `store_dir`, their image has the models inside, in the place of this store, and `models_dir` is a copy of them.
    """
    from deployer.engines.docker.engine import DockerEngine
    from deployer.engines.docker.host import DockerHost

    cors = str(spec.server.flags.get("rest_api_enable_cors_support", "")).lower() in ("true", "1")
    project = spec.project or FALLBACK_PROJECT
    return DockerEngine(
        DockerHost(
            spec.state_dir,
            spec.models_dir,
            spec.docker,
            spec.gateway,
            templates_dir=spec.templates_dir,
            cors=cors,
            project=project,
            store_dir=store_dir,
        )
    )


def swarm_engine(spec: Spec, *, store_dir: Path | None = None) -> SwarmEngine:
    """Return the Swarm engine that the settings describe: its manager is the Docker Engine that they select.

    `store_dir` is the project's store, of which `models_dir` is a copy, as for `docker_engine`.
    """
    from deployer.engines.swarm.engine import SwarmEngine
    from deployer.engines.swarm.host import SwarmHost

    docker = docker_engine(spec, store_dir=store_dir or spec.models_dir).host
    return SwarmEngine(SwarmHost(docker, spec.swarm))


def image_engine(spec: Spec, store_dir: Path) -> Engine:
    """Return the engine of servers whose image, that of the settings, has the models inside."""
    make = swarm_engine if spec.engine == SWARM else docker_engine
    return make(spec, store_dir=store_dir)


ENGINES: dict[str, Callable[[Spec], Engine]] = {
    "docker": docker_engine,
    "embedded": _embedded,
    "swarm": swarm_engine,
}
AUTOMATIC = ("docker", "embedded")
"""The engines that `auto` chooses from."""


RENDERED_BY = {"compose": "docker", "docker-run": "docker", "dockerfile": "docker"}
"""The forms in which a deployment can be rendered, and the engine that renders each."""


@dataclass(frozen=True)
class EngineSelection:
    """The engines that a command looks at; the first one takes new deployments.

    `docker_problem` says why Docker is not among them where `auto` would have preferred it.
    """

    engines: tuple[Engine, ...]
    docker_problem: str = ""


def select_engines(spec: Spec) -> EngineSelection:
    """Return the engine that the settings name, or, with `auto`, all engines of this machine, Docker first.

    With `auto`, a Docker Engine at the default address is left out if it does not answer. One that DOCKER_HOST,
    `docker.host` or a docker context selects is always included: its error is raised when it is used.
    """
    if spec.engine != "auto":
        return EngineSelection((ENGINES[spec.engine](spec),))
    docker_problem = "" if context.choose(spec.docker.host).source else _docker_problem()
    return EngineSelection(
        tuple(ENGINES[name](spec) for name in AUTOMATIC if name != "docker" or not docker_problem), docker_problem
    )


def _docker_problem() -> str:
    # The SDK is imported only where there is an engine to ask.
    if problem := context.socket_problem():
        return problem
    from deployer.engines.docker import api

    return api.docker_problem()


def unselected_engines(spec: Spec) -> EngineSelection:
    """Return the engines of this machine that the settings leave out by naming another one.

    They are asked only for what they run, with a short timeout. `docker_problem` says why Docker is not among them.
    """
    if spec.engine == "auto":
        return EngineSelection(())
    if spec.engine == "docker":
        return EngineSelection((_embedded(spec),))
    others = () if spec.engine == "embedded" else (_embedded(spec),)
    docker_problem = "" if context.choose(spec.docker.host).source else context.socket_problem()
    if docker_problem:
        return EngineSelection(others, docker_problem)
    return EngineSelection((_with_short_timeout(docker_engine(spec)), *others))


def unselected_swarm(spec: Spec) -> tuple[Engine, ...]:
    """Return the Swarm that the Docker Engine of the settings may manage, where they name another engine.

    It is asked only for what it runs, with a short timeout; an engine that is no manager raises EngineError then.
    """
    if spec.engine == SWARM or (not context.choose(spec.docker.host).source and context.socket_problem()):
        return ()
    swarm = swarm_engine(spec)
    docker = replace(swarm.host.docker, answer_seconds=SHORT_TIMEOUT_SECONDS)
    return (replace(swarm, host=replace(swarm.host, docker=docker)),)


def with_short_timeout(engine: Engine) -> Engine:
    """Return the engine with a short timeout for each of its answers."""
    if engine.traits.name != "docker":
        return engine
    from deployer.engines.docker.engine import DockerEngine

    return _with_short_timeout(engine) if isinstance(engine, DockerEngine) else engine


def _with_short_timeout(engine: DockerEngine) -> DockerEngine:
    return replace(engine, host=replace(engine.host, answer_seconds=SHORT_TIMEOUT_SECONDS))


def port_holder(engine: Engine, port: int) -> PortHolder:
    """Return who holds a port of this machine, as an engine sees it.

    Where Docker's proxy holds it, that is the container behind the proxy.
    """
    holder = engine.inventory.port_holder(port)
    if "docker-proxy" not in holder.text:
        return holder
    from deployer.engines.docker import api, placement

    with contextlib.suppress(EngineError):
        return placement.port_publisher(api.connect(), port) or holder
    return holder
