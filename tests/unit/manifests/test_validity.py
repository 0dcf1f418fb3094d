"""Every manifest is valid for three releases of Kubernetes, and for the schemas of its custom resource."""

from __future__ import annotations

import copy

import jsonschema
import kubernetes_validate
import pytest
from support import kubernetes, kustomize
from support.kubernetes import VERSIONS, validate

BY_IMAGE = '\n[kubernetes]\nimage = "registry.example/m:1@sha256:abc"\nmax_replicas = 4\ncpu_request = 1\n'
DOCUMENTS = {
    "by image": f'[models.text]{BY_IMAGE}smoke_image = "tool:1"\n',
    "gateway routes": f'[models.text]{BY_IMAGE}host = "*.example.com"\ngateway = "infra/public"\n',
    "a gateway of the namespace": f'[models.text]{BY_IMAGE}host = "a.b"\ngateway = "public"\n',
    "one replica": '[models.text]\n[kubernetes]\nmodels_claim = "m"\nreplicas = 1\nhost = "a.b"\n',
    "root": '[models.text]\n[docker]\nuser = "0"\n[kubernetes]\nmodels_claim = "m"\n',
    "a gpu": '[models.text]\n[docker]\ngpus = 2\nimage = "serving:gpu"\n[kubernetes]\nmodels_claim = "m"\n',
    "arm": '[models.text]\n[docker]\nplatform = "linux/arm64/v8"\n[kubernetes]\nmodels_claim = "m"\n',
}
KSERVE = {
    "a claim": '[models.text]\n[kubernetes]\nmodels_claim = "m"\nmodels_path = "a/b"\n[docker]\ncpus = 2\n',
    "a uri": '[models.text]\n[kserve]\nstorage_uri = "s3://bucket/models/"\nruntime = "own"\n',
    "an image": f"[models.text]{BY_IMAGE}",
    "a secret": '[models.text]\n[kubernetes]\nmodels_claim = "m"\nsecrets = { T = "s/k" }\n',
}


def test_the_rich_document(rich):
    kinds = {key.partition("/")[0] for key in rich.objects()}
    assert kinds == {
        *("ConfigMap", "Service", "NetworkPolicy", "Deployment", "PodDisruptionBudget", "ServiceMonitor"),
        *("Ingress", "Job"),
    }
    assert {validate(each) for each in rich.objects().values()} == {1, len(VERSIONS)}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_other_documents(project, name):
    project.write(DOCUMENTS[name])
    for each in project.objects().values():
        validate(each)


@pytest.mark.parametrize("name", KSERVE)
def test_an_inference_service(project, name):
    project.write(KSERVE[name])
    (service,) = project.objects("kserve").values()
    assert validate(service) == 1


@pytest.mark.parametrize("env", ["staging", "production"])
def test_an_overlay_is_valid_too(rich, env):
    for each in kustomize.build(rich.files(), f"overlays/{env}"):
        validate(each)


def test_a_wrong_field_would_be_found(rich):
    """The validation is strict: a typo at any depth is an error, in each release and in custom resources."""
    objects = rich.objects()
    deployment = copy.deepcopy(objects["Deployment/pricing"])
    deployment["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    for version in VERSIONS:
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(deployment, version, strict=True)
    monitor = copy.deepcopy(objects["ServiceMonitor/pricing"])
    monitor["spec"]["endpoints"][0]["ports"] = "rest"
    with pytest.raises(jsonschema.ValidationError):
        validate(monitor)
    assert {path.stem for path in kubernetes.SCHEMAS.glob("*.json")} == {
        *("servicemonitor", "httproute", "grpcroute", "inferenceservice"),
    }
