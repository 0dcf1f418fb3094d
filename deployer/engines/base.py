"""The Engine interface: a platform that runs model servers.

The life of a server:

    stage ──> candidate ──promote──> serving ──write_config, mark_serving──> serving
                  │                     │
                  └──────discard────────┴──> gone

An engine never talks to the servers that it runs; `client` does. `stage` disturbs no running server. `discard` may be
called after an incomplete `stage`, and twice. Everything that an engine knows about a server is stored with the server
(labels, or the run directory): a command that was killed leaves a candidate, and the next command removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from deployer.errors import SettingRefused
from deployer.results.progress import Progress

if TYPE_CHECKING:
    from deployer.config.spec import Docker, Gateway
    from deployer.engines.port_holders import PortHolder
    from deployer.results.checks import Finding
    from deployer.results.deployment import Deployment, Memory
    from deployer.results.launch import Launch, NamedImage, Rendered
    from deployer.results.logs import LogLine
    from deployer.results.model import Model
    from deployer.results.served import ServedModel
    from deployer.savedmodel.op_sets import Target
    from deployer.system.owners import Owner

CANDIDATE = "candidate"
SERVING = "serving"


def adoption_note(name: str, env: str, project: str) -> str:
    """Return the note about a deployment that was made before there were projects."""
    return f"{name} [{env}] was deployed before there were projects: it belongs to project {project} now"


def one_server_error(engine: str) -> SettingRefused:
    """Return the error of an engine that runs one server for each deployment."""
    return SettingRefused(
        f"the {engine} engine runs one server for each deployment",
        hint="--engine swarm, on a Docker Swarm, runs several",
    )


@dataclass(frozen=True)
class Address:
    """The host and ports to bind for a deployment; a port of None or 0 stands for any free one."""

    host: str
    rest_port: int | None
    grpc_port: int | None


@dataclass(frozen=True)
class Traits:
    """Properties of an engine that are known without asking the platform.

    Two engines with equal `name`, `id` and `project` have the same deployments. `project` is empty for deployments that
    were made before there were projects. `state_dir` holds the history and a directory for each deployment.
    `models_mount` is where servers see the store; None where they read this machine's file system. `image` is the name
    of the image of new servers, empty on an engine without images. `fingerprint` is plain data: the settings that take
    effect only when a server is started.
    """

    name: str
    id: str
    project: str
    state_dir: Path
    zero_downtime: bool
    """Whether a server can be replaced while its ports stay open."""
    can_restart: bool
    """Whether a server that has ended can be started again."""
    tensorflow: Target | None = None
    models_mount: str | None = None
    image: str = ""
    in_image: bool = False
    """Whether that image has the models inside, and no store is mounted."""

    replicated: bool = False
    """Whether a deployment has any number of servers. Such servers never reload: a change replaces them in turn."""

    machine: str = ""
    """The machine where servers run, if it is not this one."""

    address: str = ""
    """The address at which the engine is asked, the same for each way to write it; empty if it is asked at none."""

    selected_by: str = ""
    """The setting that selects that address, such as `DOCKER_HOST`; empty for the default engine."""

    fingerprint: object = None

    def models_root(self, models_dir: Path) -> str:
        """Return the path of the store as a server of this engine sees it."""
        return self.models_mount or str(models_dir.resolve())


class Locks(Protocol):
    """The locks of deployments: one command at a time changes a deployment."""

    def acquire(self, name: str, env: str, wait_seconds: float) -> AbstractContextManager[None]:
        """Hold the lock of a deployment. Raise LockHeld after `wait_seconds`."""

    def owner(self, name: str, env: str) -> Owner | None:
        """Return the command that holds the lock of a deployment."""

    def break_lock(self, name: str, env: str) -> None:
        """Release the lock of a deployment, and end the command of this machine that holds it.

        Raises LockHeld if the command cannot be ended.
        """


class Inventory(Protocol):
    """The deployments of a project on an engine, and the conflicts and other projects on it."""

    def observe_all(self) -> tuple[Deployment, ...]:
        """Return every deployment of the project, ordered by environment and name."""

    def names(self) -> tuple[tuple[str, str], ...]:
        """Return (name, env) of everything that the project has, including the remains of killed commands."""

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        """Return the running servers of the project, or of one deployment, whose state directory is gone.

        Only `discard` and `remove` end them.
        """

    def conflicts(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        """Describe what looks like the project's and is not, such as a container with edited labels, one sentence each.

        With a name, also what occupies the name of that deployment. The engine never changes any of it.
        """

    def other_projects(self) -> tuple[Engine, ...]:
        """Return the engine once for each other project that has deployments on the platform."""

    def port_holder(self, port: int) -> PortHolder:
        """Return which deployment, container or process holds a port, as far as this user may see it."""


class Images(Protocol):
    """The images of an engine. An engine without images finds none and pulls none."""

    def current(self) -> NamedImage | None:
        """Return the image of new servers, or None on an engine without images.

        Its id is empty if the engine does not have the image.
        """

    def gateway(self) -> NamedImage | None:
        """Return the image of new gateways, likewise; None without a gateway."""

    def find(self, names: Collection[str]) -> Mapping[str, NamedImage]:
        """Return the images that the engine has under these names."""

    def pull(self, progress: Progress) -> None:
        """Pull the images that a launch needs and the engine does not have."""


class Preflight(Protocol):
    """The checks that an engine makes before it starts a server."""

    def platform(self) -> tuple[Finding, ...]:
        """Check whether the platform can be used. Every `up` calls it, so it is quick."""

    def models(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        """Check whether a server can read these versions and its TensorFlow can load them. Takes up to some seconds."""

    def address(self, name: str, env: str, address: Address) -> None:
        """Raise PortTaken if another deployment or process holds a port.

        A port that the deployment's own server or the remains of a killed command hold counts as free.
        """

    def reload(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> str:
        """Return why a running server would not find these models in the store; empty if it would."""


class Copies(Protocol):
    """The copies of versions where servers read them. An engine that sees the store of this machine makes none."""

    def send(self, models: Sequence[Model], progress: Progress) -> None:
        """Bring versions to where servers read them; what is there already is not sent again. Raise EngineError."""

    def forget(self, versions: Iterable[tuple[str, int]]) -> None:
        """Remove versions, by name and number; no server may use them.

        What has no use there any more is removed, too.
        """


class Gateways(Protocol):
    """The gateways in front of deployments. An engine without gateways refuses settings that ask for one."""

    def digest(self, name: str, env: str, host: str) -> str:
        """Return a digest of the gateway that the settings describe for a deployment; empty without a gateway.

        Raises ConfigError for unusable files, SettingRefused on an engine without gateways.
        """

    def new_certificate(self, name: str, env: str, host: str) -> Path | None:
        """Return the file of the self-signed certificate that the next gateway creates; None if it creates none.

        Raises ConfigError.
        """

    def self_signed(self, name: str, env: str) -> Path | None:
        """Return the file of the self-signed certificate of a deployment, which `remove` deletes; None without one."""

    def replace(self, deployment: Deployment, accept: Callable[[Deployment], None]) -> Deployment:
        """Replace the gateway of a server that keeps serving; `accept` is called as in `promote`."""


class Engine(Protocol):
    """A platform that runs model servers."""

    @property
    def traits(self) -> Traits:
        """The properties of the engine."""

    @property
    def locks(self) -> Locks:
        """The locks of its deployments."""

    @property
    def inventory(self) -> Inventory:
        """Its deployments."""

    @property
    def images(self) -> Images:
        """Its images."""

    @property
    def preflight(self) -> Preflight:
        """Its checks before a launch."""

    @property
    def copies(self) -> Copies:
        """Its copies of versions."""

    @property
    def gateways(self) -> Gateways:
        """Its gateways."""

    def with_settings(self, settings: Docker, gateway: Gateway, temporary: tuple[str, ...]) -> Engine:
        """Return the engine that starts servers and gateways with these settings; itself without containers.

        Variables set the `temporary` settings of the gateway. Both engines share their locks.
        """

    def observe(self, name: str, env: str) -> Deployment | None:
        """Return the serving server of a deployment, running or ended; None without one."""

    def foresee(self, name: str, env: str) -> Deployment | None:
        """Return what `observe` returns once `recover` has run: plans start from it. Nothing is changed.

        It differs from `observe` after a command that was killed while servers that were not accepted took requests.
        """

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        """Finish or undo what a killed command left, and return what was done, one sentence each.

        Afterwards the last verified server serves, and everything else of the deployment is discarded. Every command
        that changes a deployment calls it first, with the lock held.
        """

    def stage(self, launch: Launch) -> Deployment:
        """Start a candidate on ports of its own, next to the running server."""

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """Give the deployment's address to the candidate; drain and remove the old server.

        The candidate may take `seconds` to open its ports, on engines that have it open them. `accept` is called before
        the old server is removed: if it raises, the old server keeps serving or serves again.
        """

    def render(self, form: str, launch: Launch) -> Rendered:
        """Return the files that start the server of a launch without this tool, in one of the engine's forms."""

    def leftovers(self, name: str, env: str) -> tuple[str, ...]:
        """Return what `recover` will do that no release of the history tells, one imperative each.

        Such as about a gateway that has no server, is not running, or whose change was killed.
        """

    def changed_variables(self, name: str, env: str) -> tuple[str, ...]:
        """Return the environment variables of the serving server whose values differ from those of the settings.

        The values stay within the engine: they may be secret. Raises ConfigError for a variable of `deployer.toml`
        that is not set.
        """

    def write_config(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        """Replace the server's configuration files, each atomically, with those rendered for `models`.

        Until `mark_serving` is called, `observe` reports these models as `reloading_to`.
        """

    def mark_serving(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        """Record that the server serves these models: the reload is complete."""

    def scale(self, deployment: Deployment, replicas: int) -> Deployment:
        """Run this number of servers of a deployment, and return it once all run and those in excess have drained.

        The number is recorded with the server. Raises EngineError, with the number as it was before, if a server does
        not run; SettingRefused on an engine that runs one server for each deployment.
        """

    def discard(self, deployment: Deployment) -> None:
        """Stop a server and remove everything that was made for it."""

    def remove(self, name: str, env: str) -> None:
        """Discard every server of a deployment, including candidates."""

    def exit_reason(self, deployment: Deployment) -> str | None:
        """Return why a server ended; None while its process or container runs."""

    def memory(self, deployment: Deployment) -> Memory | None:
        """Return the memory that a server uses and the memory that another one could use; None if unknown."""

    def logs(
        self, deployment: Deployment, tail: int | None = None, *, follow: bool = False, since: float | None = None
    ) -> Iterator[LogLine]:
        """Yield the lines of the server's log; with `follow`, until the server ends.

        `tail` is the number of the last lines, and `since` the time of the earliest in seconds since the epoch; both
        limit what was written before.
        """
