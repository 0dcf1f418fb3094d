"""The pods of a deployment: the server's container with its probes, volumes, and security settings."""

from __future__ import annotations

import math

from deployer.config.docker import Docker
from deployer.engines.docker.container_spec import CONFIG_MOUNT
from deployer.engines.docker.names import MODELS_MOUNT
from deployer.manifests import scripts
from deployer.manifests.documents import Object, check_text, expanded, without_empty
from deployer.manifests.quantities import memory, resources
from deployer.manifests.workload import Workload
from deployer.results.deployment import GRPC_PORT, REST_PORT

SERVER = "server"
REST, GRPC = "rest", "grpc"
PROBE_SECONDS, ANSWER_SECONDS = 5, 10
"""How often the start-up probe runs, and how long a probe may take."""
READ_BYTES_PER_SECOND = 20 * 2**20
"""The rate at which a server is expected to read its models from a network volume, at least."""
KILL_SECONDS = 30
"""The time between SIGTERM and SIGKILL."""
TMP_BYTES = 64 * 2**20


def server_pod(workload: Workload) -> Object:
    """Return the specification of a server's pod."""
    settings = workload.settings
    return without_empty(
        {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,  # its variables, such as MODEL_NAME_PORT, are not for the server
            "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
            "nodeSelector": node_selector(workload.docker),
            "securityContext": pod_security(workload.docker),
            "terminationGracePeriodSeconds": settings.drain_seconds + KILL_SECONDS,
            "topologySpreadConstraints": [
                _spread(workload, key) for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
            ],
            "containers": [_server(workload)],
            "volumes": [
                {"name": "config", "configMap": {"name": workload.config_name}},
                {"name": "tmp", "emptyDir": {"sizeLimit": memory(TMP_BYTES)}},
                *models_volume(workload),
                *_shared_memory(workload.docker),
            ],
        }
    )


def startup_seconds(workload: Workload) -> int:
    """Return how long the models may take to become available, in seconds.

    That is `gate.ready_seconds`, and a second for every 20 MiB of the models: on one machine they are in the page
    cache, and in a cluster they come over the network.
    """
    return math.ceil(workload.gate.ready_seconds + workload.model_bytes / READ_BYTES_PER_SECOND)


def node_selector(docker: Docker) -> Object:
    """Return the labels of the nodes that `docker.platform` requires."""
    if docker.platform is None:
        return {}
    system, architecture = docker.platform.split("/")[:2]
    return {"kubernetes.io/os": system, "kubernetes.io/arch": architecture}


def pod_security(docker: Docker) -> Object:
    """Return the user of `docker.user`, and the runtime's seccomp profile."""
    uid, _, gid = docker.user.partition(":")
    return without_empty(
        {
            "runAsNonRoot": int(uid) != 0,
            "runAsUser": int(uid),
            "runAsGroup": int(gid) if gid else None,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    )


def restricted() -> Object:
    """Return the settings of a container that the pod security standard `restricted` requires."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def container_security() -> Object:
    """Return these settings, and a read-only root file system, for a container with a volume for temporary files."""
    return {**restricted(), "readOnlyRootFilesystem": True}


def environment(workload: Workload) -> list[Object]:
    """Return the variables of `docker.environment`, and those of `kubernetes.secrets` as references."""
    listed = workload.docker.environment.items()
    values = ((name, value) for name, value in listed if name not in workload.settings.secrets)
    plain = [{"name": name, "value": expanded([check_text(name, value)])[0]} for name, value in values]
    references = ((name, *reference.partition("/")[::2]) for name, reference in workload.settings.secrets.items())
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}} for name, secret, key in references
    ]
    return [*plain, *secret]


def models_volume(workload: Workload) -> list[Object]:
    """Return the volume with the store; none if the image has the models."""
    claim = workload.settings.models_claim
    if claim is None:
        return []
    return [{"name": "models", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}]


def models_mount(workload: Workload) -> list[Object]:
    """Return the read-only mount of the store."""
    mount = {"name": "models", "mountPath": MODELS_MOUNT, "readOnly": True, "subPath": workload.settings.models_path}
    return [without_empty(mount)] if workload.settings.models_claim else []


def _server(workload: Workload) -> Object:
    ready = {"exec": {"command": ["bash", f"{CONFIG_MOUNT}/{scripts.READY}"]}, "timeoutSeconds": ANSWER_SECONDS}
    return without_empty(
        {
            "name": SERVER,
            "image": workload.image,
            # Not the image's entrypoint: it is a bash script that drops SIGTERM.
            "command": ["bash", f"{CONFIG_MOUNT}/{scripts.SERVE}"],
            "args": expanded(check_text("server.flags", each) for each in workload.arguments),
            "env": environment(workload),
            "ports": [
                {"name": GRPC, "containerPort": GRPC_PORT, "protocol": "TCP"},
                {"name": REST, "containerPort": REST_PORT, "protocol": "TCP"},
            ],
            "resources": resources(workload.docker, workload.settings),
            "startupProbe": {
                **ready,
                "periodSeconds": PROBE_SECONDS,
                "failureThreshold": math.ceil(startup_seconds(workload) / PROBE_SECONDS),
            },
            "readinessProbe": {**ready, "periodSeconds": 2 * PROBE_SECONDS, "failureThreshold": 3},
            # Only whether the process accepts connections: a server that is busy must not be restarted.
            "livenessProbe": {
                "tcpSocket": {"port": REST},
                "periodSeconds": 10,
                "timeoutSeconds": 5,
                "failureThreshold": 6,
            },
            "lifecycle": {"preStop": {"exec": {"command": ["bash", f"{CONFIG_MOUNT}/{scripts.DRAIN}"]}}},
            "securityContext": container_security(),
            "volumeMounts": [
                {"name": "config", "mountPath": CONFIG_MOUNT, "readOnly": True},
                {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
                *models_mount(workload),
                *([{"name": "shm", "mountPath": "/dev/shm"}] if workload.docker.shm_size else []),  # noqa: S108
            ],
        }
    )


def _shared_memory(docker: Docker) -> list[Object]:
    if docker.shm_size is None:
        return []
    return [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": memory(docker.shm_bytes or 0)}}]


def _spread(workload: Workload, key: str) -> Object:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": workload.selector},
    }
