"""Services, tasks and nodes of a Swarm as the Engine API describes them: raw answers become values here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.engines.docker.names import LABEL

Answer = Mapping[str, Any]
RELEASE = f"{LABEL}release"
ACCEPTED = f"{LABEL}accepted"
"""The label that says whether the servers of a service were verified: `true` or `false`."""

BEFORE_START = frozenset(("new", "allocated", "pending", "assigned", "accepted", "preparing", "ready"))
"""The states of a task whose container has not been started."""
ENDED = frozenset(("complete", "shutdown", "failed", "rejected", "remove", "orphaned"))
RUNNING = "running"


@dataclass(frozen=True)
class Service:
    """A service. `previous` is the specification before the last update; Swarm has none after a rollback."""

    id: str
    version: int
    spec: Answer = field(hash=False)
    previous: Answer | None = field(default=None, hash=False)
    update_state: str = ""
    update_message: str = ""
    running: int = 0
    """How many of its tasks run; 0 also if that was not asked for."""

    @classmethod
    def parse(cls, answer: Answer) -> Service:
        """Return the service from its description."""
        update = answer.get("UpdateStatus") or {}
        return cls(
            id=str(answer["ID"]),
            version=int(answer["Version"]["Index"]),
            spec=answer["Spec"],
            previous=answer.get("PreviousSpec"),
            update_state=str(update.get("State", "")),
            update_message=str(update.get("Message", "")),
            running=int((answer.get("ServiceStatus") or {}).get("RunningTasks", 0)),
        )

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.spec["Name"])

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.spec.get("Labels") or {})

    @property
    def replicas(self) -> int:
        """How many tasks it should have; 0 for one of another mode."""
        replicated = (self.spec.get("Mode") or {}).get("Replicated") or {}
        return int(replicated.get("Replicas", 0))

    @property
    def container(self) -> Answer:
        """The specification of its containers."""
        container: Answer = self.spec["TaskTemplate"]["ContainerSpec"]
        return container

    @property
    def published_ports(self) -> frozenset[int]:
        """The ports of nodes that it publishes."""
        ports = (self.spec.get("EndpointSpec") or {}).get("Ports") or ()
        return frozenset(int(port.get("PublishedPort", 0)) for port in ports)

    @property
    def is_in_routing_mesh(self) -> bool:
        """Whether every node of the Swarm answers on its ports."""
        ports = (self.spec.get("EndpointSpec") or {}).get("Ports") or ()
        return any(port.get("PublishMode", "ingress") == "ingress" for port in ports)

    @property
    def network(self) -> str:
        """The id of the network of its containers."""
        return str(self.spec["TaskTemplate"]["Networks"][0]["Target"])

    @property
    def secret_ids(self) -> frozenset[str]:
        """The secrets that its containers mount, also those before an update that was not accepted."""
        specs = (self.spec, {} if self.labels.get(ACCEPTED) == "true" else self.previous or {})
        containers = [(spec.get("TaskTemplate") or {}).get("ContainerSpec") or {} for spec in specs]
        return frozenset(str(each["SecretID"]) for container in containers for each in container.get("Secrets") or ())


@dataclass(frozen=True)
class Task:
    """A task: one container of a service, on one node."""

    id: str
    slot: int
    node_id: str
    state: str
    desired: str
    message: str = ""
    """Why it failed, or what it waits for."""
    exit_code: int | None = None
    container: str = ""
    release: str = ""
    addresses: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Its address by the id of the network."""
    created: str = ""

    @classmethod
    def parse(cls, answer: Answer) -> Task:
        """Return the task from its description."""
        status = answer.get("Status") or {}
        container = status.get("ContainerStatus") or {}
        spec = (answer.get("Spec") or {}).get("ContainerSpec") or {}
        attached = (
            (each["Network"]["ID"], each.get("Addresses") or ()) for each in answer.get("NetworksAttachments") or ()
        )
        return cls(
            id=str(answer["ID"]),
            slot=int(answer.get("Slot", 0)),
            node_id=str(answer.get("NodeID", "")),
            state=str(status.get("State", "")),
            desired=str(answer.get("DesiredState", "")),
            message=str(status.get("Err") or ""),
            exit_code=container.get("ExitCode"),
            container=str(container.get("ContainerID", "")),
            release=str((spec.get("Labels") or {}).get(RELEASE, "")),
            addresses={network: addresses[0].partition("/")[0] for network, addresses in attached if addresses},
            created=str(answer.get("CreatedAt", "")),
        )

    @property
    def is_current(self) -> bool:
        """Whether it should run: Swarm has not replaced it."""
        return self.desired in (RUNNING, "ready", "complete")

    @property
    def runs(self) -> bool:
        """Whether its container runs, and its health check has succeeded."""
        return self.state == RUNNING

    @property
    def is_starting(self) -> bool:
        """Whether its container was started, and its health check has not succeeded yet."""
        return self.state == "starting"

    @property
    def is_waiting(self) -> bool:
        """Whether its container has not been started."""
        return self.state in BEFORE_START

    @property
    def has_ended(self) -> bool:
        """Whether its container has ended, or never will run."""
        return self.state in ENDED

    @property
    def failed(self) -> bool:
        """Whether it ended by itself, also one of a job that is done."""
        return self.state in ("failed", "rejected", "complete")


@dataclass(frozen=True)
class NodeInfo:
    """A node of the Swarm."""

    id: str
    name: str
    address: str
    ready: bool
    active: bool
    """Whether it takes tasks."""
    architecture: str = ""

    @classmethod
    def parse(cls, answer: Answer) -> NodeInfo:
        """Return the node from its description."""
        status, description = answer.get("Status") or {}, answer.get("Description") or {}
        return cls(
            id=str(answer["ID"]),
            name=str(description.get("Hostname", "")),
            address=str(status.get("Addr", "")),
            ready=status.get("State") == "ready",
            active=(answer.get("Spec") or {}).get("Availability") == "active",
            architecture=str((description.get("Platform") or {}).get("Architecture", "")),
        )


@dataclass(frozen=True)
class SwarmInfo:
    """What an engine says about its Swarm."""

    state: str
    is_manager: bool
    error: str
    node_id: str
    address: str
    managers: int
    nodes: int

    @classmethod
    def parse(cls, info: Answer) -> SwarmInfo:
        """Return it from the description of the engine."""
        swarm = info.get("Swarm") or {}
        return cls(
            state=str(swarm.get("LocalNodeState", "")),
            is_manager=bool(swarm.get("ControlAvailable")),
            error=str(swarm.get("Error") or ""),
            node_id=str(swarm.get("NodeID", "")),
            address=str(swarm.get("NodeAddr", "")),
            managers=int(swarm.get("Managers") or 0),
            nodes=int(swarm.get("Nodes") or 0),
        )


def newest(tasks: Iterable[Task]) -> Task | None:
    """Return the task that was created last."""
    return max(tasks, key=lambda task: task.created, default=None)
