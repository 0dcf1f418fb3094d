"""Golden requests to a deployment, from outside the tool and through all that is done to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.client.client import Client
from deployer.results.deployment import Endpoints
from deployer.store.store import Store
from deployer.verification.golden import Tolerance
from deployer.verification.traffic import Traffic, golden_requests

RATE = 200.0


@contextmanager
def load(project: Path, endpoints: dict[str, str], model: str, *proven: int) -> Iterator[Traffic]:
    """Asks over REST and gRPC at 200 requests a second; only the proven versions may answer, and only as TensorFlow."""
    store = Store(project / "models")
    asked = golden_requests(store.get(model, version) for version in proven)
    client = Client(Endpoints(endpoints["rest"], endpoints["grpc"]), 30.0, retry_seconds=0.0)
    traffic = Traffic(client, asked, RATE, Tolerance(), {model: frozenset(proven)})
    traffic.start()
    try:
        yield traffic
    finally:
        traffic.stop()
        client.close()
