"""Values: what was proven, and what each verb returns. The command line prints these; the Python API hands them out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from deployer.deployment import Deployment, Endpoints, Plan, ServedModel
from deployer.model import Model


@dataclass(frozen=True)
class Check:
    """One thing that was asked of a server. `worst` is the largest measured distance from a golden answer."""

    name: str
    model: str
    ok: bool
    detail: str
    milliseconds: float
    worst: float | None = None


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
    """All checks of one proof; a proof without a check proves nothing."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether there were checks and all of them passed."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.ok)


@dataclass(frozen=True)
class ExportResult:
    """`created` is False when the newest version already holds this content."""

    model: Model
    created: bool


@dataclass(frozen=True)
class PhaseFigures:
    """Requests of one phase of a change; times are from when a request was due to its answer, None without any."""

    requests: int
    failures: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class TrafficFigures:
    """What clients would have noticed of a change: golden requests at `rate` a second to the public address.

    `longest_gap_ms` is the longest time from one good answer to the next. An answer that differs from TensorFlow's,
    or comes from a version that may not serve at that moment, is a failure.
    """

    rate: float
    requests: int
    failures: int
    longest_gap_ms: float
    before: PhaseFigures
    during: PhaseFigures
    after: PhaseFigures
    first_failure: str = ""


@dataclass(frozen=True)
class UpResult:
    """What `up` did; after a dry run `endpoints` and `report` are None, and `traffic` where it was not measured."""

    name: str
    env: str
    engine: str
    models: tuple[ServedModel, ...]
    endpoints: Endpoints | None
    plan: Plan
    report: Report | None
    traffic: TrafficFigures | None = None


@dataclass(frozen=True)
class TokenResult:
    """A new bearer token, which is kept nowhere; None after one was taken back. `file` has the hashes."""

    name: str
    token: str | None
    file: Path


@dataclass(frozen=True)
class DownResult:
    """What `down` removed."""

    name: str
    env: str
    engine: str
    plan: Plan


@dataclass(frozen=True)
class UnlockResult:
    """Who holds the lock on a deployment, None for nobody; `taken` when it was taken away."""

    name: str
    env: str
    owner: str | None
    taken: bool


class Outcome(Enum):
    """How a release ended."""

    UNDER_WAY = "under way"
    GOOD = "good"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Release:
    """A change as the history has it; `change` is the plan's, `detail` tells why it failed."""

    number: int
    name: str
    env: str
    engine: str
    change: str
    models: tuple[ServedModel, ...]
    who: str
    began: str
    seconds: float | None
    outcome: Outcome
    detail: str = ""
    traffic: TrafficFigures | None = None


@dataclass(frozen=True)
class HistoryResult:
    """Releases, the newest first."""

    releases: tuple[Release, ...]


@dataclass(frozen=True)
class ModelState:
    """A version as its server reports it; `state` is TensorFlow Serving's word, such as AVAILABLE."""

    model: str
    version: int
    state: str
    error: str = ""


@dataclass(frozen=True)
class DeploymentStatus:
    """A deployment with the states that its server reports; `healthy` when all it should serve is AVAILABLE.

    `warning` tells what will keep it from coming up again.
    """

    deployment: Deployment
    states: tuple[ModelState, ...]
    healthy: bool
    detail: str
    warning: str = ""


@dataclass(frozen=True)
class SmokeResult:
    """A proof of a running deployment."""

    name: str
    env: str
    endpoints: Endpoints
    report: Report


@dataclass(frozen=True)
class VersionsResult:
    """Models and their versions, ascending."""

    models: tuple[Model, ...]


@dataclass(frozen=True)
class PruneResult:
    """Versions that stay, and those that were removed, or would be when it is not `done`."""

    kept: tuple[Model, ...]
    removed: tuple[Model, ...]
    done: bool


@dataclass(frozen=True)
class InspectResult:
    """A model with a `curl` line for each signature that REST can ask; `path` is its folder. `notes` say what to look
    out for: fixed batch sizes, ops that the server would not know."""

    model: Model
    curl: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SignatureChange:
    """One difference between the signatures of two versions; `place` is `input NAME`, `output NAME`, or empty."""

    signature: str
    place: str
    breaking: bool
    detail: str


@dataclass(frozen=True)
class OutputDistance:
    """How far an output of the later version is from the earlier one's golden answers, over `values` values.

    `worst` and `mean` are absolute distances, None where there are none to tell: texts, another shape, randomness.
    """

    signature: str
    output: str
    worst: float | None
    mean: float | None
    differing: int
    values: int
    detail: str = ""


@dataclass(frozen=True)
class Numbers:
    """What two versions answered to the golden questions of the first, and the median time of an answer."""

    cases: int = 0
    distances: tuple[OutputDistance, ...] = ()
    refused: tuple[str, ...] = ()
    before_milliseconds: float | None = None
    after_milliseconds: float | None = None


@dataclass(frozen=True)
class VersionFigures:
    """A version's size and the median time that TensorFlow takes for a golden question, where it was measured."""

    version: int
    size_bytes: int
    tensorflow: str
    milliseconds: float | None


@dataclass(frozen=True)
class DiffResult:
    """What changes for clients from `before` to `after`; `refused` says which golden questions have no answer now."""

    name: str
    before: VersionFigures
    after: VersionFigures
    breaking: bool
    changes: tuple[SignatureChange, ...]
    distances: tuple[OutputDistance, ...]
    refused: tuple[str, ...]
