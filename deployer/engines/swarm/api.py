"""The calls of the Engine API that are about a Swarm. The SDK has not all of them, and changes some arguments."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker.errors
from docker import DockerClient

from deployer.engines.docker import credentials
from deployer.engines.docker.api import CONFLICT, docker_errors
from deployer.engines.docker.credentials import DOCKER_HUB
from deployer.engines.docker.image_pull import HUB_HOSTS, registry
from deployer.engines.swarm.inspection import Answer, NodeInfo, Service, SwarmInfo, Task
from deployer.errors import EngineError, EngineUnavailable

NO_LEADER = re.compile(r"does not have a leader|no elected.*leader|lost.*quorum|too few managers", re.IGNORECASE)
NO_MANAGER = re.compile(r"not a swarm manager|not part of a swarm", re.IGNORECASE)
OUT_OF_SEQUENCE = "out of sequence"
"""The message about a version of a service that is not the last one."""

ATTEMPTS = 5
QUORUM_HINT = (
    "docker node ls on another manager; start the lost managers again, or docker swarm init --force-new-cluster "
    "on the last one"
)
MANAGER_HINT = "docker swarm init makes this engine a manager; or name a manager: docker.host, DOCKER_HOST"


@contextmanager
def swarm_errors(action: str) -> Iterator[None]:
    """Raise errors of calls to a manager as errors of this tool that name the action."""
    try:
        with docker_errors(action):
            yield
    except EngineUnavailable:
        raise
    except EngineError as error:
        if NO_LEADER.search(error.message):
            raise EngineUnavailable(
                f"{action}: the Swarm has lost its quorum: too few of its managers reach one another", hint=QUORUM_HINT
            ) from error
        if NO_MANAGER.search(error.message):
            raise EngineError(f"{action}: the Docker Engine is no manager of a Swarm", hint=MANAGER_HINT) from error
        raise


@dataclass(frozen=True)
class SwarmApi:
    """The calls to one manager; each has the deadline of the client."""

    client: DockerClient

    def info(self) -> SwarmInfo:
        """Return what the engine says about its Swarm."""
        with swarm_errors("looking at the Swarm"):
            return SwarmInfo.parse(self.client.api.info())

    def services(self, *labels: str) -> tuple[Service, ...]:
        """Return the services that have all these labels, NAME or NAME=VALUE."""
        with swarm_errors("listing services"):
            answers = self._get("/services", {"filters": _filters(label=labels), "status": "true"})
        return tuple(map(Service.parse, answers))

    def service(self, name: str) -> Service | None:
        """Return a service by its name or id; None without one."""
        with swarm_errors(f"looking at the service {name}"):
            try:
                return Service.parse(self._get(f"/services/{name}"))
            except docker.errors.NotFound:
                return None

    def create_service(self, spec: Mapping[str, object]) -> str:
        """Create a service, and return its id."""
        with swarm_errors(f"creating the service {spec['Name']}"):
            return str(self._post("/services/create", spec, headers=registry_auth(_image(spec)))["ID"])

    def update_service(self, service: Service, spec: Mapping[str, object]) -> None:
        """Give a service another specification. Raise EngineError if that has changed since it was read."""
        headers = registry_auth(_image(spec))
        with swarm_errors(f"updating the service {service.name}"):
            self._update(service, spec, {}, headers)

    def roll_back_service(self, service: Service) -> None:
        """Return a service to its specification before the last update."""
        query = {"rollback": "previous", "registryAuthFrom": "previous-spec"}
        with swarm_errors(f"rolling back the service {service.name}"):
            self._update(service, service.spec, query)

    def _update(
        self,
        service: Service,
        spec: Mapping[str, object],
        query: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Update a service. The Swarm itself also makes new versions of it, without another specification."""
        current: Service | None = service
        for attempt in range(ATTEMPTS):
            if current is None or current.spec != service.spec:
                break
            try:
                self._post(f"/services/{service.id}/update", spec, {**query, "version": current.version}, headers)
            except docker.errors.APIError as error:
                if OUT_OF_SEQUENCE not in str(error.explanation) or attempt == ATTEMPTS - 1:
                    raise
                current = self.service(service.id)
            else:
                return
        raise EngineError(f"another command has changed the service {service.name}", hint="run the command again")

    def remove_service(self, name: str) -> None:
        """Remove a service by its name or id; no error if it is gone."""
        with swarm_errors(f"removing the service {name}"), contextlib.suppress(docker.errors.NotFound):
            self._delete(f"/services/{name}")

    def tasks(self, service: str) -> tuple[Task, ...]:
        """Return the tasks of a service by its name or id, newest first; none without the service."""
        with swarm_errors(f"listing the tasks of {service}"):
            try:
                answers = self._get("/tasks", {"filters": _filters(service=(service,))})
            except docker.errors.NotFound:
                return ()
        return tuple(sorted(map(Task.parse, answers), key=lambda task: task.created, reverse=True))

    def task(self, task_id: str) -> Task | None:
        """Return a task; None if Swarm does not know it any more."""
        with swarm_errors("looking at a task"):
            try:
                return Task.parse(self._get(f"/tasks/{task_id}"))
            except docker.errors.NotFound:
                return None

    def nodes(self) -> dict[str, NodeInfo]:
        """Return the nodes of the Swarm by their id."""
        with swarm_errors("listing nodes"):
            return {each["ID"]: NodeInfo.parse(each) for each in self._get("/nodes")}

    def objects(self, kind: str, *labels: str) -> tuple[Answer, ...]:
        """Return the `secrets` or `configs` that have all these labels."""
        with swarm_errors(f"listing {kind}"):
            return tuple(self._get(f"/{kind}", {"filters": _filters(label=labels)}))

    def find_object(self, kind: str, name: str) -> Answer | None:
        """Return a secret or config by its name or id; None without one."""
        with swarm_errors(f"looking at {name}"):
            try:
                answer: Answer = self._get(f"/{kind}/{name}")
            except docker.errors.NotFound:
                return None
        return answer

    def create_object(self, kind: str, name: str, labels: Mapping[str, str], data: bytes) -> str | None:
        """Create a secret or config, and return its id; None if the name exists."""
        with swarm_errors(f"creating {name}"):
            body = {"Name": name, "Labels": dict(labels), "Data": base64.b64encode(data).decode()}
            try:
                return str(self._post(f"/{kind}/create", body)["ID"])
            except docker.errors.APIError as error:
                if error.status_code == CONFLICT:
                    return None
                raise

    def label_object(self, kind: str, found: Answer, labels: Mapping[str, str]) -> None:
        """Give a secret or config other labels: nothing else of it can be changed."""
        with swarm_errors(f"updating {found['Spec']['Name']}"):
            body = {**found["Spec"], "Labels": dict(labels)}
            self._post(f"/{kind}/{found['ID']}/update", body, {"version": found["Version"]["Index"]})

    def remove_object(self, kind: str, identity: str) -> None:
        """Remove a secret or config by its name or id; no error if it is gone."""
        with swarm_errors(f"removing {identity}"), contextlib.suppress(docker.errors.NotFound):
            self._delete(f"/{kind}/{identity}")

    def _get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        api = self.client.api
        return api._result(api._get(api._url(path), params=query), True)

    def _post(
        self,
        path: str,
        body: Mapping[str, object],
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        api = self.client.api
        answer = api._post(api._url(path), json=body, params=query, headers=headers)
        api._raise_for_status(answer)
        return answer.json() if answer.content else {}

    def _delete(self, path: str) -> None:
        api = self.client.api
        api._raise_for_status(api._delete(api._url(path)))


def registry_auth(image: str) -> dict[str, str]:
    """Return the header with this user's credentials for the registry of an image, which nodes pull with."""
    place = registry(image)
    login = credentials.for_registry(DOCKER_HUB if place in HUB_HOSTS else place)
    if not login.auth:
        return {}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(dict(login.auth)).encode()).decode()}


def _image(spec: Mapping[str, Any]) -> str:
    return str(spec["TaskTemplate"]["ContainerSpec"]["Image"])


def _filters(**values: tuple[str, ...]) -> str:
    return json.dumps({name: list(each) for name, each in values.items() if each})
