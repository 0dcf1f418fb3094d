"""Embedded servers that run, found by their command lines: in any state directory, or with theirs lost.

Anybody can write a command line. It counts only for a process of this user that sees the same files as this one, runs
`deployer.server` in Python, and names a run folder of the form that this tool makes. Where that folder is there, its
labels have to agree.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.config.project import PROJECT
from deployer.engines import process, run_dir
from deployer.engines.ports import url_host
from deployer.results.deployment import LOST, Deployment, Endpoints
from deployer.results.model import NAME

if TYPE_CHECKING:
    import psutil

RELEASE = re.compile(r"\d{8}-\d{6}-\d{9}-[0-9a-f]{4}")
PORT = re.compile(r"[1-9]\d{0,4}")
OWN_ROOT = Path("/proc/self/root")


@dataclass(frozen=True)
class Running:
    """A server process by its command line, STATE_DIR/run/ENV@PROJECT/NAME/RELEASE in it."""

    pid: int
    folder: Path
    host: str
    rest_port: int
    grpc_port: int
    since: str

    @property
    def state_dir(self) -> Path:
        """The state directory that it was started from."""
        return self.folder.parents[3]

    @property
    def project(self) -> str:
        """The project that it belongs to."""
        return self.folder.parents[1].name.partition("@")[2]

    @property
    def env(self) -> str:
        """The environment of its deployment."""
        return self.folder.parents[1].name.partition("@")[0]

    @property
    def name(self) -> str:
        """The name of its deployment."""
        return self.folder.parent.name

    @property
    def lost(self) -> bool:
        """Whether its run folder is gone: no command finds it there any more."""
        return not os.path.lexists(self.folder)

    @property
    def known(self) -> bool:
        """Whether the labels in its run folder are this user's and agree with the process."""
        labels = run_dir.read(self.folder)
        if labels is None or not _is_mine(self.folder):
            return False
        said = (labels.name, labels.env, labels.project, labels.release)
        return said == (self.name, self.env, self.project, self.folder.name) and labels.pid in (None, self.pid)

    def deployment(self) -> Deployment:
        """What can be told of a lost one: not its models, which its labels had."""
        host = url_host(self.host)
        return Deployment(
            name=self.name,
            env=self.env,
            engine="embedded",
            release=self.folder.name,
            role=LOST,
            models=(),
            endpoints=Endpoints(f"http://{host}:{self.rest_port}", f"{host}:{self.grpc_port}"),
            rest_port=self.rest_port,
            grpc_port=self.grpc_port,
            server_digest="",
            created=self.since,
            running=True,
            pid=self.pid,
            folder=self.folder,
            host=self.host,
            project=self.project,
        )


def _is_mine(folder: Path) -> bool:
    try:
        return folder.lstat().st_uid == os.getuid()
    except OSError:
        return False


def servers() -> tuple[Running, ...]:
    """Those whose labels agree, and those whose run folder is lost; of any project of this user."""
    import psutil

    found = (recognised(pid) for pid in psutil.pids())
    return tuple(each for each in found if each and (each.lost or each.known))


def recognised(pid: int) -> Running | None:
    """The server that a process is, or None for any other process."""
    import psutil

    try:
        candidate = psutil.Process(pid)
        words = candidate.cmdline()
        if words[1:3] != ["-m", process.MODULE] or not _is_trusted(candidate):
            return None
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(candidate.create_time()))
    except (psutil.Error, OSError):
        return None
    return _read(pid, words[3:], since)


def _is_trusted(candidate: psutil.Process) -> bool:
    """Whether it is a Python of this user that sees the files that we see: paths in a container are others."""
    import psutil

    if candidate.status() == psutil.STATUS_ZOMBIE or set(candidate.uids()) != {os.getuid()}:
        return False
    if not Path(candidate.exe()).name.startswith("python"):
        return False
    return not OWN_ROOT.exists() or OWN_ROOT.samefile(f"/proc/{candidate.pid}/root")


def _read(pid: int, words: Sequence[str], since: str) -> Running | None:
    """What a server's arguments say, where this tool would have written them so."""
    if [word.startswith(process.RUN_FOLDER) for word in words] != [False] * (len(words) - 1) + [True]:
        return None
    folder = _run_folder(words[-1].removeprefix(process.RUN_FOLDER))
    flags = dict(word.removeprefix("--").partition("=")[::2] for word in words)
    rest, grpc, host = (flags.get(name, "") for name in ("public_rest_api_port", "public_port", "listen_address"))
    if folder is None or not (PORT.fullmatch(rest) and PORT.fullmatch(grpc)) or not host.isprintable():
        return None
    return Running(pid, folder, host, int(rest), int(grpc), since)


def _run_folder(text: str) -> Path | None:
    """The folder, if its path is one that this tool makes."""
    folder = Path(text)
    if not (text.isprintable() and folder.is_absolute() and str(folder) == text and ".." not in folder.parts):
        return None
    match folder.parts[1:]:
        case [_, *_, "run", place, name, release]:
            env, _, project = place.partition("@")
            forms = ((NAME, env), (PROJECT, project), (NAME, name), (RELEASE, release))
            return folder if all(form.fullmatch(part) for form, part in forms) else None
    return None


def end(lost: Deployment, grace_seconds: float) -> None:
    """Stop a lost server, once it has drained, unless the process is another one by now."""
    import psutil

    try:
        server = psutil.Process(lost.pid)
    except psutil.NoSuchProcess:
        return
    there = recognised(server.pid)
    if there is not None and there.folder == lost.folder and there.lost:
        process.stop(server, grace_seconds)
