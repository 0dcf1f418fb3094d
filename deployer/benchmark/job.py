"""What the processes of the load generator are given, and what they return."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from deployer.benchmark.histogram import Histogram
from deployer.results.deployment import Gateway

STOP = "stop"
"""The message that ends a stage before its time."""
READY = "ready"
"""The message of a process that has imported what it needs."""
REST, GRPC = "REST", "gRPC"
SAMPLE_EVERY = 97
"""Of so many answers, one is kept, to compare it with the golden answer. A prime: each question has its turn."""
MAX_SAMPLES = 100
MAX_SAMPLE_BYTES = 4 << 20


@dataclass(frozen=True)
class Stage:
    """One measurement: over an API, at a rate or with a number of clients that each wait for their answer."""

    api: str
    rate: float | None
    clients: int
    """In the open loop, how many requests may be under way at once."""

    warmup: float
    seconds: float

    def __str__(self) -> str:
        clients = f"{self.clients:,} {'client' if self.clients == 1 else 'clients'}"
        return f"{self.api} at {self.rate:,g} requests/s" if self.rate else f"{self.api} with {clients}"


@dataclass(frozen=True)
class Address:
    """Where requests go: a host with a port, and the gateway in front of it."""

    host: str
    port: int
    gateway: Gateway | None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Payload:
    """A request as bytes: over REST with its HTTP headers, over gRPC the message for `method`."""

    data: bytes
    method: str = ""


@dataclass(frozen=True)
class Job:
    """The part of one process in a stage: it sends every `step`-th request, from `first` on, or has `clients`."""

    stage: Stage
    address: Address
    payloads: tuple[Payload, ...]
    deadline: float
    """Seconds that a request may take."""

    clients: int
    first: int = 0
    step: int = 1


@dataclass
class Measured:
    """What was seen of a stage. Failed requests have no latency."""

    latencies: Histogram = field(default_factory=Histogram)
    delays: Histogram = field(default_factory=Histogram)
    """How much later than due requests were sent that did not wait for a connection."""

    sent: int = 0
    unsent: int = 0
    """Requests that were due and never sent."""

    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """What the first failure of each kind was."""

    samples: list[tuple[int, bytes]] = field(default_factory=list)
    """Answers, each with the number of its payload."""

    seconds: float = 0.0
    """From the first to the last answer that counts, at least the time of the stage."""

    held_back: int = 0
    """How often a request waited for the answer of another one."""

    processor: float = 0.0
    """The part of a processor that the generator used."""

    def merge(self, other: Measured) -> None:
        """Add what another process saw of the same stage."""
        self.latencies.merge(other.latencies)
        self.delays.merge(other.delays)
        self.failures.update(other.failures)
        self.examples = {**other.examples, **self.examples}
        self.samples += other.samples
        self.sent += other.sent
        self.unsent += other.unsent
        self.held_back += other.held_back
        self.seconds = max(self.seconds, other.seconds)
        self.processor = max(self.processor, other.processor)
