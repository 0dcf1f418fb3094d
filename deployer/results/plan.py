"""Plans: what a change does, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from deployer.results.launch import digest
from deployer.results.steps import BuildImage, Export, Promote, PushImage, ReplaceGateway, Step

RECOVER = "RECOVER"
"""The heading of a plan that changes nothing but what a killed command left."""


class Change(Enum):
    """The kind of change that a plan makes."""

    CREATE = "create"
    RELOAD = "reload"
    REPLACE = "replace"
    GATEWAY = "gateway"
    SCALE = "scale"
    NOTHING = "nothing"
    PULL = "pull"
    """The engine lacks the image with the models inside: what else changes is known once it has it."""

    REMOVE = "remove"


@dataclass(frozen=True)
class Plan:
    """The steps of a change, as data: printed by `--dry-run`, executed by `up` and `down`."""

    change: Change
    deployment: str
    steps: tuple[Step, ...] = ()
    server: str = ""
    """The digests of the desired server and gateway."""

    engine: str = ""
    address: str = ""
    """The address at which the engine is asked; empty if it is asked at none."""

    selected_by: str = ""
    """The setting that selects that address, such as `DOCKER_HOST`; empty for the default engine of this machine."""

    recovery: tuple[str, ...] = ()
    """What the command does first about a killed change, or a gateway without a server or not running."""

    contents: tuple[str, ...] = ()
    """The versions that the store has already, each with the digest of its files."""

    @property
    def digest(self) -> str:
        """A digest of everything that is decided: address, recovery, steps, causes, contents and desired settings.

        It has no values of variables of containers.
        """
        return digest([self.decision, *(step.content for step in self.exports), *self.contents])

    @property
    def decision(self) -> str:
        """A digest of what was decided, without the contents of sources and versions."""
        return digest([str(replace(self, selected_by="")), self.server, self.address])

    @property
    def exports(self) -> tuple[Export, ...]:
        """The exports among the steps."""
        return tuple(step for step in self.steps if isinstance(step, Export))

    def leads_to(self, other: Plan) -> bool:
        """Return whether another plan is this one after its exports: the same, with the versions that they made."""
        return self.decision == other.decision and set(self.contents) <= set(other.contents)

    @property
    def machine_note(self) -> str:
        """The address of the engine and what selects it, where it is not the default engine of this machine."""
        return machine_note(self.address, self.selected_by)

    @property
    def is_change(self) -> bool:
        """Whether the plan changes anything; exports, images and what a killed command left count."""
        prepares = any(isinstance(step, (Export, BuildImage, PushImage)) for step in self.steps)
        return self.change is not Change.NOTHING or prepares or bool(self.recovery)

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps in their order, each followed by those that accept it."""
        return tuple(each for step in self.steps for each in (step, *_accepted_by(step)))

    def __str__(self) -> str:
        lines = (f"  {step.action}  ({step.cause})" for step in self.all_steps)
        engine = f" on {self.engine}{self.machine_note}" if self.engine else ""
        name = RECOVER if self.recovery and self.change is Change.NOTHING else self.change.name
        return "\n".join((f"{name} {self.deployment}{engine}", *(f"  {text}" for text in self.recovery), *lines))


def machine_note(address: str, selected_by: str) -> str:
    """Return the address of an engine and what selects it, after a space; empty for the default engine."""
    return f" at {address} ({selected_by})" if address and selected_by else ""


def _accepted_by(step: Step) -> tuple[Step, ...]:
    return step.accepted_by if isinstance(step, (Promote, ReplaceGateway)) else ()
