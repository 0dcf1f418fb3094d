"""Checks the ports of a gateway before anything starts: HAProxy opens them, without a privilege."""

from __future__ import annotations

from collections.abc import Callable

from deployer.config.gateway import Gateway
from deployer.engines.base import Address
from deployer.errors import ConfigError, PortTaken, SettingRefused
from deployer.results.deployment import GRPC_PORT, REST_PORT, Deployment

METRICS_HOST = "127.0.0.1"
METRICS = "gateway.metrics_port"


def check(
    settings: Gateway,
    address: Address,
    observed: Deployment | None,
    first: int,
    check_free: Callable[[str, int], None],
) -> None:
    """Refuse ports that the gateway could not open at its start.

    `observed` is the deployment, whose ports stay where the address has none. `first` is the first port that needs no
    privilege on the engine's machine, and `check_free` raises PortTaken for a port of it.
    Raises SettingRefused, ConfigError, PortTaken.
    """
    current_rest, current_grpc = (observed.rest_port, observed.grpc_port) if observed else (None, None)
    ports = {
        "server.rest_port": _expected(address.rest_port, current_rest, REST_PORT),
        "server.grpc_port": _expected(address.grpc_port, current_grpc, GRPC_PORT),
        METRICS: settings.metrics_port,
    }
    for key, port in ports.items():
        if port:
            check_unprivileged(key, port, first)
    metrics = settings.metrics_port
    if metrics is None:
        return
    for key in ("server.rest_port", "server.grpc_port"):
        if ports[key] == metrics:
            raise ConfigError(
                f"port {metrics} is that of {key}", key=METRICS, hint="choose another port for the metrics"
            )
    if observed is None or observed.gateway is None or observed.gateway.settings.get("metrics_port") != metrics:
        try:
            check_free(METRICS_HOST, metrics)
        except PortTaken as error:
            error.hint = f"set another {METRICS}"
            raise


def _expected(requested: int | None, current: int | None, default: int) -> int | None:
    """Return the port that a deployment will probably get; None for any free one."""
    return requested or current or (default if requested is None else None)


def check_unprivileged(key: str, port: int, first: int) -> None:
    """Raise SettingRefused for a port below the `first` that needs no privilege: the gateway has none."""
    if port < first:
        raise SettingRefused(
            f"a gateway cannot listen on port {port}: its container has no privilege",
            key=key,
            hint=f"choose a port from {first} up",
        )
