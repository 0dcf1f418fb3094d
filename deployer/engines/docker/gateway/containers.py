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
from deployer.engines.docker.gateway.directory import ACTIVE, BEFORE, SOCKET, GatewayDir, owner
from deployer.engines.docker.listing import GatewayContainer, gateways
from deployer.engines.docker.names import LABEL, PROJECT, container_name
from deployer.engines.docker.state import DockerState
from deployer.engines.ports import check_free
from deployer.errors import EngineError, SettingRefused
from deployer.system.wait import Deadline, wait_until

STOP_SIGNAL = "SIGUSR1"
ENDING = "container not running"
"""What the engine says of a container that has ended, which it has not noticed yet."""
READY_SECONDS = 20.0
GRACE_SECONDS = 5
LOG_LINES = 15
FILES_PER_CONNECTION = 3
SCRIPT = f"""
cd "$1" || exit
if [ -S {BEFORE}/{SOCKET} ]; then exec haproxy -db -f "$1/{ACTIVE}" -x "$1/{BEFORE}/{SOCKET}"; fi
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

    def in_force(self) -> GatewayContainer | None:
        """The one that holds the ports, running or not."""
        return next((found for found in self.all() if found.in_force), None)

    def fits(self, found: GatewayContainer, place: Listen) -> bool:
        """Whether it runs and is what is wanted, where it is wanted."""
        listens = (found.host, found.rest_port, found.grpc_port) == (place.host, place.rest_port, place.grpc_port)
        return listens and found.running and found.digest == self.config.digest(self.directory, place.host)

    def start(self, place: Listen, slot: str, before: GatewayContainer | None) -> GatewayContainer:
        """A new one, on the ports of the one before where there is one. Raises EngineError with its own words."""
        for port in (place.rest_port, place.grpc_port):
            _check_unprivileged(port)
            if before is None:
                check_free(place.host, port)
        generation = run_dir.new_release_id()
        try:
            self.directory.make(generation, slot, self.config.files(self.directory, generation, place))
            self.directory.set_predecessor(generation, before.generation if before else None)
            with docker_errors(f"starting the gateway of {self.name}"):
                created = self.state.client.containers.create(**self._creation(place, generation))
                return self._started(created)
        except BaseException:
            self.discard(generation)
            raise

    def admin(self, found: GatewayContainer) -> Admin:
        """Speaks to it."""
        return Admin(self.directory.folder(found.generation))

    def stop_taking(self, found: GatewayContainer) -> None:
        """It takes no more connections, and ends when its last request has ended."""
        with docker_errors(f"stopping the gateway of {self.name}"):
            container = self.state.client.containers.get(found.id)
            _kept_from_coming_back(container)
            _told_to_stop(container)
        admin = self.admin(found)
        wait_until(lambda: not admin.answers(), Deadline.after(READY_SECONDS))

    def retire(self, found: GatewayContainer) -> None:
        """Let it end what it has, and remove it."""
        import docker.errors

        with docker_errors(f"stopping a gateway of {self.name}"), contextlib.suppress(docker.errors.NotFound):
            self._end(self.state.client.containers.get(found.id), found)
        self._take_away(found)

    def _take_away(self, found: GatewayContainer) -> None:
        import docker.errors

        with docker_errors(f"removing a gateway of {self.name}"), contextlib.suppress(docker.errors.NotFound):
            remove_container(self.state.client.containers.get(found.id))

    def discard(self, generation: str) -> None:
        """One that was not accepted, with its folder."""
        for found in self.all():
            if found.generation == generation:
                self.retire(found)
        self.directory.drop(generation)

    def retire_others(self, keep: GatewayContainer | None) -> None:
        """All but one, with their folders."""
        for found in self.all():
            if keep is None or found.id != keep.id:
                self.retire(found)
        self.directory.prune({keep.generation} if keep else set())

    def revive(self, found: GatewayContainer) -> None:
        """Have it take requests again, from the sockets of one that does where there is one."""
        taking = [each for each in self.all() if each.id != found.id and self.admin(each).answers()]
        with docker_errors(f"bringing the gateway of {self.name} back"):
            container = self.state.client.containers.get(found.id)
            self._end(container, found)
            self.directory.set_predecessor(found.generation, taking[0].generation if taking else None)
            self._started(container)

    def settle(self, found: GatewayContainer) -> None:
        """Nothing but this one is left, under its usual name."""
        self.retire_others(keep=found)
        with docker_errors(f"naming the gateway of {self.name}"):
            container = self.state.client.containers.get(found.id)
            if container.name != (name := f"{container_name(self.state.project, self.name, self.env)}-gateway"):
                container.rename(name)

    def remove(self) -> None:
        """Every container, then the folder. Nobody takes the ports over: idle connections need not be waited for."""
        self.directory.deactivate()
        for found in self.all():
            if found.running:
                self.stop_taking(found)
                self.admin(found).quiet(self.config.settings.drain_seconds)
            self._take_away(found)
        self.directory.delete()

    def _end(self, container: Any, found: GatewayContainer) -> None:
        """Stopped softly, and killed when its requests last longer than they may; told to stop already, waited for."""
        allowed = self.config.settings.drain_seconds + GRACE_SECONDS
        container.reload()
        if container.status == "running" and not self.admin(found).answers():
            self._wait_for(container, allowed)
        container.stop(timeout=allowed)

    def _wait_for(self, container: Any, seconds: float) -> None:
        def ended() -> bool:
            container.reload()
            return bool(container.status != "running")

        wait_until(ended, Deadline.after(seconds))

    def _started(self, container: Any) -> GatewayContainer:
        """Started, asked whether it takes requests, and told to come back after a restart."""
        container.start()
        found = gateways([{**_listed(container), "State": "running"}])[0]
        admin = self.admin(found)
        wait_until(lambda: admin.answers() or not self._runs(container), Deadline.after(READY_SECONDS))
        if not admin.answers():
            said = container.logs(tail=LOG_LINES).decode("utf-8", "replace").splitlines()
            container.remove(force=True)
            raise EngineError(f"the gateway of {self.name} did not start", hint=_remedy(said), log=tuple(said))
        admin.check()
        self.directory.set_predecessor(found.generation, None)
        container.update(restart_policy={"Name": self.restart})
        return found

    def _runs(self, container: Any) -> bool:
        container.reload()
        return bool(container.status == "running")

    def _creation(self, place: Listen, generation: str) -> dict[str, Any]:
        """Hardened as the servers are. On the machine's own network: a published port costs more than the proxy."""
        from docker.types import Mount, Ulimit

        files = FILES_PER_CONNECTION * self.config.settings.max_connections + 256
        return {
            "image": self.config.settings.image,
            "name": f"{container_name(self.state.project, self.name, self.env)}-gateway-{generation}",
            "entrypoint": ["sh", "-c", SCRIPT, "gateway"],
            "command": [f"{MOUNT}/{generation}"],
            "labels": self._labels(place, generation),
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

    def _labels(self, place: Listen, generation: str) -> dict[str, str]:
        return {
            **({PROJECT: self.state.project} if self.state.project else {}),
            f"{LABEL}name": self.name,
            f"{LABEL}env": self.env,
            f"{LABEL}role": "gateway",
            f"{LABEL}generation": generation,
            f"{LABEL}gateway": str(self.directory.path),
            f"{LABEL}gateway_digest": self.config.digest(self.directory, place.host),
            f"{LABEL}host": place.host,
            f"{LABEL}rest_port": str(place.rest_port),
            f"{LABEL}grpc_port": str(place.grpc_port),
        }


def _listed(container: Any) -> dict[str, Any]:
    return {"Id": container.id, "Labels": container.labels}


def _kept_from_coming_back(container: Any) -> None:
    """One that a killed command has told to stop may end at this very moment: it can be changed a moment later."""
    import docker.errors

    def changed() -> bool:
        try:
            container.update(restart_policy={"Name": "no"})
        except docker.errors.APIError as error:
            if ENDING not in str(error.explanation):
                raise
            return False
        return True

    if not wait_until(changed, Deadline.after(READY_SECONDS)):
        raise EngineError(f"{container.name} neither ends nor can be changed", hint="run the command again")


def _told_to_stop(container: Any) -> None:
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


def _remedy(said: list[str]) -> str:
    if any("cannot bind" in line for line in said):
        return "somebody else listens there: choose another port"
    return "check [gateway], gateway.image, and haproxy.cfg.j2 if it is your own"
