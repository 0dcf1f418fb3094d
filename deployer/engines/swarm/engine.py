"""The Swarm engine: the servers of a deployment are the tasks of one Docker service, behind gateways.

A candidate is a service of its own. Its promotion is a rolling update of the service: each server is replaced by one
that runs before the old one ends, and Swarm rolls back by itself if a new one fails. The gateways find the servers by
the name of their service, so they hold the ports and change nothing.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property

from deployer.config.docker import Docker
from deployer.config.gateway import Gateway
from deployer.engines import flags
from deployer.engines.base import SERVING, Traits
from deployer.engines.docker.images import DockerImages
from deployer.engines.docker.locks import DockerLocks
from deployer.engines.docker.names import LABEL, MODELS_MOUNT
from deployer.engines.docker.sdk_arguments import recorded_settings
from deployer.engines.local import NoCopies
from deployer.engines.swarm import listing, logs, secrets
from deployer.engines.swarm import tasks as task_list
from deployer.engines.swarm.gateways import SwarmGateways
from deployer.engines.swarm.host import SwarmHost
from deployer.engines.swarm.inspection import RELEASE, Service, newest
from deployer.engines.swarm.inventory import SwarmInventory
from deployer.engines.swarm.observer import Observer
from deployer.engines.swarm.preflight import SwarmPreflight
from deployer.engines.swarm.promotion import Promotion
from deployer.engines.swarm.recovery import Recovery, last_accepted
from deployer.engines.swarm.scaling import Scaling
from deployer.engines.swarm.staging import Staging
from deployer.engines.swarm.tasks import Tasks
from deployer.errors import EngineError, SettingRefused
from deployer.results.deployment import Deployment, Memory
from deployer.results.launch import Launch, Rendered
from deployer.results.logs import LogLine
from deployer.results.served import ServedModel
from deployer.savedmodel.op_sets import target_of_image

NAME = listing.ENGINE
NOT_IN_SERVERS = ("replicas", "publish", "gateway_replicas", "gateway_constraints", "monitor_seconds")
"""Settings of `[swarm]` that take effect without a new server."""


@dataclass(frozen=True)
class SwarmEngine:
    """The Engine of a Swarm."""

    host: SwarmHost

    @cached_property
    def traits(self) -> Traits:
        """The traits, from the settings alone."""
        host = self.host.docker
        placed = {name: value for name, value in asdict(self.host.swarm).items() if name not in NOT_IN_SERVERS}
        return Traits(
            name=NAME,
            id=self._id(),
            project=host.project,
            state_dir=host.state_dir,
            zero_downtime=True,
            can_restart=True,
            tensorflow=target_of_image(host.settings.image),
            models_mount=MODELS_MOUNT,
            image=host.settings.image,
            in_image=True,
            replicated=True,
            address=host.canonical_address,
            selected_by=host.selected_by,
            fingerprint={
                **recorded_settings(host.settings, None),
                "swarm": json.loads(json.dumps(placed)),
                "environment": dict.fromkeys(sorted(host.settings.environment)),
            },
        )

    def _id(self) -> str:
        """Return the manager's address, or the error that every call to it will raise."""
        try:
            return self.host.docker.address
        except EngineError as error:
            return error.message

    @cached_property
    def locks(self) -> DockerLocks:
        return DockerLocks(self.host)

    @cached_property
    def inventory(self) -> SwarmInventory:
        return SwarmInventory(self.host, SwarmEngine)

    @cached_property
    def images(self) -> DockerImages:
        return DockerImages(self.host.docker)

    @cached_property
    def preflight(self) -> SwarmPreflight:
        return SwarmPreflight(self.host)

    @cached_property
    def copies(self) -> NoCopies:
        return NoCopies()

    @cached_property
    def gateways(self) -> SwarmGateways:
        return SwarmGateways(self.host, self.locks, self.observer)

    @cached_property
    def tasks(self) -> Tasks:
        """The waits for tasks."""
        return Tasks(self.host.api, self.host.docker.settings.pull_seconds)

    @cached_property
    def observer(self) -> Observer:
        """What the deployments are."""
        return Observer(self.host)

    def with_settings(self, settings: Docker, gateway: Gateway, temporary: tuple[str, ...]) -> SwarmEngine:
        before = self.host.docker
        docker = dataclasses.replace(before, settings=settings, gateway=gateway, temporary_gateway=temporary)
        if docker == before:
            return self
        vars(docker).update({name: vars(before)[name] for name in ("client", "machine") if name in vars(before)})
        engine = SwarmEngine(dataclasses.replace(self.host, docker=docker))
        vars(engine)["locks"] = self.locks
        return engine

    def observe(self, name: str, env: str) -> Deployment | None:
        return self.observer.serving(name, env)

    def foresee(self, name: str, env: str) -> Deployment | None:
        return self.observer.recovered(name, env)

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        return Recovery(self.host, self.tasks, name, env).run()

    def stage(self, launch: Launch) -> Deployment:
        """Start a service with one server, and one that brings its image to every node where servers may run."""
        flags.check(NAME, launch.flags)
        launch = dataclasses.replace(launch, project=self.host.project)
        release = Staging(self.host, self.tasks, self.traits.fingerprint).run(launch)
        return self.observer.require(launch.name, launch.env, release)

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """Replace the servers by servers like the candidate, one after another."""
        del seconds
        self.locks.check(candidate)
        if reason := self.exit_reason(candidate):
            raise EngineError(f"the candidate cannot be promoted: {reason}")

        def observe() -> Deployment:
            return self.observer.require(candidate.name, candidate.env, candidate.release)

        Promotion(self.host, self.tasks, candidate, observe, accept).run()
        return observe()

    def render(self, form: str, launch: Launch) -> Rendered:
        """Raise SettingRefused: services are made through the Engine API."""
        del launch
        raise SettingRefused(
            f"the swarm engine renders no {form}: its servers are services of a Docker Swarm",
            hint="deployer render compose --engine docker; or render k8s",
        )

    def leftovers(self, name: str, env: str) -> tuple[str, ...]:
        return Recovery(self.host, self.tasks, name, env).leftovers()

    def changed_variables(self, name: str, env: str) -> tuple[str, ...]:
        environment = self.host.docker.settings.environment
        hidden = secrets.secret_values(environment)
        server = self.host.state.services(name, env).server if environment else None
        service = last_accepted(server) if server else None
        if service is None:
            return ()
        known = json.loads(service.labels.get(f"{LABEL}environment", "[]"))
        current = dict(entry.partition("=")[::2] for entry in service.container.get("Env") or ())
        plain = {key: value for key, value in secrets.plain_values(environment).items() if key in known}
        changed = [key for key, value in sorted(plain.items()) if current.get(key) != value]
        changed += secrets.changed(self.host.api, service, {key: hidden[key] for key in hidden if key in known})
        return tuple(sorted(changed))

    def write_config(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        """Raise EngineError: the configuration is in the image."""
        del rendered, models
        raise _in_image_error(deployment)

    def mark_serving(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        """Raise EngineError: the models are in the image."""
        del models
        raise _in_image_error(deployment)

    def scale(self, deployment: Deployment, replicas: int) -> Deployment:
        """Change the number of tasks; if a new one does not run, return to the number before."""
        self.locks.check(deployment)
        Scaling(self.host, self.tasks).run(self._server(deployment), replicas)
        return self.observer.require(deployment.name, deployment.env, deployment.release)

    def _server(self, deployment: Deployment) -> Service:
        service = self.host.state.services(deployment.name, deployment.env).server
        if service is None or service.labels.get(RELEASE) != deployment.release:
            raise EngineError(f"the service of release {deployment.release} is gone", hint="run the command again")
        return service

    def discard(self, deployment: Deployment) -> None:
        services = self.host.state.services(deployment.name, deployment.env)
        of_candidate = services.candidate and services.candidate.labels.get(RELEASE) == deployment.release
        if of_candidate:
            self.host.state.remove_services(services.candidate, services.pull)
            Recovery(self.host, self.tasks, deployment.name, deployment.env).clear_unused()
        elif services.server and services.server.labels.get(RELEASE) == deployment.release:
            self.remove(deployment.name, deployment.env)

    def remove(self, name: str, env: str) -> None:
        """Remove the gateways, then the servers, secrets and the network."""
        host = self.host
        host.gateway.remove(name, env)
        services = host.state.services(name, env)
        host.state.remove_services(services.candidate, services.pull, services.server)
        Recovery(host, self.tasks, name, env).clear_unused()

    def exit_reason(self, deployment: Deployment) -> str | None:
        """Return why no server runs: the reason of the one that ended last."""
        service = self._service_of(deployment)
        if service is None:
            return "its service is gone"
        tasks = self.host.api.tasks(service)
        if any(task.is_current and not task.has_ended for task in tasks):
            return None
        last = newest(task for task in tasks if task.failed) or newest(tasks)
        return task_list.reason(last) if last else "it has no servers"

    def _service_of(self, deployment: Deployment) -> str | None:
        """Return the id of the service that runs the servers of a deployment."""
        services = self.host.state.services(deployment.name, deployment.env)
        for service in (services.server, services.candidate):
            if service is not None and service.labels.get(RELEASE) == deployment.release:
                return service.id
        return None

    def memory(self, deployment: Deployment) -> Memory | None:
        """Return None: the servers are on several machines, and a manager does not know what they use there."""
        del deployment
        return None

    def logs(
        self, deployment: Deployment, tail: int | None = None, *, follow: bool = False, since: float | None = None
    ) -> Iterator[LogLine]:
        """Yield the lines of every server, each with its number and its node; those of a candidate as they are."""
        service = self._service_of(deployment)
        if service is None:
            return
        if deployment.role == SERVING:
            yield from logs.of_service(self.host.api, service, tail, follow=follow, since=since)
            return
        for task in self.host.api.tasks(service)[:1]:
            yield from logs.of_task(self.host.api, task.id, tail, follow=follow, since=since)


def _in_image_error(deployment: Deployment) -> EngineError:
    return EngineError(
        f"{deployment.name} [{deployment.env}] has its models and configuration in its image, and cannot reload",
        hint="deployer up deploys another image",
    )
