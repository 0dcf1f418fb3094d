"""A deployment on Docker whose gateway clients ask: its settings, its tokens and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from deployer.engines.docker.gateway import tokens as hashes
from support.containers import LABEL, docker
from support.deploying import NAME

VERSION_1, VERSION_2 = 3.0, 4.0
"""What they make of 2.0."""
GATEWAY = f"{NAME}-gateway"
SETTINGS = """
engine = "docker"
models_dir = "models"
[server]
rest_port = 0
grpc_port = 0
flags = {{ {flags} }}
[gateway]
enabled = {enabled}
drain_seconds = {drain_seconds}
{gateway}
[models.half_plus_two]
"""


def configure(
    project: Path, *, flags: str = "", gateway: str = "", enabled: bool = True, drain_seconds: int = 5
) -> None:
    text = SETTINGS.format(flags=flags, gateway=gateway, enabled=str(enabled).lower(), drain_seconds=drain_seconds)
    (project / "deployer.toml").write_text(text)


def write_tokens(path: Path, *tokens: str) -> None:
    """As `deployer token` writes them."""
    hashes.write(path, {f"client{number}": hashes.hash_token(token) for number, token in enumerate(tokens)})


def answers(ask: Callable[[], float]) -> bool:
    """Whether the first version does; a server that is away is told with 502, 503 or a closed connection."""
    try:
        return ask() == VERSION_1
    except (AssertionError, OSError, HTTPException):
        return False


def servers() -> list[str]:
    """The containers of servers, running or not."""
    return docker(
        "ps", "-a", "--format", "{{.Names}}", "--filter", LABEL, "--filter", "label=deployer.release"
    ).splitlines()
