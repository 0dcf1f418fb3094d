"""Does several things of which some may fail: the others are done all the same, and the failures are told together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from deployer.errors import DeployerError

Result = TypeVar("Result")


def collect_errors(
    attempts: Iterable[Callable[[], Iterable[Result]]],
) -> tuple[tuple[Result, ...], tuple[DeployerError, ...]]:
    """The results of all attempts, and the errors of those that failed."""
    results: list[Result] = []
    failures: list[DeployerError] = []
    for attempt in attempts:
        try:
            results += attempt()
        except DeployerError as error:  # noqa: PERF203 - each on its own is the point
            failures.append(error)
    return tuple(results), tuple(failures)


def merge_errors(failures: Sequence[DeployerError], results: tuple[object, ...]) -> DeployerError:
    """Several failures as one, of the first one's kind, with what went well beside them."""
    first = failures[0]
    whole = type(first)("; ".join(failure.message for failure in failures), hint=first.hint, log=first.log)
    whole.results = results
    return whole
