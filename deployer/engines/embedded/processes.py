"""Embedded servers by their processes, in any state directory, including servers whose run directory was deleted.

Any user can write a command line. So a process counts only if it runs `deployer.server` in Python, belongs to this
user, sees the same files as this process, and names a run directory of the form that this tool makes. If the directory
exists, its labels must agree.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from deployer.config.project import PROJECT
from deployer.engines import process, run_dir
from deployer.engines.ports import url_host
from deployer.results.deployment import LOST, Deployment, Endpoints
from deployer.results.model import NAME

RELEASE_ID = re.compile(r"\d{8}-\d{6}-\d{9}-[0-9a-f]{4}")
PORT = re.compile(r"[1-9]\d{0,4}")
OWN_ROOT = Path("/proc/self/root")


@dataclass(frozen=True)
class ServerProcess:
    """A server process and its run directory, STATE_DIR/run/ENV@PROJECT/NAME/RELEASE."""

    pid: int
    directory: Path
    host: str
    rest_port: int
    grpc_port: int
    started: str

    @property
    def state_dir(self) -> Path:
        return self.directory.parents[3]

    @property
    def project(self) -> str:
        return self.directory.parents[1].name.partition("@")[2]

    @property
    def env(self) -> str:
        return self.directory.parents[1].name.partition("@")[0]

    @property
    def name(self) -> str:
        return self.directory.parent.name

    @property
    def lost(self) -> bool:
        """Whether the run directory was deleted, so that no command finds the server there."""
        return not os.path.lexists(self.directory)

    @property
    def labels_agree(self) -> bool:
        """Whether the labels in the run directory belong to this user and to this process."""
        labels = run_dir.read_labels(self.directory)
        if labels is None or not _is_owned(self.directory):
            return False
        labelled = (labels.name, labels.env, labels.project, labels.release)
        return labelled == (self.name, self.env, self.project, self.directory.name) and labels.pid in (None, self.pid)

    def deployment(self) -> Deployment:
        """Return the lost server as a Deployment, without models: only its labels named them."""
        host = url_host(self.host)
        return Deployment(
            name=self.name,
            env=self.env,
            engine="embedded",
            release=self.directory.name,
            role=LOST,
            models=(),
            endpoints=Endpoints(f"http://{host}:{self.rest_port}", f"{host}:{self.grpc_port}"),
            rest_port=self.rest_port,
            grpc_port=self.grpc_port,
            server_digest="",
            created=self.started,
            running=True,
            pid=self.pid,
            directory=self.directory,
            host=self.host,
            project=self.project,
        )


def _is_owned(directory: Path) -> bool:
    try:
        return directory.lstat().st_uid == os.getuid()
    except OSError:
        return False


def find_servers() -> tuple[ServerProcess, ...]:
    """Return the servers of this user, of any project, whose labels agree or whose run directory was deleted."""
    identified = (identify(pid) for pid in psutil.pids())
    return tuple(server for server in identified if server and (server.lost or server.labels_agree))


def identify(pid: int) -> ServerProcess | None:
    """Return the server that a process runs; None for any other process."""
    try:
        server = psutil.Process(pid)
        arguments = server.cmdline()
        if arguments[1:3] != ["-m", process.MODULE] or not _is_trusted(server):
            return None
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(server.create_time()))
    except (psutil.Error, OSError):
        return None
    return _parse_arguments(pid, arguments[3:], started)


def _is_trusted(server: psutil.Process) -> bool:
    """Return whether a process is a Python of this user that sees the same files, and no container's."""
    if server.status() == psutil.STATUS_ZOMBIE or set(server.uids()) != {os.getuid()}:
        return False
    if not Path(server.exe()).name.startswith("python"):
        return False
    return not OWN_ROOT.exists() or OWN_ROOT.samefile(f"/proc/{server.pid}/root")


def _parse_arguments(pid: int, arguments: Sequence[str], started: str) -> ServerProcess | None:
    """Return the server with these arguments; None if this tool does not write them so."""
    if [argument.startswith(process.RUN_DIR_FLAG) for argument in arguments] != [False] * (len(arguments) - 1) + [True]:
        return None
    directory = _parse_run_dir(arguments[-1].removeprefix(process.RUN_DIR_FLAG))
    flags = dict(argument.removeprefix("--").partition("=")[::2] for argument in arguments)
    rest, grpc, host = (flags.get(name, "") for name in ("public_rest_api_port", "public_port", "listen_address"))
    if directory is None or not (PORT.fullmatch(rest) and PORT.fullmatch(grpc)) or not host.isprintable():
        return None
    return ServerProcess(pid, directory, host, int(rest), int(grpc), started)


def _parse_run_dir(text: str) -> Path | None:
    """Return the path if it is one that this tool makes."""
    directory = Path(text)
    if not (text.isprintable() and directory.is_absolute() and str(directory) == text and ".." not in directory.parts):
        return None
    match directory.parts[1:]:
        case [_, *_, "run", env_dir, name, release]:
            env, _, project = env_dir.partition("@")
            forms = ((NAME, env), (PROJECT, project), (NAME, name), (RELEASE_ID, release))
            return directory if all(form.fullmatch(part) for form, part in forms) else None
    return None


def stop_lost(lost: Deployment, grace_seconds: float) -> None:
    """Stop a lost server once it has drained, unless its pid was reused."""
    try:
        server = psutil.Process(lost.pid)
    except psutil.NoSuchProcess:
        return
    current = identify(server.pid)
    if current is not None and current.directory == lost.directory and current.lost:
        process.stop(server, grace_seconds)
