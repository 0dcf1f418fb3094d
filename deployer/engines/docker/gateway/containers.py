"""The containers of a deployment's gateway: started, replaced without a closed port, brought back, removed.

A gateway that replaces another gets its listening sockets from it, through the kernel; then the other one is told to
stop, finishes what it has, and ends. So nobody finds the ports closed.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from deployer.engines import run_dir
from deployer.engines.docker.api import CONFLICT, docker_errors, remove_container
from deployer.engines.docker.gateway.admin import Admin
from deployer.engines.docker.gateway.config import MOUNT, GatewayConfig, Listen
from deployer.engines.docker.gateway.directory import ACTIVE, PREDECESSOR, SOCKET, GatewayDir, owner
from deployer.engines.docker.listing import GatewayContainer, gateways
from deployer.engines.docker.names import LABEL, PROJECT, container_name
from deployer.engines.docker.state import DockerState
from deployer.engines.ports import check_free
from deployer.errors import EngineError, SettingRefused
from deployer.system.wait import Deadline, wait_until

STOP_SIGNAL = "SIGUSR1"
ALREADY_EXITED = "container not running"
"""What the engine says of a container that has ended, which it has not noticed yet."""
READY_SECONDS = 20.0
GRACE_SECONDS = 5
LOG_LINES = 15
FILES_PER_CONNECTION = 3
SCRIPT = f"""
cd "$1" || exit
if [ -S {PREDECESSOR}/{SOCKET} ]; then exec haproxy -db -f "$1/{ACTIVE}" -x "$1/{PREDECESSOR}/{SOCKET}"; fi
exec haproxy -db -f "$1/{ACTIVE}"
"""
"""HAProxy ends at once when it is told to take sockets from one that is gone, as after a restart."""


@dataclass(frozen=True)
class GatewayContainers:
    """The gateway of one deployment; `config` is what it should be."""

    state: DockerState
    config: GatewayConfig
    name: str
    env: str
    directory: GatewayDir
    restart: str

    def all(self) -> tuple[GatewayContainer, ...]:
        """Every container of it."""
        return self.state.gateways(self.name, self.env)

    def active(self) -> GatewayContainer | None:
        """The one that holds the ports, running or not."""
        return next((gateway for gateway in self.all() if gateway.active), None)

    def matches(self, gateway: GatewayContainer, listen: Listen) -> bool:
        """Whether it runs and is what is wanted, where it is wanted."""
        listens = (gateway.host, gateway.rest_port, gateway.grpc_port) == (
            listen.host,
            listen.rest_port,
            listen.grpc_port,
        )
        return listens and gateway.running and gateway.digest == self.config.digest(self.directory, listen.host)

    def start(self, listen: Listen, slot: str, predecessor: GatewayContainer | None) -> GatewayContainer:
        """A new one, on the ports of the one before where there is one. Raises EngineError with its own words."""
        for port in (listen.rest_port, listen.grpc_port):
            _check_unprivileged(port)
            if predecessor is None:
                check_free(listen.host, port)
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
        """Speaks to it."""
        return Admin(self.directory.generation_dir(gateway.generation))

    def stop_accepting(self, gateway: GatewayContainer) -> None:
        """It takes no more connections, and ends when its last request has ended."""
        with docker_errors(f"stopping the gateway of {self.name}"):
            container = self.state.client.containers.get(gateway.id)
            _disable_restart(container)
            _signal_stop(container)
        admin = self.admin(gateway)
        wait_until(lambda: not admin.accepts_requests(), Deadline.after(READY_SECONDS))

    def retire(self, gateway: GatewayContainer) -> None:
        """Let it end what it has, and remove it."""
        import docker.errors

        with docker_errors(f"stopping a gateway of {self.name}"), contextlib.suppress(docker.errors.NotFound):
            self._stop(self.state.client.containers.get(gateway.id), gateway)
        self._remove_container(gateway)

    def _remove_container(self, gateway: GatewayContainer) -> None:
        import docker.errors

        with docker_errors(f"removing a gateway of {self.name}"), contextlib.suppress(docker.errors.NotFound):
            remove_container(self.state.client.containers.get(gateway.id))

    def discard(self, generation: str) -> None:
        """One that was not accepted, with its folder."""
        for gateway in self.all():
            if gateway.generation == generation:
                self.retire(gateway)
        self.directory.drop(generation)

    def retire_others(self, keep: GatewayContainer | None) -> None:
        """All but one, with their folders."""
        for gateway in self.all():
            if keep is None or gateway.id != keep.id:
                self.retire(gateway)
        self.directory.prune({keep.generation} if keep else set())

    def revive(self, gateway: GatewayContainer) -> None:
        """Have it take requests again, from the sockets of one that does where there is one."""
        accepting = [other for other in self.all() if other.id != gateway.id and self.admin(other).accepts_requests()]
        with docker_errors(f"bringing the gateway of {self.name} back"):
            container = self.state.client.containers.get(gateway.id)
            self._stop(container, gateway)
            self.directory.set_predecessor(gateway.generation, accepting[0].generation if accepting else None)
            self._start(container)

    def finalize(self, gateway: GatewayContainer) -> None:
        """Nothing but this one is left, under its usual name."""
        self.retire_others(keep=gateway)
        with docker_errors(f"naming the gateway of {self.name}"):
            container = self.state.client.containers.get(gateway.id)
            if container.name != (name := f"{container_name(self.state.project, self.name, self.env)}-gateway"):
                container.rename(name)

    def remove(self) -> None:
        """Every container, then the folder. Nobody takes the ports over: idle connections need not be waited for."""
        self.directory.deactivate()
        for gateway in self.all():
            if gateway.running:
                self.stop_accepting(gateway)
                self.admin(gateway).await_idle(self.config.settings.drain_seconds)
            self._remove_container(gateway)
        self.directory.delete()

    def _stop(self, container: Any, gateway: GatewayContainer) -> None:
        """Stopped softly, and killed when its requests last longer than they may; told to stop already, waited for."""
        allowed = self.config.settings.drain_seconds + GRACE_SECONDS
        container.reload()
        if container.status == "running" and not self.admin(gateway).accepts_requests():
            self._wait_for(container, allowed)
        container.stop(timeout=allowed)

    def _wait_for(self, container: Any, seconds: float) -> None:
        def ended() -> bool:
            container.reload()
            return bool(container.status != "running")

        wait_until(ended, Deadline.after(seconds))

    def _start(self, container: Any) -> GatewayContainer:
        """Started, asked whether it takes requests, and told to come back after a restart."""
        container.start()
        gateway = gateways([{**_listed(container), "State": "running"}])[0]
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

    def _runs(self, container: Any) -> bool:
        container.reload()
        return bool(container.status == "running")

    def _creation(self, listen: Listen, generation: str) -> dict[str, Any]:
        """Hardened as the servers are. On the machine's own network: a published port costs more than the proxy."""
        from docker.types import Mount, Ulimit

        files = FILES_PER_CONNECTION * self.config.settings.max_connections + 256
        return {
            "image": self.config.settings.image,
            "name": f"{container_name(self.state.project, self.name, self.env)}-gateway-{generation}",
            "entrypoint": ["sh", "-c", SCRIPT, "gateway"],
            "command": [f"{MOUNT}/{generation}"],
            "labels": self._labels(listen, generation),
            "network_mode": "host",
            "userns_mode": "host",
            "mounts": [Mount(target=MOUNT, source=str(self.directory.run), type="bind")],
            "init": True,
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "user": "{}:{}".format(*owner()),
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
        }


def _listed(container: Any) -> dict[str, Any]:
    return {"Id": container.id, "Labels": container.labels}


def _disable_restart(container: Any) -> None:
    """One that a killed command has told to stop may end at this very moment: it can be changed a moment later."""
    import docker.errors

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


def _signal_stop(container: Any) -> None:
    """One that a killed command has told already may have ended since."""
    import docker.errors

    try:
        container.kill(STOP_SIGNAL)
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT:
            raise


def _check_unprivileged(port: int) -> None:
    """Its process has no capability, not even the one for low ports."""
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:  # noqa: PTH123
            first = int(file.read())
    except (OSError, ValueError):
        first = 1024
    if port < first:
        raise SettingRefused(f"a gateway cannot listen on port {port}", hint=f"choose one from {first} up")


def _remedy(log: list[str]) -> str:
    if any("cannot bind" in line for line in log):
        return "somebody else listens there: choose another port"
    return "check [gateway], gateway.image, and haproxy.cfg.j2 if it is your own"
