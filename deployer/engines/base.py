"""What every engine can do. Engines run servers and never talk to them: that is `client`'s part.

The life of a server:

    stage ──> candidate ──promote──> serving ──reload──> serving
                  │                     │
                  └──────discard────────┴──> gone

`stage` disturbs nothing that runs. `discard` may be called after a half-finished `stage`, and twice.
All that an engine knows about a server is written on the server itself (labels, or the run folder): a command that
was killed leaves a candidate, and the next one sweeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from deployer.results.checks import Finding
    from deployer.results.deployment import Deployment, Launch, Memory, NamedImage, Rendered, ServedModel
    from deployer.results.model import Model
    from deployer.savedmodel.op_sets import Target
    from deployer.system.owners import Owner

CANDIDATE = "candidate"
SERVING = "serving"


def adoption(name: str, env: str, project: str) -> str:
    """What is said of a deployment that was made before there were projects."""
    return f"{name} [{env}] was deployed before there were projects: it belongs to project {project} now"


@dataclass(frozen=True)
class Address:
    """Where a deployment's ports are to be bound; None or 0 for any free port."""

    host: str
    rest_port: int | None
    grpc_port: int | None


class Engine(Protocol):
    """A platform that runs model servers."""

    @property
    def name(self) -> str:
        """`embedded`, and so on."""

    @property
    def project(self) -> str:
        """Whose deployments it sees and changes; empty for what was made before there were projects."""

    @property
    def place(self) -> str:
        """Where it is: two engines of one name, place and project have the same deployments."""

    @property
    def state_dir(self) -> Path:
        """The directory that has the history, and a folder for what each deployment runs with."""

    def others(self) -> tuple[Engine, ...]:
        """The same platform, as each other project sees it that has something there, be it from another directory."""

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        """Servers of this project, or of one deployment, that run though their state directory is gone. Of all methods
        only `discard` and `remove` end them."""

    def strangers(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        """Report what looks like this project's and is not: edited labels, or, with a name, what is in the way of that
        deployment. One sentence each. Nothing of it is ever changed."""

    def check(self) -> tuple[Finding, ...]:
        """Can this platform be used. Nothing that takes long: every `up` asks it."""

    def examine(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        """What takes a moment to find out: would a server see these versions, and is it of an age with them."""

    def check_address(self, name: str, env: str, address: Address) -> None:
        """Raise PortTaken when a wanted port is held by anyone but this deployment: by its server, or by what a killed
        command left, which is cleared away before anything is started."""

    def astray(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> str:
        """Why a running server would not find these models where the store has them; empty where it would."""

    def holder(self, port: int) -> str:
        """Who has a port of this machine: a deployment, a container, a process; as far as this user may know."""

    @property
    def tensorflow(self) -> Target | None:
        """Its servers' TensorFlow, where that is known without asking one of them."""

    def traits(self) -> object:
        """Plain data: the engine's own settings that a running server cannot take up."""

    def image(self) -> NamedImage | None:
        """What new servers would run, where the engine has images; without an id while it does not have this one."""

    def images(self, names: Collection[str]) -> Mapping[str, NamedImage]:
        """What these names of images mean now, of those that the engine has."""

    @property
    def seamless(self) -> bool:
        """Whether a server can be replaced without its ports being closed for a moment."""

    @property
    def revives(self) -> bool:
        """Whether a server that has ended can be started again, as it was."""

    def prepare(self, progress: Callable[[str], None]) -> None:
        """Bring what every launch needs, such as an image."""

    def models_root(self, models_dir: Path) -> str:
        """The store's folder as a server of this engine sees it."""

    def lock(self, name: str, env: str, wait_seconds: float) -> AbstractContextManager[None]:
        """One command at a time per deployment. Raises LockHeld."""

    def lock_owner(self, name: str, env: str) -> Owner | None:
        """Who works on a deployment now, by the lock that is held."""

    def unlock(self, name: str, env: str) -> None:
        """Take the lock away, whoever has it: a command of this machine is ended. Raises LockHeld if it cannot be."""

    def observe(self, name: str, env: str) -> Deployment | None:
        """What serves under this name, or what is left of it."""

    def observe_all(self) -> tuple[Deployment, ...]:
        """Every deployment of this engine, in order of environment and name."""

    def names(self) -> tuple[tuple[str, str], ...]:
        """(name, env) of everything that this engine has, be it only what a killed command left."""

    def sweep(self, name: str, env: str) -> None:
        """Discard what does not serve: candidates, half-made ones, servers already replaced."""

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        """Finish or undo what a killed command left, so that what was proven serves; what was mended, as sentences.

        Every verb that changes a deployment calls it first, with the lock held.
        """

    def stage(self, launch: Launch) -> Deployment:
        """Start a candidate beside what runs, on ports of its own."""

    def alive(self, deployment: Deployment) -> bool:
        """Whether its server process is still there."""

    def autopsy(self, deployment: Deployment) -> str:
        """Why a server that is not alive any more ended."""

    def memory(self, deployment: Deployment) -> Memory | None:
        """What its server uses now, and what there is for another; None where that cannot be told."""

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """The candidate takes the address; what served before is drained and retired.

        `seconds` is how long it may take to open its ports, where that is asked of a server. `accept` is asked before
        the old server is given up: when it raises, that one serves on, or serves again.
        """

    def front(self, name: str, env: str, host: str) -> str:
        """A digest of the gateway that is wanted in front of the deployment's server; empty when none is wanted.

        Raises ConfigError for files that it cannot be made of, SettingRefused where the engine can have none.
        """

    def refront(self, deployment: Deployment, accept: Callable[[Deployment], None]) -> Deployment:
        """Put the wanted gateway in front of a server that goes on serving; `accept` is asked as in `promote`."""

    def configure(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        """Replace the files that the server reads, each whole or not at all, by what `rendered` makes of `models`.

        Written down first: `observe` shows these models as `under_way` until `relabel`.
        """

    def relabel(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        """Record that the server now serves these models: the reload has ended."""

    def discard(self, deployment: Deployment) -> None:
        """Stop a server and remove all that was made for it."""

    def remove(self, name: str, env: str) -> None:
        """Discard every server under this name, candidates too."""

    def logs(self, deployment: Deployment, tail: int | None = None, *, follow: bool = False) -> Iterator[str]:
        """The server's log lines; with `follow` until the server ends."""
