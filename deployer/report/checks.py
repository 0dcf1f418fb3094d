"""What was asked of a server or a machine, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was asked of a server. `worst` is the largest measured distance from a golden answer. `partial`
    says that something was not asked or not compared: `detail` says what."""

    name: str
    model: str
    ok: bool
    detail: str
    milliseconds: float
    worst: float | None = None
    partial: bool = False


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
    `partial` checks say what was not."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether there were checks and all of them passed."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.ok)
