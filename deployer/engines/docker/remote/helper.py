"""The helper: a container next to the servers of an engine on another machine, for files, ports and connections.

Its process is `cat`, whose input is a connection of this command: when the command ends, even by SIGKILL, the engine
closes that input, `cat` ends, and the engine removes the container. It mounts volumes, and uses the host's network,
where the ports of servers are, or another one.
"""

from __future__ import annotations

import contextlib
import io
import secrets
import socket
import ssl
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import docker.errors
import requests
from docker import DockerClient
from docker.types import Mount

from deployer.engines.docker.api import docker_errors, remove_container
from deployer.engines.docker.leftovers import remove_old
from deployer.engines.docker.names import LABEL
from deployer.engines.docker.remote.frames import read_output, send
from deployer.engines.docker.remote.transport import Transport
from deployer.errors import EngineError, EngineUnavailable

HELPER = f"{LABEL}helper"
HOST_NETWORK = "host"
STALE_SECONDS = 60.0
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
DIAL = """
exec 4<&0
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    if { exec 3<>"/dev/tcp/$1/$2"; } 2>/dev/null; then break; fi
    [ "$attempt" -lt 10 ] || exit 7
    sleep 0.1
done
{ cat <&4 >&3; kill $$; } >/dev/null 2>&1 &
exec cat <&3 2>/dev/null
"""
"""Connects its input and output with a TCP port. The image of TensorFlow Serving has bash, and no other tool for it.

It tries again for a second: a server that is starting is asked all the time, and each process costs more than waiting.
"""
UNPACK = """
set -o pipefail
head -c "$2" | { tar --extract --numeric-owner --directory "$1" || { code=$?; cat >/dev/null; exit $code; } }
"""
"""The connection stays open, so `head` ends the input of tar. After an error the rest is read: it is being sent."""


class HelperEnded(EngineError):
    """The helper's container ended while it was needed."""


@dataclass(frozen=True)
class Helper:
    """A running helper. `volumes` are its mount points by the name of the volume."""

    client: DockerClient
    transport: Transport
    id: str
    volumes: Mapping[str, str]
    stdin: socket.socket

    @classmethod
    def start(
        cls,
        client: DockerClient,
        transport: Transport,
        image: str,
        volumes: Mapping[str, str],
        network: str = HOST_NETWORK,
    ) -> Helper:
        """Start a helper of an image of the engine. Raise EngineError."""
        with docker_errors("starting a helper container"), stream_errors():
            # Killed before the start: the engine removes those that ran.
            remove_old(client, STALE_SECONDS, {"label": HELPER, "status": "created"})
            container = client.containers.create(**_creation(image, volumes, network))
            try:
                url = client.api._url("/containers/{0}/attach", container.id)
                stdin = transport.open_stream(f"{_path(url)}?stream=1&stdin=1", {})
                container.start()
            except BaseException:
                with contextlib.suppress(docker.errors.APIError):
                    container.remove(force=True)
                raise
        return cls(client, transport, str(container.id), volumes, stdin)

    @property
    def runs(self) -> bool:
        """Whether its input is still connected: the engine sends nothing on it, and closes it at the helper's end."""
        try:
            self.stdin.settimeout(0)
            return bool(self.stdin.recv(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False

    def run(self, script: str, *arguments: str, user: str = "") -> str:
        """Run a shell script and return what it prints. Raise EngineError with its errors if it fails, HelperEnded."""
        return self._run((script, *arguments), (), self.client.api.timeout, user)

    def put(self, directory: str, archive: Iterable[bytes], size: int, seconds: float) -> None:
        """Unpack a tar archive of `size` bytes in a directory; it may take `seconds` after the last byte.

        A process of the helper does it. The engine's own unpacking would mount the volumes of a helper that has just
        ended, and the removal of the helper would delete what they contain. Raises EngineError, HelperEnded.
        """
        self._run((UNPACK, directory, str(size)), archive, seconds)

    def _run(self, command: Sequence[str], given: Iterable[bytes], seconds: float, user: str = "") -> str:
        """Run a script with `given` as its input."""
        api, (script, *arguments) = self.client.api, command
        with self._end_noticed(), docker_errors("running a command on the engine's machine", seconds):
            process = ["bash", "-c", script, "bash", *arguments]
            created = api.exec_create(self.id, process, user=user, stdin=bool(given))["Id"]
            # The SDK loses bytes that arrive with the head of the answer.
            with stream_errors(), self._stream(created) as stream:
                send(stream, given, api.timeout, self._check_running)
                out, err = read_output(stream, seconds, self._check_running)
            code = api.exec_inspect(created)["ExitCode"]
            text = out.decode("utf-8", "replace")
            if code:
                reason = err.decode("utf-8", "replace").strip() or text.strip() or f"exit code {code}"
                raise EngineError(f"a command on the engine's machine failed: {reason[-500:]}", hint="run it again")
        return text

    def put_texts(self, directory: str, files: Mapping[str, str], *, mode: int = 0o644, owner: int = 0) -> None:
        """Write small files into a directory of a volume."""
        archive = texts_archive(files, mode=mode, owner=owner)
        self.put(directory, [archive], len(archive), self.client.api.timeout)

    def connect(self, host: str, port: int) -> socket.socket:
        """Return the stream of a process that is connected with a port, as the engine's machine sees it.

        Raises EngineError, HelperEnded, OSError.
        """
        api = self.client.api
        with self._end_noticed():
            with docker_errors(f"connecting to port {port} of the engine's machine"):
                command = ["bash", "-c", DIAL, "bash", host, str(port)]
                created = api.exec_create(self.id, command, stdin=True, stdout=True, stderr=False)["Id"]
            return self._stream(created)

    @contextmanager
    def _end_noticed(self) -> Iterator[None]:
        """Raise HelperEnded for an error of the engine if the container no longer runs."""
        try:
            yield
        except EngineUnavailable:
            raise
        except EngineError as error:
            if self._is_running():
                raise
            raise HelperEnded(error.message, hint="run the command again") from error

    def _check_running(self) -> None:
        if not self._is_running():
            raise EngineError("the helper container has ended", hint="run the command again")

    def _is_running(self) -> bool:
        with docker_errors("looking at the helper container"):
            try:
                return bool(self.client.api.inspect_container(self.id)["State"]["Running"])
            except docker.errors.NotFound:
                return False

    def _stream(self, process: str) -> socket.socket:
        """Start a process, and return the connection with its streams."""
        path = _path(self.client.api._url("/exec/{0}/start", process))
        return self.transport.open_stream(path, {"Detach": False, "Tty": False})

    def close(self) -> None:
        """End the helper; the engine removes its container."""
        with docker_errors("removing the helper container"), contextlib.suppress(docker.errors.NotFound):
            remove_container(self.client.containers.get(self.id))
        self.stdin.close()


def _path(url: str) -> str:
    """Return the path of a URL of the SDK."""
    return f"/{url.split('/', 3)[3]}"


@contextmanager
def stream_errors() -> Iterator[None]:
    """Raise what breaks a stream as an error of the SDK, whose errors become those of this tool."""
    try:
        yield
    except OSError as error:
        raise requests.ConnectionError(str(error) or type(error).__name__) from error


def texts_archive(files: Mapping[str, str], *, mode: int = 0o644, owner: int = 0) -> bytes:
    """Return a tar archive of small files, by their path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            content = text.encode()
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid, info.gid = len(content), mode, owner, owner
            info.mtime = int(time.time())
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def live_helpers(client: DockerClient) -> Iterator[str]:
    """Yield the short ids of the running helpers of an engine."""
    with docker_errors("listing helper containers"):
        yield from (each["Id"][:12] for each in client.api.containers(filters={"label": HELPER}))


def _creation(image: str, volumes: Mapping[str, str], network: str) -> dict[str, object]:
    return {
        "image": image,
        "name": f"deployer.helper-{secrets.token_hex(6)}",
        "entrypoint": ["cat"],
        "command": [],
        "labels": {HELPER: "true"},
        "mounts": [Mount(target=target, source=name, type="volume") for name, target in volumes.items()],
        "network_mode": network,
        "userns_mode": "host",
        "stdin_open": True,
        "auto_remove": True,
        "init": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": list(CAPABILITIES),
        "security_opt": ["no-new-privileges"],
        "user": "0:0",
        "log_config": {"Type": "none"},
        "healthcheck": {"test": ["NONE"]},
    }
