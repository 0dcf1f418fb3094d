"""Send golden requests at a steady rate to a public address during a change, and check each answer.

Requests name no version, like those of clients. gRPC returns the version that answered: it must be one that may serve
at that moment. REST does not: its values are compared if only one version may serve.
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from deployer.client.client import Client
from deployer.errors import DeployerError
from deployer.results.model import Model
from deployer.results.traffic import PhaseFigures, TrafficFigures
from deployer.verification import golden, parity
from deployer.verification.golden import GoldenCase, Tolerance

WORKERS = 8
BEFORE, DURING, AFTER = "before", "during", "after"
Serving = Mapping[str, frozenset[int]]
"""The versions of each model that may answer a request without a version."""


@dataclass(frozen=True)
class GoldenRequest:
    """A golden request of a version, sent over `REST` or `gRPC` without naming that version."""

    model: Model
    case: GoldenCase
    api: str


@dataclass(frozen=True)
class Sample:
    """One request: its due time and its end in seconds of one clock; `fault` is empty if it succeeded."""

    phase: str
    due: float
    ended: float
    fault: str = ""


def golden_requests(models: Iterable[Model]) -> tuple[GoldenRequest, ...]:
    """Return the golden requests of these versions, over REST where possible and over gRPC."""
    found = []
    for model in models:
        for case in golden.read(model.path):
            apis = ("REST", "gRPC") if parity.rest_can_carry(model, case) else ("gRPC",)
            found += [GoldenRequest(model, case, api) for api in apis]
    return tuple(found)


@dataclass
class Traffic:
    """A load generator that runs from `start` to `stop`; `set_phase` tells it which versions may answer."""

    client: Client
    requests: Sequence[GoldenRequest]
    rate: float
    tolerance: Tolerance
    serving: Serving
    phase: str = BEFORE
    samples: list[Sample] = field(default_factory=list)
    _began: float = 0.0
    _numbers: Iterable[int] = field(default_factory=itertools.count)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start sending."""
        self._began = time.perf_counter()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(WORKERS)]
        for thread in self._threads:
            thread.start()

    def set_phase(self, phase: str, serving: Serving) -> None:
        """Set the versions that may answer from now on; running requests may still get answers of the previous ones."""
        self.serving = serving
        self.phase = phase

    def stop(self) -> None:
        """Stop sending and wait for running requests."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(self.client.seconds)

    def figures(self) -> TrafficFigures:
        """Return the figures so far; while requests are being sent, the current gap counts up to now."""
        ended = max((sample.ended for sample in self.samples), default=self._began)
        ended = ended if self._stopped.is_set() else time.perf_counter()
        return figures(self.rate, tuple(self.samples), self._began, ended)

    def _work(self) -> None:
        for number in self._numbers:
            due = self._began + number / self.rate
            if self._stopped.wait(max(0.0, due - time.perf_counter())):
                return
            phase, before = self.phase, self.serving
            fault = self._fault(self.requests[number % len(self.requests)], before)
            self.samples.append(Sample(phase, due, time.perf_counter(), fault))

    def _fault(self, request: GoldenRequest, before: Serving) -> str:
        ask = self._by_grpc if request.api == "gRPC" else self._by_rest
        try:
            ask(request, lambda name: before.get(name, frozenset()) | self.serving.get(name, frozenset()))
        except (DeployerError, parity.ParityError) as error:
            return f"{request.api} {request.model.name}: {error}"
        return ""

    def _by_grpc(self, request: GoldenRequest, may_serve: Callable[[str], frozenset[int]]) -> None:
        model, case = request.model, request.case
        version, answer = parity.ask_grpc(self.client, model, None, case)
        if version not in may_serve(model.name):
            raise parity.ParityError(f"version {version} answered, which may not serve")
        if version == model.version:
            parity.compare(case, answer, model, self.tolerance)

    def _by_rest(self, request: GoldenRequest, may_serve: Callable[[str], frozenset[int]]) -> None:
        model, case = request.model, request.case
        answer = parity.ask_rest(self.client, model, None, case)
        if may_serve(model.name) == {model.version}:
            parity.compare(case, answer, model, self.tolerance)


def figures(rate: float, samples: Sequence[Sample], started: float, ended: float) -> TrafficFigures:
    """Summarise the samples.

    A gap is the time between two successful answers, from `started` to the first one, or from the last one to `ended`.
    """
    good = sorted(sample.ended for sample in samples if not sample.fault)
    gaps = [after - before for before, after in itertools.pairwise((started, *good, ended))]
    faults = [sample.fault for sample in samples if sample.fault]
    phases = {phase: [sample for sample in samples if sample.phase == phase] for phase in (BEFORE, DURING, AFTER)}
    return TrafficFigures(
        rate=rate,
        requests=len(samples),
        failures=len(faults),
        longest_gap_ms=_milliseconds(max(gaps)),
        first_failure=faults[0] if faults else "",
        **{phase: _of_phase(found) for phase, found in phases.items()},
    )


def _of_phase(samples: Sequence[Sample]) -> PhaseFigures:
    taken = sorted(sample.ended - sample.due for sample in samples if not sample.fault)
    failures = sum(1 for sample in samples if sample.fault)
    if not taken:
        return PhaseFigures(len(samples), failures, None, None)
    worst = taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    return PhaseFigures(len(samples), failures, _milliseconds(statistics.median(taken)), _milliseconds(worst))


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
