"""The engines under the contract: one row each. A row says what tests do to a platform behind its engine's back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.containers import docker
from support.memory import MemoryEngine, platform_of
from support.memory.platform import Running
from support.memory.server import ModelServer
from support.world import eventually, listens, servers

from deployer.config.spec import Docker, Spec
from deployer.engines import ENGINES, process
from deployer.engines.base import CANDIDATE, Engine, Traits
from deployer.results.deployment import LOOPBACK, Deployment, Endpoints
from deployer.results.launch import Launch


@contextmanager
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server((LOOPBACK, 0)) as sock:
        yield sock.getsockname()[1]


def as_it_is(engine: Engine, launch: Launch) -> Engine:
    """The engine itself: its servers have a store."""
    del launch
    return engine


@dataclass(frozen=True)
class Row:
    """`make` makes the engine, which a command names `engine`.

    `half_made` makes what a command leaves that was killed while it staged, by the moment. `kill` ends a server; None
    where the platform starts another one at once. `litter` names all that this spec's engine has left on the platform:
    servers, directories. `unhonoured` are flags of TensorFlow Serving, with values, that the engine cannot honour;
    `settings` are the spec's own for this engine. `listens` tells whether somebody listens at a port and an address,
    as the machine of the servers sees it, and `take_port` has somebody do so. `with_models` gives the engine that
    starts the servers of a launch.
    """

    name: str
    engine: str
    make: Callable[[Spec], Engine]
    half_made: Mapping[str, Callable[[Spec, str, str], None]]
    litter: Callable[[Spec], list[str]]
    kill: Callable[[Deployment], None] | None = None
    unhonoured: Mapping[str, str] = field(default_factory=dict)
    settings: Callable[[], Mapping[str, Any]] = dict
    listens: Callable[[int, str], bool] = listens
    take_port: Callable[[], AbstractContextManager[int]] = taken_port
    with_models: Callable[[Engine, Launch], Engine] = as_it_is
    needs_cluster: bool = False

    @property
    def traits(self) -> Traits:
        """Those that the engine has whatever the settings; the platform is not asked."""
        return self.make(Spec(project="contract", docker=Docker(host="unix:///contract", image="contract"))).traits

    def __str__(self) -> str:
        """Return the id of the row in test names, the same in every process."""
        return self.name


def _kill_process(deployment: Deployment) -> None:
    server = psutil.Process(deployment.pid)
    server.kill()
    server.wait(60)


def _release(spec: Spec, name: str, env: str) -> Path:
    directory = spec.state_dir.resolve() / "run" / f"{env}@{spec.project}" / name / "20260101-000000-000000001-abcd"
    (directory / "config").mkdir(parents=True)
    return directory


def _before_labels(spec: Spec, name: str, env: str) -> None:
    (_release(spec, name, env) / "config" / ".half-written").write_text("half")


def _before_the_pid_was_noted(spec: Spec, name: str, env: str) -> None:
    """A process with our mark passes for the server; its parent ends at once, as the killed command did."""
    directory = _release(spec, name, env)
    inner = [sys.executable, "-S", "-c", "import time; time.sleep(120)", process.run_dir_argument(directory)]
    outer = f"import subprocess; subprocess.Popen({inner!r}, start_new_session=True)"
    subprocess.run([sys.executable, "-S", "-c", outer], check=True, timeout=60)
    eventually(lambda: process.find(directory, None) is not None, "it runs", 60)


def _run_directories(spec: Spec) -> list[str]:
    running = [f"process {server.pid}" for server in servers(spec.state_dir)]
    return running + [str(path) for path in (spec.state_dir, *spec.state_dir.rglob("*")) if path.exists()]


def containers(docker: Callable[..., str], spec: Spec) -> list[str]:
    """Containers and networks of this spec's deployments, locks, and its config directories."""
    ours = ["--filter", f"label=deployer.project={spec.project}"]
    locks = ["--filter", f"label=deployer.lock.project={spec.project}"]
    found = docker("ps", "-a", "--format", "container {{.Names}}", *ours).splitlines()
    found += docker("ps", "-a", "--format", "lock {{.Names}}", *locks).splitlines()
    found += docker("network", "ls", "--format", "network {{.Name}}", *ours).splitlines()
    return [*found, *(str(path) for path in spec.state_dir.rglob("*"))]


def kill_container(docker: Callable[..., str], deployment: Deployment) -> None:
    docker("kill", docker("ps", "-q", "--filter", f"label=deployer.release={deployment.release}"))


def before_the_container(docker: Callable[..., str], spec: Spec, name: str, env: str) -> None:
    directory = spec.state_dir.resolve() / "docker" / f"{env}@{spec.project}" / name / "20260101-000000-000000001-abcd"
    (directory / "config").mkdir(parents=True)
    labels = {"project": spec.project, "name": name, "env": env}
    marked = [word for key, value in labels.items() for word in ("--label", f"deployer.{key}={value}")]
    docker("network", "create", *marked, f"deployer-{spec.project}.{env}-{name}")


DOCKER_IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
DOCKER = Row(
    name="docker",
    engine="docker",
    make=ENGINES["docker"],
    kill=partial(kill_container, docker),
    half_made={"before its container": partial(before_the_container, docker)},
    litter=partial(containers, docker),
    settings=lambda: {"docker": Docker(image=DOCKER_IMAGE)},
)


def _in_memory(spec: Spec) -> MemoryEngine:
    return MemoryEngine(spec.state_dir, spec.project or "")


def _end_in_memory(deployment: Deployment) -> None:
    for platform in map(platform_of, deployment.directory.parents):
        for running in platform.all():
            if running.seen.release == deployment.release:
                running.end()


def _candidate_in_memory(spec: Spec, name: str, env: str) -> None:
    directory = spec.state_dir / "memory" / "20260101-000000-000000001-abcd"
    seen = Deployment(
        name=name, env=env, engine="memory", release=directory.name, role=CANDIDATE, models=(),
        endpoints=Endpoints("", ""), rest_port=1, grpc_port=1, server_digest="", created="", running=True,
        pid=None, directory=directory,
    )  # fmt: skip
    platform = platform_of(spec.state_dir)
    platform.servers[spec.project or "", name, env] = [Running(seen, ModelServer(platform.faults), None)]


def _servers_in_memory(spec: Spec) -> list[str]:
    platform = platform_of(spec.state_dir)
    return [each.seen.release for each in platform.all()] + [str(path) for path in spec.state_dir.rglob("*")]


MEMORY = Row(
    name="memory",
    engine="memory",
    make=_in_memory,
    kill=_end_in_memory,
    half_made={"before it was proven": _candidate_in_memory},
    litter=_servers_in_memory,
)

REAL_ROWS = (
    Row(
        name="embedded",
        engine="embedded",
        make=ENGINES["embedded"],
        kill=_kill_process,
        half_made={"before its labels": _before_labels, "before its pid was noted": _before_the_pid_was_noted},
        litter=_run_directories,
        unhonoured={"prefer_tflite_model": "true", "ssl_config_file": "/tls.config"},
    ),
    *((DOCKER,) if DOCKER_IMAGE else ()),
)
"""Those of this machine that a user can choose."""
ROWS = (MEMORY, *REAL_ROWS)


def each_of(rows: Iterable[Row]) -> pytest.MarkDecorator:
    """Runs a test on these engines alone."""
    return pytest.mark.parametrize("row", [*rows], indirect=True, ids=str)
