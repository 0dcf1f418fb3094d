"""The smoke test: a running server has the expected versions and gives the answers that TensorFlow gave at export.

Checks for every version: AVAILABLE; the exported signatures; the golden set over REST and over gRPC, sequentially, then
concurrently, then sequentially again. For versions that passed these in the same server a moment ago, one sequential
run is enough. Requests that the server refuses for load are retried and counted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from deployer.client import availability
from deployer.client.client import Client
from deployer.errors import DeployerError, Overloaded
from deployer.results.checks import Check, Report
from deployer.results.model import Model
from deployer.results.served import ServedModel
from deployer.system.wait import Readiness
from deployer.verification import golden, parity
from deployer.verification.golden import GoldenCase, Tolerance
from deployer.verification.parity import Ask, ParityError

CONCURRENT_REQUESTS = 16
CONCURRENT_THREADS = 8
LATENCY_ROUNDS = 40


@dataclass(frozen=True)
class CheckOutcome:
    """The outcome of a check: text, largest distance from a golden answer, partial or not, number of answers."""

    detail: str
    worst: float | None = None
    partial: bool = False
    answers: int = 0


def verify(client: Client, models: Iterable[Model], tolerance: Tolerance, *, again: bool = False) -> Report:
    """Run all checks on every version; `again` runs only those whose result may have changed in the same server.

    A failed check does not stop the others.
    """
    return Report(tuple(check for model in models for check in _verify_model(client, model, tolerance, again=again)))


def preload(models: Iterable[Model]) -> None:
    """Import and read what `verify` needs, while a server is loading."""
    Client.preload()
    with contextlib.suppress(DeployerError):  # `verify` reports it
        for model in models:
            golden.read(model.path)


def verify_available(client: Client, served: Iterable[ServedModel]) -> Report:
    """Check only that every served version is AVAILABLE: for an unchanged server that was verified before."""
    expected = [(model.name, version) for model in served for version in model.versions]
    return Report(
        tuple(
            _check(client, "status", f"{name}:{version}", partial(_status, client, name, version))
            for name, version in expected
        )
    )


def verify_one_answer(client: Client, models: Iterable[Model], tolerance: Tolerance) -> Report:
    """Check the first golden request of every version: for a server that was verified some time ago."""
    return Report(
        tuple(
            _check(client, "answer", f"{model.name}:{model.version}", partial(_one_answer, client, model, tolerance))
            for model in models
            if model.golden.cases
        )
    )


def _one_answer(client: Client, model: Model, tolerance: Tolerance) -> CheckOutcome:
    cases = golden.read(model.path)
    fitting = [case for case in cases if parity.rest_can_carry(model, case)]
    ask = parity.rest(client, model) if fitting else parity.grpc(client, model)
    return _ask_each(ask, (fitting or list(cases))[:1], model, tolerance)


def compare_latency(serving: tuple[Client, Model], candidate: tuple[Client, Model], limit: float) -> Check:
    """Check that a candidate's median latency for a golden request is at most `limit` times the serving version's.

    Requests to both servers alternate, so that other load on the machine affects both equally.
    """
    client, model = candidate
    return _check(client, "pace", f"{model.name}:{model.version}", lambda: _latency(serving, candidate, limit))


def _latency(serving: tuple[Client, Model], candidate: tuple[Client, Model], limit: float) -> CheckOutcome:
    import statistics

    questions = [(client, _first_question(client, model)) for client, model in (serving, candidate)]
    rounds = [[_seconds(client, ask) for client, ask in questions] for _ in range(LATENCY_ROUNDS)]
    complete = [durations for durations in rounds if None not in durations]
    if not complete:
        raise Overloaded(f"the servers refused a request for load in each of {LATENCY_ROUNDS} rounds")
    before, after = (statistics.median(durations) * 1000 for durations in zip(*complete, strict=True))
    detail = f"{after:.2f} ms, the serving version {before:.2f} ms: {after / before:.2f} times"
    if lost := LATENCY_ROUNDS - len(complete):
        detail += f", {lost} of {LATENCY_ROUNDS} rounds left out: refused for load"
    if after > before * limit:
        raise ParityError(f"{detail}, allowed are {limit:g}")
    return CheckOutcome(detail)


def _seconds(client: Client, ask: Callable[[], object]) -> float | None:
    """Return the time of an answer in seconds; None if the server refused it for load first."""
    retried, began = client.retries.count, time.perf_counter()
    ask()
    durations = time.perf_counter() - began
    return durations if client.retries.count == retried else None


def _first_question(client: Client, model: Model) -> Callable[[], object]:
    cases = golden.read(model.path)
    if not cases:
        raise ParityError(model.golden.lack)
    fitting = [case for case in cases if parity.rest_can_carry(model, case)]
    ask = parity.rest(client, model) if fitting else parity.grpc(client, model)
    return partial(ask, (fitting or list(cases))[0])


def _verify_model(client: Client, model: Model, tolerance: Tolerance, *, again: bool) -> Iterator[Check]:
    label = f"{model.name}:{model.version}"
    yield _check(client, "status", label, lambda: _status(client, model.name, model.version))
    yield _check(client, "signatures", label, lambda: _signatures(client, model))
    try:
        cases = golden.read(model.path)
    except DeployerError as error:
        yield Check("golden", label, ok=False, detail=error.message, milliseconds=0.0)
        return
    if not cases:
        yield Check("golden", label, ok=False, detail=model.golden.lack, milliseconds=0.0)
        return
    if len(cases) != model.golden.cases:
        found = f"the golden set has {len(cases)} of its {model.golden.cases} cases"
        detail = f"{found}: deployer export SOURCE --force makes a version with all"
        yield Check("golden", label, ok=False, detail=detail, milliseconds=0.0)
        return
    yield _check(client, "source", label, lambda: _source(model))
    yield from _parity(client, model, cases, tolerance, again=again)


def _source(model: Model) -> CheckOutcome:
    """Report whether the source model gave the golden answers too, and which signatures have none."""
    summary = model.golden
    skipped = [f"no golden answers of {reason}" for reason in summary.skipped]
    return CheckOutcome("; ".join([summary.fidelity, *skipped]), partial=not summary.is_whole)


def _parity(
    client: Client, model: Model, cases: Sequence[GoldenCase], tolerance: Tolerance, *, again: bool
) -> Iterator[Check]:
    label = f"{model.name}:{model.version}"
    apis: dict[str, Ask] = {"REST": parity.rest(client, model), "gRPC": parity.grpc(client, model)}
    fitting = {"REST": [case for case in cases if parity.rest_can_carry(model, case)], "gRPC": list(cases)}
    for api, ask in apis.items():
        if not fitting[api]:
            omitted = partial(CheckOutcome, f"not asked: {_left_out(model, cases)}", partial=True)
            yield _check(client, f"parity {api}", label, omitted)
            continue
        rest = _left_out(model, cases) if len(fitting[api]) < len(cases) else ""
        alone = partial(_ask_each, ask, fitting[api], model, tolerance, rest)
        at_once = partial(_ask_at_once, ask, fitting[api], model, tolerance)
        ways = {"parity": alone} if again else {"parity": alone, "concurrent": at_once, "repeated": alone}
        for way, run in ways.items():
            check = _check(client, f"{way} {api}", label, run)
            yield check
            if check.overloaded:
                break  # the client has retried until its deadline


def _left_out(model: Model, cases: Sequence[GoldenCase]) -> str:
    whys = dict.fromkeys(why for case in cases if (why := parity.rest_cannot_carry(model, case)))
    return f"REST cannot carry {', '.join(whys)}"


def _ask_each(
    ask: Ask, cases: Sequence[GoldenCase], model: Model, tolerance: Tolerance, omitted: str = ""
) -> CheckOutcome:
    worst = [parity.compare(case, ask(case), model, tolerance) for case in cases]
    outcome = _compared(f"{len(cases)} golden answers", worst, model, cases, tolerance)
    if not omitted:
        return outcome
    return dataclasses.replace(outcome, detail=f"{outcome.detail}; others not asked: {omitted}", partial=True)


def _compared(
    what: str, worst: Sequence[float | None], model: Model, cases: Sequence[GoldenCase], tolerance: Tolerance
) -> CheckOutcome:
    """Summarise how far the values were apart; random outputs have no values to compare."""
    max_distance = max((each for each in worst if each is not None), default=None)
    random = dict.fromkeys(name for case in cases for name in parity.random_output_names(model, case))
    parts = [] if max_distance is None else [f"max diff {max_distance:.3g}{_allowed(cases, tolerance)}"]
    if random:
        parts.append(f"shapes and dtypes only: {', '.join(random)} {'is' if len(random) == 1 else 'are'} random")
    return CheckOutcome(f"{what}, {'; '.join(parts)}", max_distance, partial=bool(random), answers=len(worst))


def _allowed(cases: Sequence[GoldenCase], tolerance: Tolerance) -> str:
    """Return the widest relative tolerance of the compared outputs as text; empty if they must be equal."""
    dtypes = {str(array.dtype) for case in cases for array in case.outputs.values()}
    widest = max((tolerance.of(dtype)[0] for dtype in dtypes), default=0.0)
    return f" (tolerance {widest:g})" if widest else ""


def _ask_at_once(ask: Ask, cases: Sequence[GoldenCase], model: Model, tolerance: Tolerance) -> CheckOutcome:
    requests = [cases[number % len(cases)] for number in range(max(CONCURRENT_REQUESTS, len(cases)))]
    with ThreadPoolExecutor(CONCURRENT_THREADS) as pool:
        futures = [pool.submit(ask, case) for case in requests]
        try:
            answers = [each.result() for each in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    worst = [parity.compare(case, answer, model, tolerance) for case, answer in zip(requests, answers, strict=True)]
    return _compared(f"{len(requests)} requests of {CONCURRENT_THREADS} clients", worst, model, cases, tolerance)


def _status(client: Client, name: str, version: int) -> CheckOutcome:
    states = {state.version: state for state in client.states(name)}
    seen = availability.to_observation(states.get(version), name, version)
    if seen.readiness is not Readiness.READY:
        raise ParityError(seen.reason)
    return CheckOutcome("AVAILABLE")


def _signatures(client: Client, model: Model) -> CheckOutcome:
    served = {signature.name: signature for signature in client.signatures(model.name, model.version)}
    for signature in model.info.signatures:
        if served.get(signature.name) != signature:
            raise ParityError(
                f"signature {signature.name} is served as {served.get(signature.name)}, exported as {signature}"
            )
    return CheckOutcome(f"{len(model.info.signatures)} as exported")


def _check(client: Client, name: str, model: str, run: Callable[[], CheckOutcome]) -> Check:
    """Run one check, time it and count the client's retries."""
    before, began = client.retries.count, time.perf_counter()
    overloaded = False
    try:
        outcome, ok = run(), True
    except (ParityError, DeployerError) as error:
        outcome, ok, overloaded = CheckOutcome(str(error)), False, isinstance(error, Overloaded)
    return Check(
        name,
        model,
        ok=ok,
        detail="; ".join(filter(None, (outcome.detail, client.retries.since(before)))),
        milliseconds=round((time.perf_counter() - began) * 1000, 1),
        worst=outcome.worst,
        partial=outcome.partial,
        retried=client.retries.count - before,
        overloaded=overloaded,
        answers=outcome.answers,
    )
