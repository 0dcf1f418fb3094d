"""The least that a Typer command with Docker's SDK can do: what a command in Python costs before it does anything more.

`up` makes a network, runs a container in it, polls every 20 ms and predicts once; `down` takes both away again.
`redeploy` runs a candidate in the network of a server, predicts once, and has the server take up its version. No lock,
no look at what is there, no history, no hardening, no proof.
"""

from __future__ import annotations

import time
import urllib.request

import docker
import typer

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
    prove_little(f"http://127.0.0.1:{port}/v1/models/{MODEL}")


@app.command()
def down() -> None:
    """Nothing is left of it."""
    client = docker.from_env()
    container = client.containers.get(NAME)
    container.stop()
    container.remove()
    client.networks.get(NAME).remove()


@app.command()
def redeploy(  # noqa: PLR0913, PLR0917 - what it is about, in turn
    image: str, store: str, network: str, live: str, grpc: str, config: str
) -> None:
    """The server at `live` and `grpc` has taken up `config`, which a candidate has loaded before."""
    client = docker.from_env()
    candidate = client.containers.run(
        image, network=network, detach=True, init=True, environment={"MODEL_NAME": "half"},
        ports={"8501/tcp": ("127.0.0.1", None), "8500/tcp": ("127.0.0.1", None)},
        volumes={f"{store}/half": {"bind": "/models/half", "mode": "ro"}},
    )  # fmt: skip
    from deployer.client.client import Client  # while the candidate loads
    from deployer.results.deployment import Endpoints

    Client.preload()
    candidate.reload()
    port = candidate.ports["8501/tcp"][0]["HostPort"]
    prove_little(f"http://127.0.0.1:{port}/v1/models/half")
    Client(Endpoints(live, grpc)).reload(config)
    candidate.remove(force=True)


def prove_little(url: str) -> None:
    """The model at that URL is there, and answers once."""
    while b"AVAILABLE" not in answer(url):
        time.sleep(0.02)
    assert answer(f"{url}:predict", b'{"instances": [1]}')


def answer(url: str, body: bytes | None = None) -> bytes:
    """What the server says; nothing while it is not there."""
    try:
        with urllib.request.urlopen(url, body, timeout=5) as reply:
            return reply.read()
    except OSError:
        return b""


if __name__ == "__main__":
    app()
