"""The Job that verifies the Service: `deployer smoke`, with the golden sets of the versions that are served."""

from __future__ import annotations

from deployer.engines.docker.container_spec import CONFIG_MOUNT
from deployer.engines.docker.names import MODELS_MOUNT
from deployer.manifests.documents import Object, without_empty
from deployer.manifests.pods import (
    container_security,
    models_mount,
    models_volume,
    node_selector,
    pod_security,
)
from deployer.manifests.quantities import memory
from deployer.manifests.workload import SMOKE_CONFIG, Workload, digest
from deployer.results.deployment import GRPC_PORT, REST_PORT

COMPONENT = "smoke-test"
TRIES = 10
"""Kubernetes waits 10 s before the second try, and twice as long before each further one, up to six minutes."""
KEEP_SECONDS = 24 * 3600
TMP_BYTES = 64 * 2**20


def job(workload: Workload) -> Object:
    """Return the Job. Its name has a digest: a Job cannot be changed, and a new configuration is verified again."""
    labels = workload.labels_of(COMPONENT)
    template = {"metadata": {"labels": labels, "annotations": workload.annotations}, "spec": _pod(workload)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{workload.name}-smoke-{digest(template)}", "labels": labels},
        "spec": {"backoffLimit": TRIES, "ttlSecondsAfterFinished": KEEP_SECONDS, "template": template},
    }


def _pod(workload: Workload) -> Object:
    """Return the pod; an image that has the models copies them for the test."""
    settings = workload.settings
    copies = settings.models_claim is None
    store = [{"name": "models", "emptyDir": {}}] if copies else models_volume(workload)
    return without_empty(
        {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
            "nodeSelector": node_selector(workload.docker),
            "securityContext": pod_security(workload.docker),
            "initContainers": [_copy(workload)] if copies else [],
            "containers": [_smoke(workload, copies=copies)],
            "volumes": [
                {"name": "config", "configMap": {"name": workload.config_name}},
                {"name": "tmp", "emptyDir": {"sizeLimit": memory(TMP_BYTES)}},
                *store,
            ],
        }
    )


def _copy(workload: Workload) -> Object:
    return {
        "name": "copy-models",
        "image": workload.image,
        "command": ["cp", "-r", f"{MODELS_MOUNT}/.", "/store"],
        "securityContext": container_security(),
        "volumeMounts": [{"name": "models", "mountPath": "/store"}],
    }


def _smoke(workload: Workload, *, copies: bool) -> Object:
    mount = [{"name": "models", "mountPath": MODELS_MOUNT, "readOnly": True}]
    return {
        "name": COMPONENT,
        "image": workload.settings.smoke_image,
        "command": ["deployer", "smoke"],
        "args": [
            *("--config", f"{CONFIG_MOUNT}/{SMOKE_CONFIG}"),
            *("--url", f"http://{workload.name}:{REST_PORT}"),
            *("--grpc", f"{workload.name}:{GRPC_PORT}"),
        ],
        "env": [{"name": "HOME", "value": "/tmp"}],  # noqa: S108 - the container's own
        "securityContext": container_security(),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_MOUNT, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
            *(mount if copies else models_mount(workload)),
        ],
    }
