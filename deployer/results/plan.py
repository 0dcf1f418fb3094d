"""What a change consists of: steps that are shown by a dry run, written into the journal, and executed as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from deployer.results.deployment import ServedModel, digest, format_models


class Change(Enum):
    """What kind of change a plan makes."""

    CREATE = "create"
    RELOAD = "reload"
    REPLACE = "replace"
    GATEWAY = "gateway"
    NOTHING = "nothing"
    REMOVE = "remove"


@dataclass(frozen=True)
class Step:
    """One thing that will be done, and because of what."""

    cause: str

    @property
    def kind(self) -> str:
        """`start_candidate`, and so on."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def action(self) -> str:
        """What is done, in words."""
        raise NotImplementedError


@dataclass(frozen=True)
class Export(Step):
    """A source becomes a version in the store."""

    source: str
    model: str
    version: int

    @property
    def action(self) -> str:
        return f"export {self.source} as {self.model}:{self.version}"


@dataclass(frozen=True)
class StartCandidate(Step):
    """A server starts beside what serves, on ports of its own; from an image where the engine has images, which is
    pulled where it is `missing`.
    """

    models: tuple[ServedModel, ...]
    image: str = ""
    missing: bool = False

    @property
    def action(self) -> str:
        image = f" from image {self.image}{', which is pulled first' if self.missing else ''}" if self.image else ""
        return f"start a candidate with {format_models(self.models)}{image}"


@dataclass(frozen=True)
class VerifyCandidate(Step):
    """The candidate loads its models and answers the golden questions; with `pace`, no slower than what serves."""

    pace: bool = False

    @property
    def action(self) -> str:
        return "verify the candidate: status, signatures, golden answers over REST and gRPC"


@dataclass(frozen=True)
class AwaitCandidate(Step):
    """The candidate loads its models; it is asked for nothing else."""

    @property
    def action(self) -> str:
        return "wait until the candidate has loaded its models, without verification"


@dataclass(frozen=True)
class DiscardCandidate(Step):
    """The candidate goes: the server that serves loads what it has shown. In the `background` while that goes on."""

    background: bool

    @property
    def action(self) -> str:
        return "discard the candidate"


@dataclass(frozen=True)
class Promote(Step):
    """The candidate takes the address; the old server, with the models of `replaces`, gives way once the steps of
    `accepted_by` have passed.
    """

    address: str
    gateway: bool
    replaces: str = ""
    gap: str = ""
    changes: tuple[str, ...] = ()
    accepted_by: tuple[Step, ...] = ()

    @property
    def action(self) -> str:
        what = "have the gateway send requests to it, from" if self.gateway else "open its ports on"
        old = f"the old server ({self.replaces})"
        first = f"stop {old}, whose ports are closed until {self.gap}; then " if self.gap else ""
        last = f"; then drain and stop {old}" if self.replaces and not self.gap else ""
        if last and not self.gateway:
            last += ", which may interrupt gRPC calls that clients do not retry"
        changes = f"; {', '.join(self.changes)}" if self.changes else ""
        return f"{first}{what} {self.address}{changes}{last}"


@dataclass(frozen=True)
class AwaitServing(Step):
    """The server has its models AVAILABLE at its address."""

    @property
    def action(self) -> str:
        return "wait until it serves at its address"


@dataclass(frozen=True)
class VerifyServing(Step):
    """The server that serves answers the golden questions. `again`: it has done so a moment ago, before its models were
    changed.
    """

    again: bool = False

    @property
    def action(self) -> str:
        return "verify the serving server: status, signatures, golden answers over REST and gRPC"


@dataclass(frozen=True)
class JudgeTraffic(Step):
    """What clients noticed is within the limits; with `old_serves`, the server before may still answer them."""

    old_serves: bool

    @property
    def action(self) -> str:
        return "check the measured requests against the limits"


@dataclass(frozen=True)
class LoadVersions(Step):
    """The server loads what is new beside what it has: a label may only point to a version that is loaded."""

    models: tuple[ServedModel, ...]

    @property
    def action(self) -> str:
        return f"have the server load {format_models(self.models)}"


@dataclass(frozen=True)
class Reload(Step):
    """The server serves these models, and of those `before` nothing else any more."""

    models: tuple[ServedModel, ...]
    before: tuple[ServedModel, ...]
    changes: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        return ", ".join(self.changes) or f"have the server serve {format_models(self.models)}"


@dataclass(frozen=True)
class RecordModels(Step):
    """The server is known for its models from now on: the reload has ended."""

    models: tuple[ServedModel, ...]

    @property
    def action(self) -> str:
        return f"record that {format_models(self.models)} is served"


@dataclass(frozen=True)
class ReplaceGateway(Step):
    """Another gateway takes the ports from the one that has them, in front of a server that goes on serving."""

    accepted_by: tuple[Step, ...] = ()

    @property
    def action(self) -> str:
        return "start a gateway that takes the ports from the one that has them; then drain and stop that one"


@dataclass(frozen=True)
class CheckServing(Step):
    """Nothing is to be changed: the files are intact, and the server answers one golden question."""

    @property
    def action(self) -> str:
        return "check that it serves: files, status, one golden answer"


@dataclass(frozen=True)
class Remove(Step):
    """The server stops, and all that was made for it goes."""

    models: tuple[ServedModel, ...]

    @property
    def action(self) -> str:
        return f"stop the server ({format_models(self.models)}) and remove its config, log and run directory"


@dataclass(frozen=True)
class Plan:
    """What will be done, as data: printed by `--dry-run`, compared by tests, executed by `up` and `down`. `server` is a
    digest of the settings that the server and its gateway shall have.
    """

    change: Change
    deployment: str
    steps: tuple[Step, ...] = ()
    server: str = ""

    @property
    def digest(self) -> str:
        """The same for the same steps, each for the same cause, with the same settings of the server."""
        return digest([str(self), self.server])

    @property
    def is_change(self) -> bool:
        """Whether anything becomes another than it is; an export does."""
        return self.change is not Change.NOTHING or any(isinstance(step, Export) for step in self.steps)

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps in the order in which they are begun, with those that accept what was done."""
        return tuple(each for step in self.steps for each in (step, *_accepting(step)))

    def __str__(self) -> str:
        lines = (f"  {step.action}  ({step.cause})" for step in self.all_steps)
        return "\n".join((f"{self.change.name} {self.deployment}", *lines))


def _accepting(step: Step) -> tuple[Step, ...]:
    return step.accepted_by if isinstance(step, (Promote, ReplaceGateway)) else ()
