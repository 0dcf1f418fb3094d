"""The service of a deployment's gateway: created, updated, restored, observed and removed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deployer.config.gateway import Gateway
from deployer.config.swarm import Swarm
from deployer.engines import run_dir
from deployer.engines.docker.gateway import config as shared_config
from deployer.engines.docker.gateway import tokens
from deployer.engines.docker.names import LABEL
from deployer.engines.swarm.api import SwarmApi
from deployer.engines.swarm.gateway import access, files, spec, tasks, undo
from deployer.engines.swarm.gateway.access import Access, Certificate
from deployer.engines.swarm.gateway.config import GatewayConfig, Route
from deployer.engines.swarm.gateway.files import CERTIFICATE, CONFIGS, FILE, SECRETS, TOKEN, File, Owner
from deployer.engines.swarm.gateway.undo import DIGEST, SETTINGS, TRIAL, Fate
from deployer.engines.swarm.gateway.waiting import Waiting, find_holder
from deployer.engines.swarm.inspection import RELEASE, Service
from deployer.engines.swarm.names import GATEWAY, service_name
from deployer.errors import ConfigError, SettingRefused, TemplateError
from deployer.results.deployment import Gateway as GatewayState
from deployer.results.launch import digest_of_parts

TEMPORARY = f"{LABEL}temporary"
USED_CERTIFICATE = f"{LABEL}gateway_certificate"
CHANGE = f"{LABEL}change"
"""The label with another value for each `ensure`, so that each is an update which `restore` can undo."""

NO_TOKENS = File(shared_config.TOKENS, SECRETS, "# no client has a token\n")
"""The file of the tokens without any: a secret cannot be empty, and HAProxy skips this line."""

REMOVAL_GRACE_SECONDS = 30.0
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - nodes publish on all addresses


@dataclass(frozen=True)
class SwarmGateway:
    """The gateways of a project's deployments on one Swarm; `cors`: whether servers answer scripts of any web page."""

    api: SwarmApi
    settings: Gateway
    swarm: Swarm
    project: str
    state_dir: Path
    templates_dir: Path | None = None
    cors: bool = False
    temporary: tuple[str, ...] = ()
    """The settings that variables set."""

    def digest(self, name: str, env: str, host: str) -> str:
        """Return the digests of GATEWAY_PARTS; create nothing. Raise ConfigError, SettingRefused, TemplateError."""
        owner = self._owner(name, env)
        self._check_mode(self._service(owner))
        certificate: object = self.settings.tls
        if self.settings.tls:
            certificate = self._certificate_identity(owner)
        placement: list[object] = [self.swarm.publish, self.swarm.gateway_constraints]
        if self.swarm.publish == "ingress":
            placement.append(self.swarm.gateway_replicas)
        return digest_of_parts(
            self.settings.image,
            self._config.text(service_name(self.project, name, env), name, ""),
            shared_config.token_hashes(self.settings),
            certificate,
            [host, placement],
        )

    def new_certificate(self, name: str, env: str, *, stays: bool) -> Path | None:
        """Return the file of the self-signed certificate that the next `ensure` creates; None if it creates none.

        `stays` is whether the one that is there is still there then.
        """
        settings, owner = self.settings, self._owner(name, env)
        if not settings.enabled or not settings.tls or (settings.certificate and settings.key):
            return None
        if stays and Access(self.api, owner).self_signed(self._hosts()):
            return None
        return self._directory(owner) / shared_config.CERTIFICATE

    def self_signed(self, name: str, env: str) -> Path | None:
        """Return the file of the self-signed certificate; None without one."""
        owner = self._owner(name, env)
        has_one = Access(self.api, owner).self_signed(self._hosts()) is not None
        return self._directory(owner) / shared_config.CERTIFICATE if has_one else None

    def ensure(self, name: str, env: str, route: Route, labels: Mapping[str, str]) -> None:
        """Create or update the service, and wait until its tasks run. What failed is undone.

        Raises PortTaken or EngineError with the node and its message, ConfigError, SettingRefused, TemplateError.
        """
        owner = self._owner(name, env)
        service = self._service(owner)
        self._check_mode(service)
        self._check_ports(owner, route)
        is_first = service is None and not Access(self.api, owner).token()
        desired = self._spec(owner, route, labels)
        waiting = Waiting(self.api, owner.object_name(GATEWAY), route.ports)
        if service is None:
            self._create(owner, desired, waiting, is_first=is_first)
        else:
            self._update(service, desired, waiting)
        self.prune(name, env)

    def restore(self, name: str, env: str) -> None:
        """Return to the service as it was before the last `ensure`, with the newer tokens; no error without one."""
        service = self._service(self._owner(name, env))
        left = undo.former(service) if service else None
        if service is None or left is None:
            return
        restarts, waiting = spec.restarts(service, left), Waiting(self.api, service.name, (0, 0))
        if not restarts:
            waiting.for_end_of_update()
        if undo.keeps_tokens(service):
            self._update(service, left, waiting)
            return
        self.api.roll_back_service(service)
        if restarts:
            waiting.for_rollback()

    def fate(self, service: Service, name: str, env: str) -> Fate | None:
        """Return what recovery does about a gateway; None if its settings were accepted."""
        if TRIAL not in service.labels:
            return None
        try:
            desired = self.digest(name, env, ANY_ADDRESS)
        except (ConfigError, SettingRefused, TemplateError):  # a command that needs no gateway may run nevertheless
            desired = None
        return undo.fate(service, desired)

    def complete(self, name: str, env: str) -> bool:
        """Accept settings once Swarm has replaced the tasks; return False if Swarm has undone them by itself."""
        owner = self._owner(name, env)
        Waiting(self.api, owner.object_name(GATEWAY), (0, 0)).for_end_of_update()
        service = self._service(owner)
        is_done = service is not None and TRIAL in service.labels
        self.accept(name, env)
        return is_done

    def accept(self, name: str, env: str) -> None:
        """Take the mark TRIAL from the service; no task is started again for it."""
        service = self._service(self._owner(name, env))
        if service is not None and TRIAL in service.labels:
            labels = {key: value for key, value in service.labels.items() if key != TRIAL}
            self.api.update_service(service, {**service.spec, "Labels": labels})

    def observe(self, name: str, env: str, undone: str = "") -> GatewayState | None:
        """Return the gateway of a deployment; None without one.

        If the `undone` release has updated it, it is as `restore` leaves it.
        """
        owner = self._owner(name, env)
        services = self.api.services(*owner.filters(GATEWAY))
        service = next((each for each in services if each.name == owner.object_name(GATEWAY)), None)
        if service is None:
            return None
        left = undo.former(service) if undone and service.labels.get(RELEASE) == undone else None
        if left is not None:
            service = replace(service, spec=left)
        reached = Access(self.api, owner)
        token, certificate = reached.token(), reached.certificate(service.labels.get(USED_CERTIFICATE))
        token_path, certificate_path = access.save(self._directory(owner), token, certificate)
        settings = json.loads(service.labels.get(SETTINGS) or "{}")
        is_lost = not token or (USED_CERTIFICATE in service.labels and certificate is None)
        return GatewayState(
            digest="" if is_lost else service.labels.get(DIGEST, ""),
            running=service.running > 0,
            token=token_path,
            certificate=certificate_path,
            guarded=bool(settings.get("tokens")),
            closed=files.name_of(owner, NO_TOKENS) in files.referenced(replace(service, previous=None)),
            settings=settings,
            temporary_settings=tuple(json.loads(service.labels.get(TEMPORARY) or "[]")),
        )

    def gone(self, name: str, env: str) -> GatewayState:
        """Return the gateway of a deployment whose service somebody has removed."""
        directory = self._directory(self._owner(name, env))
        return GatewayState(digest="", running=False, token=directory / access.TOKEN_FILE)

    def nodes(self, name: str, env: str) -> tuple[tuple[str, str], ...]:
        """Return names and addresses of the nodes where the gateway runs, sorted by name."""
        return tasks.running_nodes(self.api, self._owner(name, env).object_name(GATEWAY))

    def remove(self, name: str, env: str) -> None:
        """Remove the service, its configs and secrets, and the local copies; wait until its tasks have ended."""
        owner = self._owner(name, env)
        self._remove_service(owner)
        files.prune(self.api, owner, (), (FILE, TOKEN, CERTIFICATE))
        access.delete(self._directory(owner))

    def _remove_service(self, owner: Owner) -> None:
        if service := self._service(owner):
            tasks.remove(self.api, service.id, self.swarm.drain_seconds + REMOVAL_GRACE_SECONDS)

    def prune(self, name: str, env: str) -> None:
        """Remove configs and secrets that neither the service uses nor the one that `restore` returns to.

        Without a service, the certificates stay: clients trust them, and the next gateway takes one.
        """
        owner = self._owner(name, env)
        service = self._service(owner)
        used = files.referenced(service)
        kept = [each for each in Access(self.api, owner).certificates() if service is None or each.key in used]
        names = {name for each in kept for name in (each.name, each.key)}
        files.prune(self.api, owner, used | names, (FILE, CERTIFICATE))

    def _create(self, owner: Owner, desired: dict[str, Any], waiting: Waiting, *, is_first: bool) -> None:
        """Create the service. After an error, what it mounts stays if it is of an earlier one, which is gone."""
        self.api.create_service(desired)
        try:
            waiting.for_creation()
        except BaseException:
            if is_first:
                self.remove(owner.name, owner.env)
            else:
                self._remove_service(owner)
                self.prune(owner.name, owner.env)
            raise

    def _update(self, service: Service, desired: Mapping[str, Any], waiting: Waiting) -> None:
        known = frozenset(task.id for task in self.api.tasks(service.id))
        self.api.update_service(service, desired)
        if spec.restarts(service, desired):
            waiting.for_update(known)

    def _spec(self, owner: Owner, route: Route, labels: Mapping[str, str]) -> dict[str, Any]:
        """Return the specification of the service; create the configs and secrets that it mounts."""
        reached = Access(self.api, owner)
        token = reached.ensure_token()
        text = self._config.text(route.service, owner.name, tokens.hash_token(token))
        mounts = [files.ensure(self.api, owner, File(spec.CONFIG_FILE, CONFIGS, text))]
        if self.settings.tokens:
            known = shared_config.tokens_file(self.settings)
            file = File(shared_config.TOKENS, SECRETS, known) if known else NO_TOKENS
            mounts.append(files.ensure(self.api, owner, file))
        certificate = None
        if self.settings.tls:
            certificate = reached.ensure_certificate(self.settings, self._hosts())
            mounts.append(reached.key_file(certificate))
        return spec.GatewaySpec(self._gateway, self.swarm).service(
            owner.object_name(GATEWAY),
            {**labels, **self._labels(owner, route, certificate)},
            replace(route, network=tasks.network_id(self.api, route.network)),
            mounts,
        )

    def _labels(self, owner: Owner, route: Route, certificate: Certificate | None) -> dict[str, str]:
        labels = {
            **owner.labels(GATEWAY),
            DIGEST: self.digest(owner.name, owner.env, ANY_ADDRESS),
            SETTINGS: json.dumps(self.settings.plain),
            TEMPORARY: json.dumps(self.temporary),
            CHANGE: run_dir.new_release_id(),
            f"{LABEL}rest_port": str(route.rest_port),
            f"{LABEL}grpc_port": str(route.grpc_port),
        }
        return {**labels, USED_CERTIFICATE: certificate.name} if certificate else labels

    @property
    def _gateway(self) -> Gateway:
        # A gateway serves as long as the servers behind it.
        return replace(self.settings, drain_seconds=self.swarm.drain_seconds)

    @property
    def _config(self) -> GatewayConfig:
        return GatewayConfig(self._gateway, self.templates_dir, self.cors, self.swarm.publish == "ingress")

    def _certificate_identity(self, owner: Owner) -> object:
        from deployer.engines.docker.gateway import tls  # imports cryptography

        if self.settings.certificate and self.settings.key:
            return tls.load_key_pair(self.settings.certificate, self.settings.key).identity
        found = Access(self.api, owner).self_signed(self._hosts())
        return found.name if found else True

    def _hosts(self) -> tuple[str, ...]:
        """Return the names and addresses of all nodes, which a certificate of the tool's own is for."""
        nodes = self.api.nodes().values()
        return tuple(sorted({text for node in nodes for text in (node.name, node.address) if text}))

    def _check_ports(self, owner: Owner, route: Route) -> None:
        """Raise PortTaken for a port that another service holds on a node; with constraints, Swarm finds that out."""
        if not self.swarm.gateway_constraints and (
            taken := find_holder(self.api, owner.object_name(GATEWAY), route.ports)
        ):
            raise taken

    def _check_mode(self, service: Service | None) -> None:
        """Raise SettingRefused if the service would have to be of the other mode: Swarm cannot change that."""
        if service is None or ("Replicated" in service.spec["Mode"]) == (self.swarm.publish == "ingress"):
            return
        raise SettingRefused(
            "it cannot be changed while the deployment exists",
            key="swarm.publish",
            hint="deployer down, then deployer up",
        )

    def _service(self, owner: Owner) -> Service | None:
        return self.api.service(owner.object_name(GATEWAY))

    def _owner(self, name: str, env: str) -> Owner:
        return Owner(self.project, name, env)

    def _directory(self, owner: Owner) -> Path:
        return (self.state_dir / "gateway" / run_dir.env_dir_name(owner.project, owner.env) / owner.name).resolve()
