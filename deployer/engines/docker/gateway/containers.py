"""The containers of a deployment's gateway: started, replaced without closing a port, revived, removed.

A gateway that replaces another takes its listening sockets through the kernel. Then the old one stops accepting,
finishes its requests, and ends. So clients never find the ports closed.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass

import docker.errors
from docker.models.containers import Container
from docker.types import Ulimit

from deployer.engines import run_dir
from deployer.engines.docker.api import CONFLICT, docker_errors, remove_container
from deployer.engines.docker.gateway.addresses import check_unprivileged
from deployer.engines.docker.gateway.admin import Admin
from deployer.engines.docker.gateway.config import GatewayConfig, Listen
from deployer.engines.docker.gateway.directory import ACTIVE, MOUNT, PREDECESSOR, SOCKET, GatewayDir
from deployer.engines.docker.inspection import ContainerSummary
from deployer.engines.docker.listing import GatewayContainer, gateways
from deployer.engines.docker.names import LABEL, PROJECT, gateway_name
from deployer.engines.docker.state import DockerState
from deployer.errors import EngineError
from deployer.system.wait import Deadline, wait_until

STOP_SIGNAL = "SIGUSR1"
ALREADY_EXITED = "container not running"
"""The engine's message about a container that has ended unnoticed."""
READY_SECONDS = 20.0
GRACE_SECONDS = 5
LOG_LINES = 15
FILES_PER_CONNECTION = 3
SCRIPT = f"""
cd "$1" || exit
if [ -S {PREDECESSOR}/{SOCKET} ]; then exec haproxy -db -f "$1/{ACTIVE}" -x "$1/{PREDECESSOR}/{SOCKET}"; fi
exec haproxy -db -f "$1/{ACTIVE}"
"""
"""The entrypoint. HAProxy ends at once if it should take sockets from a missing process, as after a restart."""


@dataclass(frozen=True)
class GatewayContainers:
    """The gateway of one deployment; `config` is its configuration, `directory` its files."""

    state: DockerState
    config: GatewayConfig
    name: str
    env: str
    directory: GatewayDir
    restart: str
    temporary: tuple[str, ...] = ()
    """The settings that variables set."""

    def all(self) -> tuple[GatewayContainer, ...]:
        """Return every container of the gateway."""
        return self.state.gateways(self.name, self.env)

    def active(self) -> GatewayContainer | None:
        """Return the container that holds the ports, running or not."""
        return next((gateway for gateway in self.all() if gateway.active), None)

    def matches(self, gateway: GatewayContainer, listen: Listen) -> bool:
        """Return whether a container runs with the current configuration and address."""
        listens = (gateway.host, gateway.rest_port, gateway.grpc_port) == (
            listen.host,
            listen.rest_port,
            listen.grpc_port,
        )
        return listens and gateway.running and gateway.digest == self.config.digest(self.directory, listen.host)

    def start(self, listen: Listen, slot: str, predecessor: GatewayContainer | None) -> GatewayContainer:
        """Start a gateway, which takes over the ports of its predecessor. Raise EngineError with the gateway's log."""
        ports = self.state.machine.ports
        for key, port in (("server.rest_port", listen.rest_port), ("server.grpc_port", listen.grpc_port)):
            check_unprivileged(key, port, ports.first_unprivileged())
            if predecessor is None:
                ports.check_free(listen.host, port)
        generation = run_dir.new_release_id()
        try:
            self.directory.make(generation, slot, self.config.files(self.directory, generation, listen))
            self.directory.set_predecessor(generation, predecessor.generation if predecessor else None)
            with docker_errors(f"starting the gateway of {self.name}"):
                created = self.state.client.containers.create(**self._creation(listen, generation))
                return self._start(created)
        except BaseException:
            self.discard(generation)
            raise

    def admin(self, gateway: GatewayContainer) -> Admin:
        """Return the runtime interface of a container."""
        return Admin(self.directory.generation_dir(gateway.generation), self.directory.ask)

    def stop_accepting(self, gateway: GatewayContainer) -> None:
        """Stop new connections; the container ends after its last request."""
        count_listeners = self.state.machine.ports.count_listeners
        listeners = count_listeners(gateway.rest_port) if gateway.lost else 0
        with docker_errors(f"stopping the gateway of {self.name}"):
            container = self.state.client.containers.get(gateway.id)
            _disable_restart(container)
            _signal_stop(container)
        admin = self.admin(gateway)

        def accepts() -> bool:
            if not gateway.lost:
                return admin.accepts_requests()
            # Only its port tells; another gateway may listen there, too.
            return count_listeners(gateway.rest_port) >= listeners > 0

        wait_until(lambda: not accepts(), Deadline.after(READY_SECONDS))

    def retire(self, gateway: GatewayContainer) -> None:
        """Let a container finish its requests, and remove it."""
        with docker_errors(f"stopping a gateway of {self.name}"), contextlib.suppress(docker.errors.NotFound):
            self._stop(self.state.client.containers.get(gateway.id), gateway)
        self._remove_container(gateway)

    def _remove_container(self, gateway: GatewayContainer) -> None:
        with docker_errors(f"removing a gateway of {self.name}"), contextlib.suppress(docker.errors.NotFound):
            remove_container(self.state.client.containers.get(gateway.id))

    def discard(self, generation: str) -> None:
        """Remove a gateway that was not accepted, and its files."""
        for gateway in self.all():
            if gateway.generation == generation:
                self.retire(gateway)
        self.directory.drop(generation)

    def retire_others(self, keep: GatewayContainer | None) -> None:
        """Remove all containers but one, and their files."""
        for gateway in self.all():
            if keep is None or gateway.id != keep.id:
                self.retire(gateway)
        self.directory.prune({keep.generation} if keep else set())

    def revive(self, gateway: GatewayContainer) -> None:
        """Have a container accept requests again, with the sockets of another one that does."""
        accepting = [other for other in self.all() if other.id != gateway.id and self.admin(other).accepts_requests()]
        with docker_errors(f"bringing the gateway of {self.name} back"):
            container = self.state.client.containers.get(gateway.id)
            self._stop(container, gateway)
            self.directory.set_predecessor(gateway.generation, accepting[0].generation if accepting else None)
            self._start(container)

    def finalize(self, gateway: GatewayContainer) -> None:
        """Remove every other container, and give this one the usual name."""
        self.retire_others(keep=gateway)
        with docker_errors(f"naming the gateway of {self.name}"):
            container = self.state.client.containers.get(gateway.id)
            if container.name != (name := gateway_name(self.state.project, self.name, self.env)):
                container.rename(name)

    def remove(self) -> None:
        """Remove every container and its files; idle connections are not waited for. An accepted certificate stays."""
        self.directory.deactivate()
        for gateway in self.all():
            if gateway.running:
                self.stop_accepting(gateway)
                self._await_idle(gateway)
            self._remove_container(gateway)
        self.directory.clear()

    def _await_idle(self, gateway: GatewayContainer) -> None:
        """Wait until a gateway has no request in flight; one that cannot be asked, until it has ended."""
        if gateway.lost:
            self._wait_for(self.state.client.containers.get(gateway.id), self.config.settings.drain_seconds)
        else:
            self.admin(gateway).await_idle(self.config.settings.drain_seconds)

    def _stop(self, container: Container, gateway: GatewayContainer) -> None:
        """Stop a container once its requests have ended; kill it after the drain time."""
        allowed = self.config.settings.drain_seconds + GRACE_SECONDS
        container.reload()
        if container.status == "running" and not gateway.lost and not self.admin(gateway).accepts_requests():
            self._wait_for(container, allowed)
        container.stop(timeout=allowed)

    def _wait_for(self, container: Container, seconds: float) -> None:
        def ended() -> bool:
            container.reload()
            return bool(container.status != "running")

        wait_until(ended, Deadline.after(seconds))

    def _start(self, container: Container) -> GatewayContainer:
        """Start a container, wait until it accepts requests, and enable its restart."""
        container.start()
        gateway = gateways([ContainerSummary(id=container.id, labels=container.labels, running=True)])[0]
        admin = self.admin(gateway)
        wait_until(lambda: admin.accepts_requests() or not self._runs(container), Deadline.after(READY_SECONDS))
        if not admin.accepts_requests():
            log = container.logs(tail=LOG_LINES).decode("utf-8", "replace").splitlines()
            container.remove(force=True)
            raise EngineError(f"the gateway of {self.name} did not start", hint=_remedy(log), log=tuple(log))
        admin.check()
        self.directory.set_predecessor(gateway.generation, None)
        container.update(restart_policy={"Name": self.restart})
        return gateway

    def _runs(self, container: Container) -> bool:
        container.reload()
        return bool(container.status == "running")

    def _creation(self, listen: Listen, generation: str) -> dict[str, object]:
        # Hardened as the servers are.
        files = FILES_PER_CONNECTION * self.config.settings.max_connections + 256
        return {
            "image": self.config.settings.image,
            "name": f"{gateway_name(self.state.project, self.name, self.env)}-{generation}",
            "entrypoint": ["sh", "-c", SCRIPT, "gateway"],
            "command": [f"{MOUNT}/{generation}"],
            "labels": self._labels(listen, generation),
            "network_mode": "host",  # a published port costs more than the proxy
            "userns_mode": "host",
            "mounts": [self.directory.mount],
            "init": True,
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "user": "{}:{}".format(*self.directory.owner),
            "pids_limit": 512,
            "ulimits": [Ulimit(name="nofile", soft=files, hard=files)],
            "stop_signal": STOP_SIGNAL,
            "log_config": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        }

    def _labels(self, listen: Listen, generation: str) -> dict[str, str]:
        return {
            **({PROJECT: self.state.project} if self.state.project else {}),
            f"{LABEL}name": self.name,
            f"{LABEL}env": self.env,
            f"{LABEL}role": "gateway",
            f"{LABEL}generation": generation,
            f"{LABEL}gateway": str(self.directory.path),
            f"{LABEL}gateway_digest": self.config.digest(self.directory, listen.host),
            f"{LABEL}host": listen.host,
            f"{LABEL}rest_port": str(listen.rest_port),
            f"{LABEL}grpc_port": str(listen.grpc_port),
            f"{LABEL}settings": json.dumps(self.config.settings.plain),
            f"{LABEL}temporary": json.dumps(self.temporary),
        }


def _disable_restart(container: Container) -> None:
    """Disable the restart of a container, also of one that is ending: the engine refuses that for a moment."""

    def changed() -> bool:
        try:
            container.update(restart_policy={"Name": "no"})
        except docker.errors.APIError as error:
            if ALREADY_EXITED not in str(error.explanation):
                raise
            return False
        return True

    if not wait_until(changed, Deadline.after(READY_SECONDS)):
        raise EngineError(f"{container.name} neither ends nor can be changed", hint="run the command again")


def _signal_stop(container: Container) -> None:
    """Tell a container to stop; no error if it has ended."""
    try:
        container.kill(STOP_SIGNAL)
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT:
            raise


def _remedy(log: list[str]) -> str:
    if any("cannot bind" in line for line in log):
        return "another process listens on the port: choose another one"
    return "check [gateway], gateway.image, and haproxy.cfg.j2 if it is your own"
