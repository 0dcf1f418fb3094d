"""What every verb starts from: the spec, the store and the engine that settings and `deployer.toml` name."""

from __future__ import annotations

import dataclasses
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from deployer import engines
from deployer.config.options import Settings
from deployer.config.spec import Spec
from deployer.engines.base import Engine
from deployer.errors import (
    DeploymentNotFound,
    EngineConflict,
    EngineUnavailable,
    InvalidValue,
    NotRunning,
    UsageError,
)
from deployer.results.deployment import Deployment, ServedModel, cli_name
from deployer.results.model import check_name
from deployer.rollout.ledger import LEDGER_FILE, Ledger

if TYPE_CHECKING:
    from deployer.client.client import Client
    from deployer.store.store import Store
    from deployer.verification.golden import Tolerance

Progress = Callable[[str], None]


def no_progress(_: str) -> None:
    """The progress of those who do not want any."""


@dataclass(frozen=True)
class Workspace:
    """Where a verb works. With `auto` there may be several engines; the first is the one for new deployments.

    `absence` says why Docker is not among them, where it would have been preferred; `unchecked_engine` is a note on an
    engine that could not be asked whether it has the deployment, too.
    """

    spec: Spec
    engines: tuple[Engine, ...]
    settings: Settings
    absence: str = ""
    unchecked_engine: str = ""

    @property
    def store(self) -> Store:
        """The versions that there are."""
        from deployer.store.store import Store

        return Store(self.spec.models_dir)

    @property
    def ledger(self) -> Ledger:
        """The history of this project in this state folder."""
        return self.ledger_of(self.engine)

    def ledger_of(self, engine: Engine) -> Ledger:
        """The history of the project that an engine works for."""
        return Ledger(engine.traits.state_dir / LEDGER_FILE, engine.traits.project)

    @property
    def tolerance(self) -> Tolerance:
        """How far answers may lie from the golden ones."""
        from deployer.verification.golden import Tolerance

        return Tolerance(self.spec.gate.relative_tolerance, self.spec.gate.absolute_tolerance)

    @property
    def engine(self) -> Engine:
        """The engine to work with."""
        return self.engines[0]

    def for_deployment(self, name: str) -> Workspace:
        """The same with just the engine that has this deployment, or the first one.

        Raises EngineConflict where several have it, EngineUnavailable for a deployment of a Docker Engine that was left
        out because it does not answer.
        """
        having = self.engines_with(name)
        if len(having) > 1:
            raise self.engine_conflict(name, having)
        return dataclasses.replace(self, engines=having)

    def engines_with(self, name: str) -> tuple[Engine, ...]:
        """The engines that have this deployment; where none has, the one that has something of it, or the first."""
        key = (name, self.spec.env)
        if self.absence and self.was_on_docker(name):
            raise EngineUnavailable(
                f"{name} [{self.spec.env}] is on the Docker engine: {self.absence}",
                hint="start the Docker Engine: systemctl start docker, or open Docker Desktop",
            )
        with self.suggest_embedded(name):
            several = self.engines if len(self.engines) > 1 else ()
            having = [engine for engine in several if key in engine.inventory.names()]
        if len(having) > 1:
            having = [engine for engine in having if engine.observe(*key)] or having[:1]
        return tuple(having) or self.engines[:1]

    @contextmanager
    def suggest_embedded(self, name: str) -> Iterator[None]:
        """Name the embedded engine where Docker cannot be used, unless the deployment is one of Docker's."""
        try:
            yield
        except EngineUnavailable as error:
            if not self.was_on_docker(name):
                error.hint = "; ".join(filter(None, (error.hint, "--engine embedded leaves Docker out")))
            raise

    def engine_conflict(self, name: str, having: tuple[Engine, ...]) -> EngineConflict:
        """The error that asks which engine is meant."""
        first, second = (engine.traits.name for engine in having[:2])
        what = self.cli_target(name)
        return EngineConflict(
            f"{name} [{self.spec.env}] is on two engines, {first} and {second}: which one is meant?",
            hint=f"add --engine {first} or --engine {second}; deployer down {what} --engine {second} leaves the one on "
            f"{first}, and deployer status {what} shows both",
        )

    def cli_target(self, name: str) -> str:
        """What to type after a verb to mean the deployment of that name here."""
        project = f" --project {self.settings.project}" if self.settings.project else ""
        place = f" --state-dir {shlex.quote(str(self.settings.state_dir))}" if self.settings.state_dir else ""
        return f"{cli_name(name, self.spec.env)}{project}{place}"

    @property
    def has_source(self) -> bool:
        """Whether a model of the spec is exported from a source."""
        return any(model.source is not None for model in self.spec.models.values())

    @property
    def store_option(self) -> str:
        """What to type as well where a command reads the store: the store that was chosen by an option."""
        return f" --models-dir {shlex.quote(str(self.settings.models_dir))}" if self.settings.models_dir else ""

    def was_on_docker(self, name: str) -> bool:
        """By the folders of this working copy; those of releases before there were projects count, too."""
        from deployer.engines import run_dir

        mine = {(project, name, self.spec.env) for project in ("", self.spec.project or "")}
        return not mine.isdisjoint(run_dir.homes(self.spec.state_dir / "docker"))

    def with_spec(self, spec: Spec) -> Workspace:
        """The same with another spec."""
        return dataclasses.replace(self, spec=spec)

    def observe_all(self) -> tuple[Deployment, ...]:
        """Every deployment of every engine."""
        return tuple(found for engine in self.engines for found in engine.inventory.observe_all())

    def other_projects(self) -> tuple[Engine, ...]:
        """The engines as each other project sees them that has something there."""
        own = set(map(engine_key, self.engines))
        found = unique_engines(other for engine in self.engines for other in engine.inventory.other_projects())
        return tuple(other for other in found if engine_key(other) not in own)

    def client(self, deployment: Deployment) -> Client:
        """Speaks to that deployment's server; the same one each time, whose connections are there already."""
        from deployer.client.client import Client

        seconds = self.spec.gate.request_seconds
        client = Client(deployment.endpoints, seconds, deployment.gateway, ended=partial(self._ended, deployment))
        return self._clients.setdefault((deployment.release, client), client)

    def _ended(self, deployment: Deployment) -> str:
        """Why its server is not there any more; empty while it is."""
        engine = self.for_deployment(deployment.name).engine
        return engine.exit_reason(deployment) or ""

    @cached_property
    def _clients(self) -> dict[tuple[str, Client], Client]:
        return {}

    def deployment(self, name: str | None) -> Deployment:
        """The deployment of that name, or the one that `deployer.toml` describes. Raises DeploymentNotFound."""
        wanted = self.deployment_name(name)
        observed = self.for_deployment(wanted).engine.observe(wanted, self.spec.env)
        if observed is None:
            raise self.not_deployed_error(wanted)
        return observed

    def running_deployment(self, name: str | None) -> Deployment:
        """The same, to be asked something. Raises NotRunning where that is no use."""
        deployment = self.deployment(name)
        if stopped := stopped_component(deployment):
            raise not_running_error(deployment, stopped)
        return deployment

    def not_deployed_error(self, name: str) -> DeploymentNotFound:
        """The error that says what there is instead."""
        lost = [each for engine in self.engines for each in engine.inventory.lost(name, self.spec.env)]
        if lost:
            return DeploymentNotFound(
                f"the state directory of {name} [{self.spec.env}] is lost: its server, process {lost[0].pid}, runs on",
                hint=f"deployer down {self.cli_target(name)} ends it; after that, deployer up {self.cli_target(name)}",
            )
        from deployer.rollout.other_deployments import hint_for_other_projects, hint_for_project

        steps = self.next_steps(self.observe_all(), name)
        hints = (hint_for_project(self, name), steps, hint_for_other_projects(self, name))
        hint = "; ".join(filter(None, hints))
        return DeploymentNotFound(f"nothing is deployed as {name} [{self.spec.env}]", hint=hint)

    def next_steps(self, there: tuple[Deployment, ...] = (), name: str | None = None) -> str:
        """What to type where nothing is deployed as `name`, or nothing at all, and `there` is what is."""
        from deployer.rollout import next_steps

        return next_steps.deploy_hint(self.spec, there, name, self.settings.project or "", self.store_option)

    def deployment_name(self, name: str | None) -> str:
        """The name given, or the document's, or that of the only deployment there is."""
        if name is not None and ":" in name:
            base, _, version = name.partition(":")
            raise InvalidValue(
                f"a deployment is named without a version, and not {name[:100]!r}",
                hint=f"{base}; to serve that version: deployer redeploy {base} --version {version}",
            )
        if name is not None:
            return check_name(name, "deployment")
        if self.spec.name or self.spec.models:
            return self.spec.deployment
        deployed = self.observe_all()
        seen = (*deployed, *(lost for engine in self.engines for lost in engine.inventory.lost()))
        there = sorted({found.name for found in seen if found.env == self.spec.env})
        if len(there) == 1:
            return there[0]
        if there:
            raise InvalidValue(f"which of {', '.join(there)}?", hint="name one of them")
        raise DeploymentNotFound(f"nothing is deployed in [{self.spec.env}]", hint=self.next_steps(deployed))


def stopped_component(deployment: Deployment) -> str:
    """What of a deployment is not running, so that no request is answered; empty where all is."""
    if not deployment.running:
        return "server"
    return "gateway" if deployment.gateway and not deployment.gateway.running else ""


def not_running_error(deployment: Deployment, stopped: str) -> NotRunning:
    """The error that says so."""
    what, again = f"{deployment.name} [{deployment.env}]", cli_name(deployment.name, deployment.env)
    return NotRunning(
        f"{what} does not answer: its {stopped} is not running",
        hint=f"deployer up {again} starts it; deployer logs {again} shows its last words",
    )


def select_model(deployed: Deployment, name: str | None) -> ServedModel:
    """The model of that name, or the only one. Raises UsageError where there is none, or several to choose from."""
    names = [served.name for served in deployed.models]
    wanted = names[0] if name is None and len(names) == 1 else name
    for served in deployed.models:
        if served.name == wanted:
            return served
    problem = f"{deployed.name} serves no model {name}" if name else f"{deployed.name} serves several models"
    raise UsageError(problem, hint=f"--model one of: {', '.join(names)}")


def open_all_environments(settings: Settings) -> Workspace:
    """As `open_workspace`, with the engines of all environments, each once. Raises ConfigError, EngineUnavailable."""
    from deployer.config import loader

    chosen = settings.env or os.environ.get(f"{loader.PREFIX}ENV")
    names = dict.fromkeys((*loader.environments(settings.config), *((chosen,) if chosen else ())))
    opened = [open_workspace(dataclasses.replace(settings, env=env)) for env in names]
    return dataclasses.replace(opened[0], engines=unique_engines(engine for each in opened for engine in each.engines))


def unique_engines(found: Iterable[Engine]) -> tuple[Engine, ...]:
    """Engines that have the same deployments are one."""
    return tuple({engine_key(engine): engine for engine in found}.values())


def engine_key(engine: Engine) -> tuple[str, str, str]:
    """What tells whether two engines have the same deployments."""
    traits = engine.traits
    return traits.name, traits.id, traits.project


def open_workspace(settings: Settings) -> Workspace:
    """Read the configuration and choose the engine. Raises ConfigError, EngineUnavailable."""
    from deployer.config import loader

    spec = loader.load(settings.config, settings.env, settings.overrides())
    found = engines.usable(spec)
    return Workspace(spec, found.engines, settings, found.absence)
