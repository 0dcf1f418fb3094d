"""The objects of a deployment in the cluster, each with the file that it is written to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from deployer.manifests import routes, smoke_job
from deployer.manifests.documents import Object, without_empty
from deployer.manifests.pods import GRPC, REST, server_pod, startup_seconds
from deployer.manifests.workload import Workload
from deployer.results.deployment import GRPC_PORT, REST_PORT

H2C = "kubernetes.io/h2c"
"""The standard `appProtocol` of HTTP/2 without TLS, which gRPC is here."""
MIN_PROGRESS_SECONDS = 600


class Manifest(NamedTuple):
    """An object, and the name of its file."""

    file: str
    content: Object


def objects(workload: Workload) -> Iterator[Manifest]:
    """Yield the objects in the order in which they are applied."""
    yield Manifest("configmap.yaml", _config_map(workload))
    yield Manifest("service.yaml", _service(workload))
    yield Manifest("networkpolicy.yaml", _network_policy(workload))
    yield Manifest("deployment.yaml", _deployment(workload))
    if workload.settings.max_replicas is not None:
        yield Manifest("hpa.yaml", _autoscaler(workload))
    if workload.settings.replicas > 1:
        yield Manifest("pdb.yaml", _disruption_budget(workload))
    if workload.settings.service_monitor:
        yield Manifest("servicemonitor.yaml", _service_monitor(workload))
    if workload.settings.gateway:
        yield Manifest("httproute.yaml", routes.http_route(workload))
        yield Manifest("grpcroute.yaml", routes.grpc_route(workload))
    elif workload.settings.host:
        yield from (Manifest("ingress.yaml", each) for each in routes.ingresses(workload))
    if workload.settings.smoke_image:
        yield Manifest("smoke-job.yaml", smoke_job.job(workload))


def metadata(workload: Workload, name: str = "") -> Object:
    """Return the name and the labels of an object."""
    return {"name": name or workload.name, "labels": workload.labels}


def _object(workload: Workload, api_version: str, kind: str, specification: Object) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata(workload), "spec": specification}


def _config_map(workload: Workload) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(workload, workload.config_name),
        "immutable": True,
        "data": dict(workload.config),
    }


def _service(workload: Workload) -> Object:
    ports = [
        {"name": GRPC, "port": GRPC_PORT, "targetPort": GRPC, "protocol": "TCP", "appProtocol": H2C},
        {"name": REST, "port": REST_PORT, "targetPort": REST, "protocol": "TCP", "appProtocol": "http"},
    ]
    specification = {"type": "ClusterIP", "selector": workload.selector, "ports": ports}
    return _object(workload, "v1", "Service", specification)


def _network_policy(workload: Workload) -> Object:
    """Return the policy: two ports are open, metrics are on the REST port, and the server connects to nothing."""
    ports = [{"protocol": "TCP", "port": GRPC}, {"protocol": "TCP", "port": REST}]
    specification = {
        "podSelector": {"matchLabels": workload.selector},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": ports}],
        "egress": [],
    }
    return _object(workload, "networking.k8s.io/v1", "NetworkPolicy", specification)


def _deployment(workload: Workload) -> Object:
    settings = workload.settings
    template = {"labels": workload.labels, "annotations": workload.annotations}
    specification = without_empty(
        {
            # An autoscaler's number of replicas must not be reset by the next `kubectl apply`.
            "replicas": None if settings.max_replicas is not None else settings.replicas,
            "progressDeadlineSeconds": max(MIN_PROGRESS_SECONDS, 2 * startup_seconds(workload)),
            "selector": {"matchLabels": workload.selector},
            # No server ends before another one is ready in its place.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": template, "spec": server_pod(workload)},
        }
    )
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**metadata(workload), "annotations": workload.annotations},
        "spec": specification,
    }


def _autoscaler(workload: Workload) -> Object:
    target = {"type": "Utilization", "averageUtilization": workload.settings.target_cpu_percent}
    specification = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload.name},
        "minReplicas": workload.settings.replicas,
        "maxReplicas": workload.settings.max_replicas,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return _object(workload, "autoscaling/v2", "HorizontalPodAutoscaler", specification)


def _disruption_budget(workload: Workload) -> Object:
    """Return the budget: a drain of nodes ends one server at a time."""
    specification = {
        "minAvailable": workload.settings.replicas - 1,
        "selector": {"matchLabels": workload.selector},
    }
    return _object(workload, "policy/v1", "PodDisruptionBudget", specification)


def _service_monitor(workload: Workload) -> Object:
    specification = {
        "selector": {"matchLabels": workload.selector},
        "endpoints": [{"port": REST, "path": workload.metrics_path, "interval": "30s"}],
    }
    return _object(workload, "monitoring.coreos.com/v1", "ServiceMonitor", specification)
