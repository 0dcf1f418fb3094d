"""The run directory of a server: its configuration and, on the embedded engine, its labels and log.

STATE_DIR/run/ENV@PROJECT/NAME/RELEASE/release.json   labels
                                       reload.json    the models of a reload in progress
                                       config/        the server's configuration files
                                       server.log
STATE_DIR/docker/ENV@PROJECT/NAME/RELEASE/reload.json, config/

A container has its labels and log itself. Versions of this tool before projects wrote ENV instead of ENV@PROJECT.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployer.engines.ports import url_host
from deployer.errors import LockHeld
from deployer.results.deployment import Deployment, Endpoints
from deployer.results.launch import Rendered
from deployer.results.served import ServedModel, models_from, models_text
from deployer.system import documents
from deployer.system.files import write_atomically
from deployer.system.locks import directory_lock, lock_owner

RELEASE_FILE = "release.json"
LOG_FILE = "server.log"
CONFIG_DIR = "config"
RELOAD_FILE = "reload.json"
IMAGES_DIR = "images"
"""The directory below the state directory with copies of the models in images."""


@dataclass(frozen=True)
class Release:
    """The labels of one server."""

    name: str
    env: str
    release: str
    role: str
    created: str
    host: str
    rest_port: int
    grpc_port: int
    private_rest_port: int
    private_grpc_port: int
    server_digest: str
    models: tuple[ServedModel, ...]
    pid: int | None = None
    project: str = ""
    store: str = ""
    flags: tuple[tuple[str, str], ...] | None = None

    def deployment(self, directory: Path, *, serving: bool, running: bool) -> Deployment:
        """Return the release as a Deployment: a serving one at its public ports, a candidate at its private ones."""
        host = url_host(self.host)
        rest = self.rest_port if serving else self.private_rest_port
        grpc = self.grpc_port if serving else self.private_grpc_port
        return Deployment(
            name=self.name,
            env=self.env,
            engine="embedded",
            release=self.release,
            role=self.role,
            models=self.models,
            endpoints=Endpoints(f"http://{host}:{rest}", f"{host}:{grpc}"),
            rest_port=self.rest_port,
            grpc_port=self.grpc_port,
            server_digest=self.server_digest,
            created=self.created,
            running=running,
            pid=self.pid,
            directory=directory,
            store=Path(self.store) if self.store else None,
            reloading_to=reload_target(directory),
            host=self.host,
            project=self.project,
            flags=self.flags,
        )


def env_dir_name(project: str, env: str) -> str:
    """Return the name of the directory that holds a project's deployments of an environment."""
    return f"{env}@{project}" if project else env


def state_dir(release_dir: Path) -> Path:
    """Return the state directory of a release directory, STATE_DIR/ENGINE/ENV/NAME/RELEASE."""
    return release_dir.parents[3]


def list_deployments(root: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (project, name, env) of every deployment with a directory below `root`; project is empty for old ones."""
    for deployment_dir in sorted(root.glob("*/*")):
        env, _, project = deployment_dir.parent.name.partition("@")
        if deployment_dir.is_dir():
            yield project, deployment_dir.name, env


@contextmanager
def hold_lock(deployment_dir: Path, name: str, env: str, wait_seconds: float) -> Iterator[None]:
    """Hold the lock of a deployment's directory; remove the directory afterwards if it is empty."""
    try:
        with directory_lock(deployment_dir, f"deployment {name} [{env}]", wait_seconds):
            yield
    finally:
        remove_empty_dirs(deployment_dir)


def remove_empty_dirs(deployment_dir: Path) -> None:
    """Remove the directory of a deployment and its parents up to the state directory, as far as they are empty."""
    for parent in (deployment_dir, *list(deployment_dir.parents)[:3]):
        with contextlib.suppress(OSError):
            parent.rmdir()


def end_lock_holder(deployment_dir: Path, name: str, env: str) -> None:
    """End the command that holds the lock of a deployment's directory. Raise LockHeld if it cannot be ended."""
    owner = lock_owner(deployment_dir)
    if owner is not None and not owner.terminate():
        raise LockHeld(f"deployment {name} [{env}] is held by {owner}", hint=f"end it: kill {owner.pid}")


def new_release_id() -> str:
    """Return a unique id that sorts by time."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{time.time_ns() % 10**9:09d}-{secrets.token_hex(2)}"


def write_labels(directory: Path, release: Release) -> None:
    """Write the labels."""
    write_atomically(directory / RELEASE_FILE, json.dumps(dataclasses.asdict(release), indent=1) + "\n")


def write_config(directory: Path, rendered: Rendered) -> None:
    """Write the server's configuration files, each atomically and readable by every user."""
    config = directory / CONFIG_DIR
    for name, text in rendered.files.items():
        write_atomically(config / name, text)
    config.chmod(0o755)


def read_config(directory: Path) -> dict[str, str] | None:
    """Return the texts of the server's configuration files by name; None if they cannot be read."""
    try:
        return {path.name: path.read_text(encoding="utf-8") for path in (directory / CONFIG_DIR).iterdir()}
    except (OSError, UnicodeDecodeError):
        return None


def begin_reload(directory: Path, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
    """Record the models that the server is about to load, then write its configuration."""
    write_atomically(directory / RELOAD_FILE, models_text(models))
    write_config(directory, rendered)


def end_reload(directory: Path) -> None:
    """Remove the record of a reload in progress."""
    (directory / RELOAD_FILE).unlink(missing_ok=True)


def reload_target(directory: Path) -> tuple[ServedModel, ...] | None:
    """Return the models of a reload in progress; empty if its record is damaged, None without one."""
    try:
        return models_from((directory / RELOAD_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        return ()


def read_labels(directory: Path) -> Release | None:
    """Return the labels; None if a command was killed before it wrote them."""
    try:
        raw = json.loads((directory / RELEASE_FILE).read_text(encoding="utf-8"))
        return documents.read(Release, raw)
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def release_dirs(deployment_dir: Path) -> tuple[Path, ...]:
    """Return the release directories of a deployment, oldest first."""
    return (
        tuple(sorted(child for child in deployment_dir.iterdir() if child.is_dir())) if deployment_dir.is_dir() else ()
    )


def delete(directory: Path) -> None:
    """Delete a run directory, its labels last, so that an interrupted deletion is found and finished.

    It is no error if the directory is missing or deleted at the same time.
    """
    with contextlib.suppress(FileNotFoundError):
        for child in directory.iterdir():
            if child.name != RELEASE_FILE:
                shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    shutil.rmtree(directory, ignore_errors=True)
