"""How clients outside of the cluster reach the Service: an Ingress, or an HTTPRoute and a GRPCRoute.

Only predictions and the state of models are reachable: ModelService also has a call that changes what is served, and
metrics are for the cluster.
"""

from __future__ import annotations

from deployer.manifests.documents import Object, without_empty
from deployer.manifests.pods import GRPC, REST
from deployer.manifests.workload import Workload
from deployer.results.deployment import GRPC_PORT, REST_PORT

PREDICTION = "tensorflow.serving.PredictionService"
MODEL, STATUS = "tensorflow.serving.ModelService", "GetModelStatus"
REST_PREFIX = "/v1"
NGINX_GRPC = {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
"""NGINX's controller takes the protocol from an annotation of the whole Ingress; others read `appProtocol`."""


def ingresses(workload: Workload) -> tuple[Object, Object]:
    """Return an Ingress for REST, and one for gRPC."""
    status = {"path": f"/{MODEL}/{STATUS}", "pathType": "Exact", "backend": _backend(workload, GRPC)}
    return (
        _ingress(workload, REST, [_prefix(workload, REST_PREFIX, REST)], {}),
        _ingress(workload, GRPC, [_prefix(workload, f"/{PREDICTION}", GRPC), status], NGINX_GRPC),
    )


def http_route(workload: Workload) -> Object:
    """Return the route of REST requests."""
    match = {"path": {"type": "PathPrefix", "value": REST_PREFIX}}
    return _route(workload, "HTTPRoute", REST, [match], REST_PORT)


def grpc_route(workload: Workload) -> Object:
    """Return the route of gRPC calls."""
    matches = [{"method": {"service": PREDICTION}}, {"method": {"service": MODEL, "method": STATUS}}]
    return _route(workload, "GRPCRoute", GRPC, matches, GRPC_PORT)


def _ingress(workload: Workload, port: str, paths: list[Object], annotations: Object) -> Object:
    settings = workload.settings
    tls = [{"hosts": [settings.host], "secretName": settings.tls_secret}] if settings.tls_secret else []
    metadata = {"name": f"{workload.name}-{port}", "labels": workload.labels, "annotations": annotations}
    specification = {
        "ingressClassName": settings.ingress_class,
        "tls": tls,
        "rules": [{"host": settings.host, "http": {"paths": paths}}],
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": without_empty(metadata),
        "spec": without_empty(specification),
    }


def _prefix(workload: Workload, path: str, port: str) -> Object:
    return {"path": path, "pathType": "Prefix", "backend": _backend(workload, port)}


def _backend(workload: Workload, port: str) -> Object:
    return {"service": {"name": workload.name, "port": {"name": port}}}


def _route(workload: Workload, kind: str, suffix: str, matches: list[Object], port: int) -> Object:
    namespace, _, gateway = (workload.settings.gateway or "").rpartition("/")
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": f"{workload.name}-{suffix}", "labels": workload.labels},
        "spec": {
            "parentRefs": [{"name": gateway, **({"namespace": namespace} if namespace else {})}],
            "hostnames": [workload.settings.host],
            "rules": [{"matches": matches, "backendRefs": [{"name": workload.name, "port": port}]}],
        },
    }
