"""Attempts that may fail one by one: the others still run, and their errors are reported together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from deployer.errors import DeployerError

Result = TypeVar("Result")


def collect_errors(
    attempts: Iterable[Callable[[], Iterable[Result]]],
) -> tuple[tuple[Result, ...], tuple[DeployerError, ...]]:
    """Run all attempts; return their results, and the errors of those that failed."""
    results: list[Result] = []
    errors: list[DeployerError] = []
    for attempt in attempts:
        try:
            results += attempt()
        except DeployerError as error:  # noqa: PERF203 - one failure must not stop the others
            errors.append(error)
    return tuple(results), tuple(errors)


def merge_errors(errors: Sequence[DeployerError], results: tuple[object, ...]) -> DeployerError:
    """Return one error for several, of the first one's type, with the results of the attempts that succeeded."""
    first = errors[0]
    merged = type(first)("; ".join(error.message for error in errors), hint=first.hint, log=first.log)
    merged.results = results
    return merged
