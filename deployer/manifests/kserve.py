"""An InferenceService of KServe.

KServe's runtime starts TensorFlow Serving on the directory of one model, which serves the highest version in it. So a
deployment of several models, several versions or labels has no InferenceService, nor has one with configuration files.
"""

from __future__ import annotations

from deployer.config.docker import serving_tag
from deployer.config.spec import Spec
from deployer.engines.docker.names import MODELS_MOUNT
from deployer.manifests.documents import Object, check_text, expanded, without_empty
from deployer.manifests.objects import Manifest
from deployer.manifests.pods import environment, node_selector, pod_security, restricted
from deployer.manifests.quantities import resources
from deployer.manifests.workload import Workload

FROM_FILES = ("model_config_file", "allow_version_labels_for_unavailable_models", "port", "rest_api_port")
GRPC_PORT, REST_PORT = 9000, 8080
"""The ports of KServe's runtime for TensorFlow."""


def inference_service(workload: Workload, spec: Spec) -> Manifest:
    """Return the InferenceService."""
    settings = workload.settings
    container = _container(workload) if settings.image else None
    predictor = {
        "minReplicas": settings.replicas,
        "maxReplicas": settings.max_replicas or settings.replicas,
        "scaleMetric": "cpu" if settings.max_replicas else None,
        "scaleTarget": settings.target_cpu_percent if settings.max_replicas else None,
        "automountServiceAccountToken": False,
        "imagePullSecrets": [{"name": name} for name in settings.image_pull_secrets],
        "nodeSelector": node_selector(workload.docker),
        "securityContext": pod_security(workload.docker),
        "containers": [container] if container else None,
        "model": None if container else _model(workload, spec),
    }
    metadata = {"name": workload.name, "labels": workload.labels, "annotations": workload.annotations}
    return Manifest(
        "inferenceservice.yaml",
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": metadata,
            "spec": {"predictor": without_empty(predictor)},
        },
    )


def _model(workload: Workload, spec: Spec) -> Object:
    """Return the model that KServe's runtime loads: from a claim, or from a URI."""
    return without_empty(
        {
            "modelFormat": {"name": "tensorflow"},
            "protocolVersion": "v1",
            "runtime": spec.kserve.runtime,
            "runtimeVersion": serving_tag(workload.docker.image),
            "storageUri": f"{_storage(workload, spec)}/{workload.models[0].name}",
            "args": _arguments(workload),
            "env": environment(workload),
            "resources": resources(workload.docker, workload.settings),
            "securityContext": restricted(),
        }
    )


def _container(workload: Workload) -> Object:
    """Return the container of an image that has the model."""
    name = workload.models[0].name
    return without_empty(
        {
            "name": "kserve-container",
            "image": workload.image,
            "command": ["tensorflow_model_server"],
            "args": [
                f"--port={GRPC_PORT}",
                f"--rest_api_port={REST_PORT}",
                f"--model_base_path={MODELS_MOUNT}/{name}",
                *_arguments(workload),
            ],
            "env": environment(workload),
            "ports": [{"containerPort": REST_PORT, "protocol": "TCP"}],
            "resources": resources(workload.docker, workload.settings),
            "securityContext": restricted(),
        }
    )


def _arguments(workload: Workload) -> list[str]:
    """Return the server's flags. The model has its own name, and not that of the InferenceService."""
    flags = (each for each in workload.arguments if each.removeprefix("--").partition("=")[0] not in FROM_FILES)
    return expanded(check_text("server.flags", each) for each in (f"--model_name={workload.models[0].name}", *flags))


def _storage(workload: Workload, spec: Spec) -> str:
    if spec.kserve.storage_uri:
        return spec.kserve.storage_uri.rstrip("/")
    path = workload.settings.models_path
    return f"pvc://{workload.settings.models_claim}{f'/{path}' if path else ''}"
