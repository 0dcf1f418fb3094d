"""Prints reports of the verification: one line for each model, or every check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployer.console.lines import out, show_notices
from deployer.console.terminal import BOLD, GREEN, RED, colored

if TYPE_CHECKING:
    from deployer.results.checks import Check, Report
    from deployer.results.running import SmokeResult

APIS = ("REST", "gRPC")


def show_report(report: Report, *, verbose: bool = True) -> None:
    """Print a line for each check; `part` marks one that did not request or compare everything.

    Without `verbose` one line for each model sums up the checks that passed, and only the others are listed.
    """
    for model in dict.fromkeys(check.model for check in report.checks):
        checks = [check for check in report.checks if check.model == model]
        passed = [] if verbose else [check for check in checks if check.ok and not check.partial]
        if passed:
            done = "verified" if any(check.answers for check in checks) else "available"
            out(f"{done} {model}: {_summary(passed)}")
        for check in checks:
            if check not in passed:
                _show_check(check)


def _show_check(check: Check) -> None:
    passed = colored("part", BOLD) if check.partial else colored("ok  ", GREEN)
    mark = passed if check.ok else colored("FAIL", RED)
    out(f"  {mark}  {check.model}  {check.name:<16} {check.milliseconds:>8.1f} ms  {check.detail}")


def _summary(checks: Sequence[Check]) -> str:
    """Return `8 checks, 52 answers over REST and gRPC, max diff 0`."""
    answers, retried = sum(check.answers for check in checks), sum(check.retried for check in checks)
    apis = [api for api in APIS if any(check.answers and check.name.endswith(api) for check in checks)]
    over = f" over {' and '.join(apis)}" if apis else ""
    differences = [check.worst for check in checks if check.worst is not None]
    return ", ".join(
        (
            _counted(len(checks), "check"),
            *((f"{_counted(answers, 'answer')}{over}",) if answers else ()),
            *((f"max diff {max(differences):.3g}",) if differences else ()),
            *((f"{retried} retried",) if retried else ()),
        )
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def show_smoke(result: SmokeResult) -> None:
    """Print the endpoint, and every check."""
    out(f"{result.name} [{result.env}] at {result.endpoints.rest}")
    show_report(result.report)
    show_notices(result.notices)
