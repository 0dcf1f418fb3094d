"""The workspace of a command: the spec, the store and the engines that settings and `deployer.toml` choose."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from deployer import engines
from deployer.config.options import LOCATION, Settings
from deployer.config.origins import Origins
from deployer.config.spec import Docker, Gateway, Spec
from deployer.engines import run_dir
from deployer.engines.base import Engine
from deployer.errors import EngineConflict, EngineUnavailable, LockHeld
from deployer.results.deployment import DEFAULT_ENV, ENV_VARIABLE, Deployment, cli_name
from deployer.results.steps import Step
from deployer.rollout.ledger import LEDGER_FILE, Ledger
from deployer.system.packages import missing_packages

if TYPE_CHECKING:
    from deployer.client.client import Client
    from deployer.store.store import Store
    from deployer.verification.golden import Tolerance


@dataclass(frozen=True)
class KeptSettings:
    """The settings that a deployment keeps where nothing sets them."""

    notices: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()
    """The settings of the server's container that variables or options set, now or by an earlier command."""


@dataclass(frozen=True)
class Workspace:
    """The spec, the store and the engines that a command works with."""

    spec: Spec
    engines: tuple[Engine, ...]
    """Several with `engine = "auto"`; new deployments go to the first."""

    settings: Settings
    docker_problem: str = ""
    """Why the engine `auto` does not use Docker."""

    unchecked_engine: str = ""
    """A notice about an engine that may have the deployment, too, and does not answer."""

    command: str = ""
    """The command that opened it, for hints; empty for one that takes more than the name of a deployment."""

    origins: Origins = Origins()
    """What sets the keys of the spec."""

    kept: KeptSettings = KeptSettings()

    image_tables: tuple[str, ...] = ()
    """The tables of the settings that the image of the servers has inside, such as `monitoring`."""

    image_steps: tuple[Step, ...] = ()
    """The steps that make the image of the servers, for a preview of a change that comes after them."""

    @property
    def store(self) -> Store:
        """The store with the versions of all models."""
        from deployer.store.store import Store

        return Store(self.spec.models_dir, self.store_options)

    @property
    def ledger(self) -> Ledger:
        """The history of this project in its state directory."""
        return self.ledger_of(self.engine)

    def ledger_of(self, engine: Engine) -> Ledger:
        """Return the history of the project that an engine works for."""
        return Ledger(engine.traits.state_dir / LEDGER_FILE, engine.traits.project, engine.traits.address)

    @property
    def tolerance(self) -> Tolerance:
        """How much answers may differ from the golden answers."""
        from deployer.verification.golden import Tolerance

        return Tolerance(self.spec.gate.relative_tolerance, self.spec.gate.absolute_tolerance)

    @property
    def engine(self) -> Engine:
        """The engine of the deployment, or the one for a new deployment."""
        return self.engines[0]

    @property
    def engine_names(self) -> tuple[str, ...]:
        """The names of the engines that are asked for deployments."""
        return tuple(dict.fromkeys(engine.traits.name for engine in self.engines))

    def for_deployment(self, name: str) -> Workspace:
        """Return the workspace with the engine that has a deployment, or with the first one.

        Raises EngineConflict if several engines have it, EngineUnavailable if it is on a Docker Engine that does not
        answer.
        """
        selected = self.engines_with(name)
        if len(selected) > 1:
            raise self.engine_conflict(name, selected)
        return dataclasses.replace(self, engines=selected)

    def engines_with(self, name: str) -> tuple[Engine, ...]:
        """Return the engines that have a deployment; without any, the one with leftovers of it, or the first."""
        key = (name, self.spec.env)
        if self.docker_problem and self.was_on_docker(name):
            raise EngineUnavailable(
                f"{name} [{self.spec.env}] is on the Docker engine: {self.docker_problem}",
                hint="start the Docker Engine: systemctl start docker, or open Docker Desktop",
            )
        with self.suggest_embedded(name):
            several = self.engines if len(self.engines) > 1 else ()
            selected = [engine for engine in several if key in engine.inventory.names()]
        if len(selected) > 1:
            selected = [engine for engine in selected if engine.observe(*key)] or selected[:1]
        return tuple(selected) or self.engines[:1]

    @contextmanager
    def suggest_embedded(self, name: str) -> Iterator[None]:
        """Suggest the embedded engine where Docker does not answer, unless Docker has the deployment."""
        try:
            yield
        except EngineUnavailable as error:
            if not self.engine.traits.replicated and not self.was_on_docker(name) and not missing_packages():
                error.hint = "; ".join(filter(None, (error.hint, "--engine embedded leaves Docker out")))
            raise

    def engine_conflict(self, name: str, conflicting: tuple[Engine, ...]) -> EngineConflict:
        """Return the error for a deployment that several engines have."""
        first, second = (engine.traits.name for engine in conflicting[:2])
        target = self.cli_target(name, with_engine=False)
        return EngineConflict(
            f"{name} [{self.spec.env}] is on two engines, {first} and {second}: which one is meant?",
            hint=f"add --engine {first} or --engine {second}; deployer down {target} --engine {second} leaves the one "
            f"on {first}, and deployer status {target} shows both",
        )

    def cli_target(self, name: str, env: str | None = None, *, with_engine: bool = True) -> str:
        """Return the arguments that name a deployment on the command line, with the options that were given for it."""
        options = LOCATION if with_engine else tuple(each for each in LOCATION if each != "engine")
        return f"{cli_name(name, env or self.spec.env)}{self.settings.typed(*options)}"

    @property
    def has_source(self) -> bool:
        """Whether a model of the spec is exported from a source."""
        return any(model.source is not None for model in self.spec.models.values())

    @property
    def store_option(self) -> str:
        """The option that chose the store, for commands in hints; empty without one."""
        return self.settings.typed("models_dir")

    @property
    def up_options(self) -> str:
        """The options that chose the environment, the location and the store, for hints with `up`."""
        return f"{self.cli_target('')}{self.store_option}"

    @property
    def store_options(self) -> str:
        """The options that chose the store, for hints with commands that use nothing else, such as `versions`."""
        return f"{cli_name('', self.spec.env)}{self.settings.typed('config', 'models_dir')}"

    def accepts_environment(self, env: str) -> bool:
        """Return whether `--env` may name an environment: once `deployer.toml` has overlays, only those."""
        from deployer.config import loader

        listed = loader.environments(self.settings.config)
        return env in listed or len(listed) == 1

    def env_option(self, env: str) -> str:
        """Return the option for an environment, with what `deployer.toml` lacks for it; empty for that of the spec."""
        if env == self.spec.env:
            return ""
        lacks = "" if self.accepts_environment(env) else f" (once deployer.toml has a table [env.{env}])"
        return f"--env {env}{lacks}"

    def was_on_docker(self, name: str) -> bool:
        """Return whether the state directory shows a deployment on Docker, also one from before there were projects."""
        mine = {(project, name, self.spec.env) for project in ("", self.spec.project or "")}
        return not mine.isdisjoint(run_dir.list_deployments(self.spec.state_dir / "docker"))

    def with_spec(self, spec: Spec) -> Workspace:
        """Return the workspace with another spec."""
        return dataclasses.replace(self, spec=spec)

    def with_container_settings(self, docker: Docker, gateway: Gateway, temporary: tuple[str, ...]) -> Workspace:
        """Return the workspace whose engine starts servers and gateways with these settings.

        Variables set the `temporary` ones of the gateway.
        """
        selected = (self.engine.with_settings(docker, gateway, temporary), *self.engines[1:])
        spec = dataclasses.replace(self.spec, docker=docker, gateway=gateway)
        return dataclasses.replace(self, spec=spec, engines=selected)

    def observe_all(self) -> tuple[Deployment, ...]:
        """Return every deployment of every engine."""
        return tuple(each for engine in self.engines for each in engine.inventory.observe_all())

    def other_projects(self) -> tuple[Engine, ...]:
        """Return, for each other project with deployments, the engine as that project sees it."""
        own = set(map(engine_key, self.engines))
        others = unique_engines(other for engine in self.engines for other in engine.inventory.other_projects())
        return tuple(other for other in others if engine_key(other) not in own)

    @contextmanager
    def lock(self, engine: Engine, name: str, env: str) -> Iterator[None]:
        """Hold the lock of a deployment. Raises LockHeld, with the command that takes the lock away."""
        with ExitStack() as stack:
            try:
                stack.enter_context(engine.locks.acquire(name, env, self.settings.lock_wait))
            except LockHeld as error:
                unlock = f"deployer unlock {self.cli_target(name, env)} --force takes the lock away"
                error.hint = "; ".join(filter(None, (error.hint, unlock)))
                raise
            yield

    def client(self, deployment: Deployment) -> Client:
        """Return the client of a deployment; the same one each time, so that connections are reused."""
        from deployer.client.client import Client

        seconds = self.spec.gate.request_seconds
        endpoints, gateway = deployment.client_route
        client = Client(endpoints, seconds, gateway, exit_reason=partial(self._exit_reason, deployment))
        return self._clients.setdefault((deployment.release, client), client)

    def _exit_reason(self, deployment: Deployment) -> str:
        engine = self.for_deployment(deployment.name).engine
        return engine.exit_reason(deployment) or ""

    @cached_property
    def _clients(self) -> dict[tuple[str, Client], Client]:
        return {}


def open_each_environment(settings: Settings) -> tuple[Workspace, ...]:
    """Open the workspace of each environment, that of the chosen one first. Raises ConfigError, EngineUnavailable."""
    from deployer.config import loader

    chosen = settings.env or os.environ.get(ENV_VARIABLE) or DEFAULT_ENV
    names = dict.fromkeys((chosen, *loader.environments(settings.config)))
    return tuple(open_workspace(dataclasses.replace(settings, env=env)) for env in names)


def open_all_environments(settings: Settings) -> Workspace:
    """Open the workspace of the chosen environment, with the engines of all environments.

    Raises ConfigError, EngineUnavailable.
    """
    opened = open_each_environment(settings)
    return dataclasses.replace(opened[0], engines=unique_engines(engine for each in opened for engine in each.engines))


def unique_engines(engines: Iterable[Engine]) -> tuple[Engine, ...]:
    """Return the engines without those that have the same deployments as another one."""
    return tuple({engine_key(engine): engine for engine in engines}.values())


def engine_key(engine: Engine) -> tuple[str, str, str]:
    """Return a key that is equal for engines with the same deployments."""
    traits = engine.traits
    return traits.name, traits.id, traits.project


def open_workspace(
    settings: Settings, command: str = "", *, with_overlay: bool = True, allow_unset: bool = False
) -> Workspace:
    """Read the configuration and choose the engine for `command`. Raises ConfigError, EngineUnavailable.

    Without the overlay, the tables `[env.NAME]` have no effect. A command that needs only what is deployed allows
    unset variables.
    """
    from deployer.config import loader

    spec, origins = loader.load_with_origins(
        settings.config, settings.env, settings.overrides(), with_overlay=with_overlay, allow_unset=allow_unset
    )
    usable = engines.select_engines(spec)
    return Workspace(spec, usable.engines, settings, usable.docker_problem, origins=origins, command=command)
