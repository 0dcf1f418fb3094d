"""Who holds a TCP port of this machine: a deployment, a container or another process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from deployer.engines.process import RUN_DIR_FLAG


@dataclass(frozen=True)
class PortHolder:
    """What listens on a port. The fields after `text`, which describes it, are those of a deployment of this tool."""

    text: str
    name: str = ""
    env: str = ""
    project: str = ""
    """Empty for a deployment from before there were projects."""

    engine: str = ""
    state_dir: Path | None = None
    """None if it is not known, or does not exist any more."""

    def __str__(self) -> str:
        return self.text


def deployment_holder(engine: str, project: str, env: str, name: str, state_dir: Path | None) -> PortHolder:
    """Return the holder that is a deployment."""
    text = f"the deployment {name} [{env}]{f' of project {project}' if project else ''}"
    exists = state_dir is not None and state_dir.is_absolute() and state_dir.is_dir()
    return PortHolder(text, name, env, project, engine, state_dir if exists else None)


def process_holder(port: int) -> PortHolder:
    """Return which process listens on a port, as far as this user may see it."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                return _of_process(connection.pid)
    except (psutil.Error, OSError):
        pass
    return PortHolder("another process")


def _of_process(pid: int | None) -> PortHolder:
    if pid is None:
        return PortHolder("another user's process")
    try:
        process = psutil.Process(pid)
        deployment = _embedded_deployment(process.cmdline())
        if deployment is None:
            return PortHolder(f"process {pid} ({process.name()})")
    except psutil.Error:
        return PortHolder(f"process {pid}")
    return dataclasses.replace(deployment, text=f"{deployment} (process {pid})")


def _embedded_deployment(arguments: Iterable[str]) -> PortHolder | None:
    """Return the deployment whose embedded server has these arguments, by its run directory."""
    run_dir = next((word.partition("=")[2] for word in arguments if word.startswith(RUN_DIR_FLAG)), "")
    match Path(run_dir).parts:
        case [*state_dir, "run", env, name, _]:
            env, _, project = env.partition("@")
            return deployment_holder("embedded", project, env, name, Path(*state_dir))
    return None
