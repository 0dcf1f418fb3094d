"""Starting an embedded server: its ports are held until the child has inherited them, its settings become flags."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.engines import flags, ports, process, run_dir
from deployer.engines.base import CANDIDATE
from deployer.engines.embedded import releases
from deployer.engines.ports import HeldPort
from deployer.engines.run_dir import Release
from deployer.errors import EngineError
from deployer.results.deployment import GRPC_PORT, REST_PORT, Deployment
from deployer.results.launch import BATCHING_CONFIG, MODEL_CONFIG, MONITORING_CONFIG, Launch
from deployer.system.files import os_error_hint


def check_settings(launch: Launch) -> None:
    """Raise SettingRefused for a flag that the server would not honour."""
    flags.check(flags.EMBEDDED, launch.flags)


def start_candidate(launch: Launch, directory: Path, observed: Deployment | None) -> Deployment:
    """Start a server that listens on private ports and holds its public ones, closed. Raise PortTaken, EngineError."""
    with _hold_ports(launch, observed) as (rest, grpc, private_rest, private_grpc):
        release = Release(
            name=launch.name,
            env=launch.env,
            release=directory.name,
            role=CANDIDATE,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            host=launch.host,
            rest_port=rest.port,
            grpc_port=grpc.port,
            private_rest_port=private_rest.port,
            private_grpc_port=private_grpc.port,
            server_digest=launch.server_digest,
            models=launch.models,
            project=launch.project,
            store=launch.models_root,
            flags=launch.flags,
        )
        return _start(directory.resolve(), release, launch, (rest, grpc, private_rest, private_grpc))


@contextmanager
def _hold_ports(launch: Launch, observed: Deployment | None) -> Iterator[tuple[HeldPort, HeldPort, HeldPort, HeldPort]]:
    """Hold the public and private REST and gRPC ports until the child has inherited them."""
    held: list[HeldPort] = []
    try:
        running = observed is not None and observed.running
        rest, grpc = (observed.rest_port, observed.grpc_port) if observed else (None, None)
        held.append(_hold_public_port(launch.host, launch.rest_port, REST_PORT, rest, shared=running))
        held.append(_hold_public_port(launch.host, launch.grpc_port, GRPC_PORT, grpc, shared=running))
        held += [ports.hold(launch.host, 0), ports.hold(launch.host, 0)]
        yield held[0], held[1], held[2], held[3]
    finally:
        ports.release(held)


def _hold_public_port(host: str, requested: int | None, default: int, current: int | None, *, shared: bool) -> HeldPort:
    """Hold the current port if it can be kept, else the requested one, else the default, else any free one.

    With `shared`, a running server of the deployment holds the current port.
    """
    if shared and current is not None and (not requested or requested == current):
        return ports.hold(host, current)
    if requested:
        ports.check_free(host, requested)
        return ports.hold(host, requested)
    return ports.hold(host, ports.first_free(host, current, default if requested is None else None))


def _start(directory: Path, release: Release, launch: Launch, held: tuple[HeldPort, ...]) -> Deployment:
    try:
        directory.mkdir(parents=True, mode=0o700)
        run_dir.write_config(directory, launch.rendered)
        run_dir.write_labels(directory, release)
        log = directory / run_dir.LOG_FILE
        pid = process.start(
            _arguments(directory, release, launch), directory, log, [port.sock.fileno() for port in held]
        )
        run_dir.write_labels(directory, dataclasses.replace(release, pid=pid))
    except OSError as error:
        releases.discard(directory)
        problem = f"the run directory {directory} cannot be written: {error.strerror or error}"
        raise EngineError(problem, hint=os_error_hint(error)) from error
    except BaseException:
        releases.discard(directory)
        raise
    return releases.require_deployment(directory)


def _arguments(directory: Path, release: Release, launch: Launch) -> list[str]:
    config_dir = directory / run_dir.CONFIG_DIR
    arguments: dict[str, str] = {
        "listen_address": release.host,
        "port": str(release.private_grpc_port),
        "rest_api_port": str(release.private_rest_port),
        "public_port": str(release.grpc_port),
        "public_rest_api_port": str(release.rest_port),
        "reuse_port": "true",
        "drain_seconds": f"{releases.DRAIN_SECONDS:g}",
        "model_config_file": str(config_dir / MODEL_CONFIG),
        "allow_version_labels_for_unavailable_models": "true",
        "max_num_load_retries": "0",
        **dict(launch.flags),
    }
    if BATCHING_CONFIG in launch.rendered.files:
        arguments |= {"enable_batching": "true", "batching_parameters_file": str(config_dir / BATCHING_CONFIG)}
    if MONITORING_CONFIG in launch.rendered.files:
        arguments["monitoring_config_file"] = str(config_dir / MONITORING_CONFIG)
    return [f"--{name}={value}" for name, value in arguments.items()]
