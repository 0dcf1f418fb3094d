"""Clients that ask half_plus_two without a pause, strict ones: no retry, connections kept, every answer checked."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

import grpc
import numpy as np

from deployer.savedmodel import tensors
from deployer.savedmodel.messages import message_class

ASKED = 2.0
PREDICT = "/tensorflow.serving.PredictionService/Predict"
CLIENTS = 3
"""Of each protocol; each with a connection of its own."""
PAUSE_SECONDS = 0.03
"""Six clients with it ask about 150 times a second."""

Make = Callable[..., Callable[[], float]]
"""A client for endpoints, with a token and a certificate where there are any."""


@dataclass
class Seen:
    """What the clients saw; `enough` waits until they have asked that often.

    `allowed`, where it is set, is what may be answered: at some moment between a question and its answer.
    """

    allowed: frozenset[float] = frozenset()
    answers: dict[float, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def count(self) -> int:
        """Requests that were answered."""
        return sum(self.answers.values())

    def note(self, ask: Callable[[], float]) -> None:
        """One request."""
        before = self.allowed
        try:
            answer = ask()
            if before and answer not in before | self.allowed:
                raise AssertionError(f"{answer} was answered, allowed was {sorted(before | self.allowed)}")
        except Exception as error:  # noqa: BLE001 - whatever it is, a client would see it
            with self.lock:
                self.failed.append(f"{time.monotonic():.3f} {error!r}"[:300])
        else:
            with self.lock:
                self.answers[answer] = self.answers.get(answer, 0) + 1

    def enough(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many more were answered."""
        wanted, deadline = self.count + count, time.monotonic() + seconds
        while self.count < wanted:
            assert time.monotonic() < deadline, f"{self.count} of {wanted} answered; {self.failed[:3]}"
            time.sleep(0.02)

    def may_be(self, *answers: float) -> None:
        """What may be answered from now on."""
        self.allowed = frozenset(answers)

    def check(self, may_serve: Collection[float], at_least: int) -> None:
        """Nothing failed, and nobody answered who may not serve."""
        assert self.failed == []
        assert set(self.answers) <= set(may_serve)
        assert self.count >= at_least


@contextmanager
def traffic(
    endpoints: dict[str, str],
    token: str = "",
    certificate: str = "",
    clients: Sequence[Make] = (),
    pause: float = PAUSE_SECONDS,
) -> Iterator[Seen]:
    """Clients around a block: these, or several of both protocols; each waits `pause` seconds between two questions."""
    seen, over = Seen(), threading.Event()
    asking = [make(endpoints, token, certificate) for make in clients or (rest_client, grpc_client) * CLIENTS]
    threads = [threading.Thread(target=_ask_on, args=(seen, over, ask, pause)) for ask in asking]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join(90)


def _ask_on(seen: Seen, over: threading.Event, ask: Callable[[], float], pause: float) -> None:
    while not over.wait(pause):
        seen.note(ask)


def rest_client(endpoints: dict[str, str], token: str = "", certificate: str = "") -> Callable[[], float]:
    """Asks over one connection, opened again when the server has said that it closes it, or after a failure."""
    where, body = urlsplit(endpoints["rest"]), json.dumps({"instances": [ASKED]}).encode()
    head = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    if where.scheme == "https":
        context = ssl.create_default_context(cadata=certificate)
        connection: HTTPConnection = HTTPSConnection(where.netloc, timeout=60, context=context)
    else:
        connection = HTTPConnection(where.netloc, timeout=60)

    def ask() -> float:
        try:
            connection.request("POST", "/v1/models/half_plus_two:predict", body, head)
            answer = connection.getresponse()
            text = answer.read()
        except BaseException:
            connection.close()
            raise
        if answer.status != 200:
            raise AssertionError(f"{answer.status} {text[:100]!r}")
        return float(json.loads(text)["predictions"][0])

    return ask


RETRIES = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            }
        ]
    }
)
"""What a gRPC client needs so that it loses no call when an embedded server is replaced."""


def retrying_grpc_client(endpoints: dict[str, str], token: str = "", certificate: str = "") -> Callable[[], float]:
    """The same as `grpc_client`, which sends a call again that a server which stops has cancelled."""
    return grpc_client(endpoints, token, certificate, service_config=RETRIES)


def grpc_client(
    endpoints: dict[str, str],
    token: str = "",
    certificate: str = "",
    values: Sequence[float] = (ASKED,),
    service_config: str = "{}",
) -> Callable[[], float]:
    """Asks over one channel for all its life, as gRPC is set: a call that a connection which says goodbye never took is
    sent again on the next one."""
    request = message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "half_plus_two"
    request.inputs["x"].CopyFrom(tensors.to_proto(np.float32(values)))
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.service_config", service_config))
    if certificate:
        credentials = grpc.ssl_channel_credentials(certificate.encode())
        channel = grpc.secure_channel(endpoints["grpc"], credentials, options=options)
    else:
        channel = grpc.insecure_channel(endpoints["grpc"], options=options)
    call = channel.unary_unary(
        PREDICT, type(request).SerializeToString, message_class("tensorflow.serving.PredictResponse").FromString
    )
    sent_with = (("authorization", f"Bearer {token}"),) if token else ()

    def ask() -> float:
        answer = call(request, timeout=60, metadata=sent_with)
        return float(next(iter(tensors.from_proto(found) for found in answer.outputs.values()))[0])

    return ask
