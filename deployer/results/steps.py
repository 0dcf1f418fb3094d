"""The steps of a plan: a dry run shows them, the journal records them, and the executor performs them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployer.results.served import ServedModel, format_models


@dataclass(frozen=True)
class Step:
    """One step of a plan, with its cause."""

    cause: str

    @property
    def kind(self) -> str:
        """The name of the step in JSON, such as `start_candidate`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def action(self) -> str:
        """The step in words."""
        raise NotImplementedError

    @property
    def is_private(self) -> bool:
        """Whether no client can reach the new versions yet when the step has ended."""
        return False


@dataclass(frozen=True)
class Export(Step):
    """Export a source to a version in the store."""

    source: str
    model: str
    version: int
    content: str = ""
    """The digest of the source and of the export's options; empty if only running the source tells what it makes."""

    @property
    def action(self) -> str:
        return f"export {self.source} as {self.model}:{self.version}"


@dataclass(frozen=True)
class BuildImage(Step):
    """Build an image with the models inside, on the image `base`, which is pulled first if it is `missing`."""

    image: str
    base: str
    missing: bool = False

    @property
    def action(self) -> str:
        base = f"{self.base}{', which is pulled first' if self.missing else ''}"
        return f"build the image {self.image} with the models inside, on {base}"


@dataclass(frozen=True)
class PushImage(Step):
    """Send a built image to its registry, from which the nodes of a cluster pull it."""

    image: str

    @property
    def action(self) -> str:
        return f"push {self.image} to its registry, and deploy it by the digest that it gets there"


@dataclass(frozen=True)
class PullImage(Step):
    """Pull an image with the models inside. It is the only step that is known before."""

    image: str

    @property
    def action(self) -> str:
        return f"pull {self.image}"


@dataclass(frozen=True)
class StartCandidate(Step):
    """Start a server on ports of its own; its image is pulled first if it is `missing`."""

    models: tuple[ServedModel, ...]
    image: str = ""
    missing: bool = False
    final_address: str = ""
    """The public address, if the engine can only publish it when the server starts."""

    @property
    def action(self) -> str:
        image = f" from image {self.image}" if self.image else ""
        pull = "which is pulled first" if self.image and self.missing else ""
        start = f"start a candidate with {format_models(self.models)}{image}"
        if not self.final_address:
            return f"{start}, {pull}" if pull else start
        return f"{start}{f', {pull},' if pull else ''} on its final ports, {self.final_address}"

    @property
    def is_private(self) -> bool:
        return not self.final_address


@dataclass(frozen=True)
class _CandidateStep(Step):
    """A step with a candidate that has started."""

    @property
    def is_private(self) -> bool:
        return True


@dataclass(frozen=True)
class VerifyCandidate(_CandidateStep):
    """Verify that the candidate loads its models and gives the golden answers; with `pace`, also its speed."""

    pace: bool = False

    @property
    def action(self) -> str:
        return "verify the candidate: status, signatures, golden answers over REST and gRPC"


@dataclass(frozen=True)
class AwaitCandidate(_CandidateStep):
    """Wait until the candidate has loaded its models."""

    @property
    def action(self) -> str:
        return "wait until the candidate has loaded its models, without verification"


@dataclass(frozen=True)
class DiscardCandidate(_CandidateStep):
    """Stop the candidate of a reload; in the `background`, while the serving server loads the same versions."""

    background: bool

    @property
    def action(self) -> str:
        return "discard the candidate"


@dataclass(frozen=True)
class Promote(Step):
    """Give the candidate the public address, and retire the old server once the `accepted_by` steps have passed."""

    address: str
    gateway: bool
    replaces: str = ""
    """The models of the old server."""

    gap: str = ""
    """Until when the ports are closed; empty if they stay open."""

    changes: tuple[str, ...] = ()
    accepted_by: tuple[Step, ...] = ()
    published: bool = False
    """Whether the candidate is at the public address from its start."""

    image: str = ""
    """The image of a gateway that is started; empty without a new gateway."""

    missing: bool = False
    """Whether that image is pulled first."""

    replicas: int = 0
    """The number of servers that are started; 0 on an engine that runs one, where the candidate itself is promoted."""

    @property
    def action(self) -> str:
        if self.replicas:
            return self._replicated
        if self.published:
            return f"keep it at {self.address}{''.join(f'; {change}' for change in self.changes)}"
        gateway = f"a new gateway{_image_note(self.image, missing=self.missing)}" if self.image else "the gateway"
        what = f"have {gateway} send requests to it, from" if self.gateway else "open its ports on"
        old = f"the old server ({self.replaces})"
        first = f"stop {old}, whose ports are closed until {self.gap}; then " if self.gap else ""
        last = f"; then drain and stop {old}" if self.replaces and not self.gap else ""
        if last and not self.gateway:
            last += ", which may interrupt gRPC calls that clients do not retry"
        changes = f"; {', '.join(self.changes)}" if self.changes else ""
        return f"{first}{what} {self.address}{changes}{last}"

    @property
    def _replicated(self) -> str:
        gateways = f"new gateways{_image_note(self.image, missing=False)}" if self.image else "the gateways"
        servers = "1 server" if self.replicas == 1 else f"{self.replicas} servers"
        behind = f"behind {gateways} at {self.address}"
        if not self.replaces:
            return f"discard the candidate and start {servers} like it, {behind}"
        changes = f"; {', '.join(self.changes)}" if self.changes else ""
        return (
            f"discard the candidate and replace the servers of {self.replaces} in turn by {servers} like it, {behind}: "
            f"an old one drains and stops once a new one is healthy, and both answer until the last{changes}"
        )


@dataclass(frozen=True)
class AwaitServing(Step):
    """Wait until all models are AVAILABLE at the public address."""

    @property
    def action(self) -> str:
        return "wait until it serves at its address"


@dataclass(frozen=True)
class VerifyServing(Step):
    """Verify the serving server; `again` leaves out what was verified before its models changed."""

    again: bool = False

    @property
    def action(self) -> str:
        return "verify the serving server: status, signatures, golden answers over REST and gRPC"


@dataclass(frozen=True)
class JudgeTraffic(Step):
    """Measure requests after a switch, and check them against the limits that are set.

    With `old_serves`, the old server may still answer.
    """

    old_serves: bool
    max_failures: int | None = None
    max_gap_ms: float | None = None

    @property
    def action(self) -> str:
        failures = "" if self.max_failures is None else f"at most {self.max_failures} failures"
        gap = "" if self.max_gap_ms is None else f"no gap over {self.max_gap_ms:g} ms"
        limits = ", ".join(filter(None, (failures, gap)))
        return f"check the measured requests: {limits}" if limits else "measure the requests; no limit is set"


@dataclass(frozen=True)
class LoadVersions(Step):
    """Load new versions and keep the old ones, because a label may only point to a loaded version."""

    models: tuple[ServedModel, ...]

    @property
    def action(self) -> str:
        return f"have the server load {format_models(self.models)}"


@dataclass(frozen=True)
class Reload(Step):
    """Serve these models, and unload the versions of `before` that are not among them."""

    models: tuple[ServedModel, ...]
    before: tuple[ServedModel, ...]
    changes: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        return ", ".join(self.changes) or f"have the server serve {format_models(self.models)}"


@dataclass(frozen=True)
class RecordModels(Step):
    """Record that the reload has ended and which models are served."""

    models: tuple[ServedModel, ...]

    @property
    def action(self) -> str:
        return f"record that {format_models(self.models)} is served"


@dataclass(frozen=True)
class ReplaceGateway(Step):
    """Replace the gateway in front of a running server, or start one where none is `running`.

    Its image is pulled first if it is `missing`.
    """

    accepted_by: tuple[Step, ...] = ()
    running: bool = True
    image: str = ""
    missing: bool = False
    replicated: bool = False
    """Whether there is a gateway on each of several machines."""

    @property
    def action(self) -> str:
        if self.replicated:
            gateways = f"gateways{_image_note(self.image, missing=False)}"
            verb = "replace the" if self.running else "start"
            return f"{verb} {gateways}{', one machine after the other' if self.running else ''}"
        gateway = f"a gateway{_image_note(self.image, missing=self.missing)}"
        if not self.running:
            return f"start {gateway} on the ports, which are closed until then"
        return f"start {gateway} that takes the ports from the one that has them; then drain and stop that one"


@dataclass(frozen=True)
class Scale(Step):
    """Change the number of servers of a release."""

    before: int
    after: int

    @property
    def action(self) -> str:
        count, numbers = abs(self.after - self.before), f"{self.after} instead of {self.before}"
        servers = f"server{'s' if count > 1 else ''}: {numbers}"
        return f"start {count} more {servers}" if self.after > self.before else f"drain and stop {count} {servers}"


@dataclass(frozen=True)
class RollBack(Step):
    """Reload the models that were served before. It is part of no plan: a failed step causes it."""

    models: tuple[ServedModel, ...]

    @property
    def action(self) -> str:
        return f"roll back to {format_models(self.models)}"


@dataclass(frozen=True)
class CheckServing(Step):
    """Check a server that needs no change: its files, its models, and one golden answer each."""

    @property
    def action(self) -> str:
        return "check that it serves: files, status, one golden answer"


@dataclass(frozen=True)
class Remove(Step):
    """Stop the server and remove its files."""

    models: tuple[ServedModel, ...]

    @property
    def action(self) -> str:
        return f"stop the server ({format_models(self.models)}) and remove its config, log and run directory"


def _image_note(image: str, *, missing: bool) -> str:
    return f" (image {image}{', which is pulled first' if missing else ''})" if image else ""
