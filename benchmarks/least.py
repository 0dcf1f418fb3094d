"""The least that a Typer command with Docker's SDK can do: what a command in Python costs before it does anything more.

It makes a network, runs a container in it, polls every 20 ms and predicts once; or takes both away again. No lock, no
look at what is there, no history, no hardening, no proof.
"""

from __future__ import annotations

import time
import urllib.request

import typer

import docker

NAME, MODEL = "least", "table"
app = typer.Typer()


@app.command()
def up(image: str, store: str, port: int) -> None:
    """A container that answers."""
    client = docker.from_env()
    client.networks.create(NAME)
    client.containers.run(
        image, name=NAME, network=NAME, detach=True, init=True, environment={"MODEL_NAME": MODEL},
        ports={"8501/tcp": ("127.0.0.1", port), "8500/tcp": ("127.0.0.1", None)},
        volumes={f"{store}/{MODEL}": {"bind": f"/models/{MODEL}", "mode": "ro"}},
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/v1/models/{MODEL}"
    while b"AVAILABLE" not in answer(url):
        time.sleep(0.02)
    assert answer(f"{url}:predict", b'{"instances": [1]}')


@app.command()
def down() -> None:
    """Nothing is left of it."""
    client = docker.from_env()
    container = client.containers.get(NAME)
    container.stop()
    container.remove()
    client.networks.get(NAME).remove()


def answer(url: str, body: bytes | None = None) -> bytes:
    """What the server says; nothing while it is not there."""
    try:
        with urllib.request.urlopen(url, body, timeout=5) as reply:
            return reply.read()
    except OSError:
        return b""


if __name__ == "__main__":
    app()
