"""What was asked of a server or a machine, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was asked of a server. `worst` is the largest measured distance from a golden answer. `partial`
    says that something was not asked or not compared: `detail` says what.

    `retried` counts requests that the server refused for load and that were asked again; `overloaded` tells that it
    still refused in the end, so that nothing is known of its answer. `answers` counts those that were compared with
    golden ones.
    """

    name: str
    model: str
    ok: bool
    detail: str
    milliseconds: float
    worst: float | None = None
    partial: bool = False
    retried: int = 0
    overloaded: bool = False
    answers: int = 0


@dataclass(frozen=True)
class Finding:
    """Something about this machine or an engine; `severity` is `ok`, `warning` or `error`."""

    check: str
    severity: str
    message: str
    remedy: str = ""


@dataclass(frozen=True)
class DoctorResult:
    """Whether this machine is fit to deploy."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way."""
        return all(finding.severity != "error" for finding in self.findings)


@dataclass(frozen=True)
class Report:
    """All checks of one proof; a proof without a check proves nothing. `ok` does not say that everything was asked:
    `partial` checks say what was not.
    """

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether there were checks and all of them passed."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def overloaded(self) -> bool:
        """Whether nothing is wrong but that the server refused requests for load until the end."""
        return bool(self.failed) and all(check.overloaded for check in self.failed)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.ok)
