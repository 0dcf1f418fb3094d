"""The engines, by name. A new engine is one folder, one entry here, and one row in the contract suite."""

from __future__ import annotations

from collections.abc import Callable

from deployer.engines.base import Engine
from deployer.spec import Spec


def _embedded(spec: Spec) -> Engine:
    from deployer.engines.embedded.engine import EmbeddedEngine

    return EmbeddedEngine(spec.state_dir, spec.gateway.enabled)


def _docker(spec: Spec) -> Engine:
    from deployer.engines.docker.engine import DockerEngine

    return DockerEngine(spec.state_dir, spec.models_dir, spec.docker, spec.gateway, spec.templates_dir)


ENGINES: dict[str, Callable[[Spec], Engine]] = {"docker": _docker, "embedded": _embedded}


def usable(spec: Spec) -> tuple[Engine, ...]:
    """The engines that a verb should look at: the named one, or with `auto` all that answer here, Docker first."""
    if spec.engine != "auto":
        return (ENGINES[spec.engine](spec),)
    from deployer.engines.docker import api as docker_api

    return tuple(
        make(spec) for name, make in ENGINES.items() if name != "docker" or docker_api.answers(spec.docker.host)
    )
