"""Results of checks: of a server, of a machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One check of a server."""

    name: str
    model: str
    ok: bool
    detail: str
    milliseconds: float
    worst: float | None = None
    """The largest absolute difference from a golden answer."""

    partial: bool = False
    """Whether something could not be compared; `detail` says what."""

    retried: int = 0
    """How many requests were repeated because the server refused them for load."""

    overloaded: bool = False
    """Whether the server refused a request for load until the end, so that its answer is unknown."""

    answers: int = 0
    """How many answers were compared with golden answers."""


@dataclass(frozen=True)
class Finding:
    """A finding about this machine or an engine; `severity` is `ok`, `warning` or `error`."""

    check: str
    severity: str
    message: str
    remedy: str = ""


class MissingPackages(Finding):
    """Optional packages that an engine needs are not installed."""


@dataclass(frozen=True)
class DoctorResult:
    """The findings about this machine and its engines."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)


@dataclass(frozen=True)
class Report:
    """The checks of one verification; without checks, it has not passed."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether there are checks and all of them passed, also partial ones."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def overloaded(self) -> bool:
        """Whether checks failed only because the server refused requests for load."""
        return bool(self.failed) and all(check.overloaded for check in self.failed)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.ok)
