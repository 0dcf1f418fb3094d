"""The Engine interface: a platform that runs model servers and never talks to them; `client` does that.

The life of a server:

    stage ──> candidate ──promote──> serving ──write_config, mark_serving──> serving
                  │                     │
                  └──────discard────────┴──> gone

`stage` disturbs nothing that runs. `discard` may be called after a half-finished `stage`, and twice.
All that an engine knows about a server is written on the server itself (labels, or the run directory): a command that
was killed leaves a candidate, and the next one removes it.
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


def adoption_note(name: str, env: str, project: str) -> str:
    """The note about a deployment that was made before there were projects."""
    return f"{name} [{env}] was deployed before there were projects: it belongs to project {project} now"


@dataclass(frozen=True)
class Address:
    """Where a deployment's ports are to be bound; None or 0 for any free port."""

    host: str
    rest_port: int | None
    grpc_port: int | None


@dataclass(frozen=True)
class Traits:
    """What an engine is, known without asking the platform.

    Two engines of one `name`, `id` and `project` have the same deployments. `project` is empty for what was made
    before there were projects. `state_dir` has the history, and a directory for what each deployment runs with.
    `models_mount` is where servers see the store; None where they see this machine's disk. `image` is the name of the
    image of new servers; empty where the engine has no images. `fingerprint` is plain data: the settings of the engine
    that a running server cannot take up.
    """

    name: str
    id: str
    project: str
    state_dir: Path
    zero_downtime: bool
    """Whether a server can be replaced without its ports being closed for a moment."""
    can_restart: bool
    """Whether a server that has ended can be started again, as it was."""
    tensorflow: Target | None = None
    models_mount: str | None = None
    image: str = ""
    fingerprint: object = None

    def models_root(self, models_dir: Path) -> str:
        """The directory of the store as a server of this engine sees it."""
        return self.models_mount or str(models_dir.resolve())


class Locks(Protocol):
    """One command at a time per deployment."""

    def acquire(self, name: str, env: str, wait_seconds: float) -> AbstractContextManager[None]:
        """Hold the lock of a deployment. Raises LockHeld."""

    def owner(self, name: str, env: str) -> Owner | None:
        """The command that holds the lock of a deployment now."""

    def break_lock(self, name: str, env: str) -> None:
        """Release the lock. A command of this machine that holds it is ended. Raises LockHeld if it cannot be."""


class Inventory(Protocol):
    """What an engine has, of this project and of others."""

    def observe_all(self) -> tuple[Deployment, ...]:
        """Return every deployment of the project, in order of environment and name."""

    def names(self) -> tuple[tuple[str, str], ...]:
        """Return (name, env) of everything that the project has, even if a killed command left it."""

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        """Return servers of the project, or of one deployment, that run though their state directory is gone. Of all
        methods only `discard` and `remove` end them."""

    def conflicts(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        """Report what looks like the project's and is not: edited labels, or, with a name, what is in the way of that
        deployment. One sentence each. The engine never changes any of it."""

    def other_projects(self) -> tuple[Engine, ...]:
        """Return the same platform, once for each other project that has something on it."""

    def port_holder(self, port: int) -> str:
        """Name the deployment, container or process that has a port, as far as this user may know."""


class Images(Protocol):
    """The images of an engine; one without images finds none, and has nothing to pull."""

    def current(self) -> NamedImage | None:
        """Return the image of new servers; without an id while the engine does not have it, None without images."""

    def find(self, names: Collection[str]) -> Mapping[str, NamedImage]:
        """Return what these names of images mean now, of those that the engine has."""

    def pull(self, progress: Callable[[str], None]) -> None:
        """Pull what every launch needs and the engine does not have."""


class Preflight(Protocol):
    """Checks that an engine makes before anything is started."""

    def platform(self) -> tuple[Finding, ...]:
        """Check whether the platform can be used. Every `up` asks this, so it is quick."""

    def models(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        """Check whether a server would see these versions and whether its TensorFlow loads them. May take seconds."""

    def address(self, name: str, env: str, address: Address) -> None:
        """Raise PortTaken when a port is held by anyone but this deployment: by its server, or by what a killed
        command left, which is removed before anything is started."""

    def reload(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> str:
        """Return why a running server would not find these models where the store has them; empty where it would."""


class Engine(Protocol):
    """A platform that runs model servers."""

    @property
    def traits(self) -> Traits:
        """What the engine is."""

    @property
    def locks(self) -> Locks:
        """The locks of its deployments."""

    @property
    def inventory(self) -> Inventory:
        """What it has."""

    @property
    def images(self) -> Images:
        """Its images."""

    @property
    def preflight(self) -> Preflight:
        """Its checks before a launch."""

    def observe(self, name: str, env: str) -> Deployment | None:
        """Return what serves under this name, or what is left of it."""

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        """Finish or undo what a killed command left, so that the last verified server serves, and discard everything
        else of the deployment. Returns what was done, as sentences.

        Every command that changes a deployment calls it first, with the lock held.
        """

    def stage(self, launch: Launch) -> Deployment:
        """Start a candidate beside what runs, on ports of its own."""

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """Give the address to the candidate; drain and retire what served before.

        `seconds` is how long it may take to open its ports, where that is asked of a server. `accept` is called before
        the old server is given up: when it raises, that one serves on, or serves again.
        """

    def render(self, form: str, launch: Launch) -> Rendered:
        """Return the files that start the server of a launch without this tool, in one of the forms of the engine."""

    def gateway_digest(self, name: str, env: str, host: str) -> str:
        """Return a digest of the gateway that the settings ask for in front of a deployment; empty without one.

        Raises ConfigError for files that it cannot be made of, SettingRefused where the engine can have none.
        """

    def replace_gateway(self, deployment: Deployment, accept: Callable[[Deployment], None]) -> Deployment:
        """Put that gateway in front of a server that goes on serving; `accept` is called as in `promote`."""

    def write_config(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        """Replace the files that the server reads, each whole or not at all, by what `rendered` makes of `models`.

        Noted first: `observe` shows these models as `reloading_to` until `mark_serving`.
        """

    def mark_serving(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        """Record that the server now serves these models: the reload has ended."""

    def discard(self, deployment: Deployment) -> None:
        """Stop a server and remove all that was made for it."""

    def remove(self, name: str, env: str) -> None:
        """Discard every server under this name, candidates too."""

    def exit_reason(self, deployment: Deployment) -> str | None:
        """Return why a server ended; None while its process or container runs."""

    def memory(self, deployment: Deployment) -> Memory | None:
        """Return what its server uses now, and what another one could use; None where that is unknown."""

    def logs(self, deployment: Deployment, tail: int | None = None, *, follow: bool = False) -> Iterator[str]:
        """Yield the server's log lines; with `follow` until the server ends."""
