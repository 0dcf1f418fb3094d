"""Golden questions at a steady rate to a public address while what answers there changes; each answer is checked.

Requests have no version, as those of clients. Over gRPC the server tells which version answered: it must be one that
may serve at that moment. Over REST the values tell, where only one version may serve.
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
    """A golden question of a version, asked over `REST` or `gRPC` without naming that version."""

    model: Model
    case: GoldenCase
    api: str


@dataclass(frozen=True)
class Sample:
    """One request: when it was due and when it was answered, in seconds of one clock; a good one has no `fault`."""

    phase: str
    due: float
    ended: float
    fault: str = ""


def golden_requests(models: Iterable[Model]) -> tuple[GoldenRequest, ...]:
    """The questions of these versions, by predict, classify and regress, for REST and gRPC in turn."""
    found = []
    for model in models:
        for case in golden.read(model.path):
            apis = ("REST", "gRPC") if parity.rest_can_carry(model, case) else ("gRPC",)
            found += [GoldenRequest(model, case, api) for api in apis]
    return tuple(found)


@dataclass
class Traffic:
    """Asks from `start` to `stop`; who changes the server says when, and what may answer then."""

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
        """Begin to ask."""
        self._began = time.perf_counter()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(WORKERS)]
        for thread in self._threads:
            thread.start()

    def set_phase(self, phase: str, serving: Serving) -> None:
        """From now on these versions may answer; requests under way may still be answered by those before."""
        self.serving = serving
        self.phase = phase

    def stop(self) -> None:
        """Ask no more; requests under way are awaited."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(self.client.seconds)

    def figures(self) -> TrafficFigures:
        """What was measured up to now; while it is asked on, a silence that has not ended counts as far as it lasts."""
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
    """The samples in numbers; a gap is the time from one good answer to the next, from `begun` to the first one, or
    from the last one to `until`."""
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
