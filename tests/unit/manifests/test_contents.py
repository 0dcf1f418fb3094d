"""What is in the manifests: settings arrive where Kubernetes reads them."""

from __future__ import annotations

import json
import math

import pytest
import tomllib

from deployer.manifests.pods import READ_BYTES_PER_SECOND, startup_seconds
from deployer.manifests.quantities import cpus, memory
from deployer.results.served import models_from

CLAIM = '[models.text]\n[kubernetes]\nmodels_claim = "m"\n'


def pod(objects, kind="Deployment"):
    (found,) = (each for each in objects.values() if each["kind"] == kind)
    return found["spec"]["template"]["spec"]


def config(objects):
    (found,) = (each for each in objects.values() if each["kind"] == "ConfigMap")
    return found["data"]


def test_the_server_of_the_rich_document(rich):
    objects = rich.objects()
    (server,) = pod(objects)["containers"]
    assert server["image"] == "tensorflow/serving:2.20.0"
    assert server["resources"] == {
        "requests": {"cpu": "500m", "memory": "2Gi"},
        "limits": {"cpu": "1500m", "memory": "2Gi"},
    }
    assert server["env"] == [
        {"name": "MALLOC_ARENA_MAX", "value": "2"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "token"}}},
    ]
    assert {each["name"]: each["containerPort"] for each in server["ports"]} == {"grpc": 8500, "rest": 8501}
    assert {"name": "models", "mountPath": "/models", "readOnly": True, "subPath": "team/models"} in server[
        "volumeMounts"
    ]
    assert {"name": "shm", "mountPath": "/dev/shm"} in server["volumeMounts"]
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "128Mi"}} in pod(objects)["volumes"]
    assert "--enable_grpc_healthcheck_service=true" in server["args"]
    assert "--batching_parameters_file=/config/batching_parameters.config" in server["args"]
    assert pod(objects)["nodeSelector"] == {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    assert pod(objects)["imagePullSecrets"] == [{"name": "registry"}]


def test_a_secret_comes_from_a_secret_of_the_cluster(project):
    project.write(
        '[models.text]\n[docker]\nenvironment = { A = "1", B = "${LACKS}" }\n'
        '[kubernetes]\nmodels_claim = "m"\nsecrets = { B = "s/k" }\n'
    )
    (server,) = pod(project.objects())["containers"]
    assert server["env"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]


def test_every_file_that_a_flag_names_is_in_the_config_map(rich):
    objects = rich.objects()
    (server,) = pod(objects)["containers"]
    words = (*server["args"], *server["command"], *server["startupProbe"]["exec"]["command"],
             *server["lifecycle"]["preStop"]["exec"]["command"])  # fmt: skip
    named = {word.rpartition("/config/")[2] for word in words if "/config/" in word}
    assert len(named) == 6
    assert named <= set(config(objects))


def test_pods_are_restricted(rich):
    for kind in ("Deployment", "Job"):
        found = pod(rich.objects(), kind)
        assert found["automountServiceAccountToken"] is False
        assert found["securityContext"] == {
            "runAsNonRoot": True, "runAsUser": 65534, "runAsGroup": 65534, "seccompProfile": {"type": "RuntimeDefault"},
        }  # fmt: skip
        for container in (*found.get("initContainers", ()), *found["containers"]):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip


def test_selectors_find_the_servers_and_not_the_job(rich):
    objects = rich.objects()
    template = {kind: next(each["spec"]["template"]["metadata"]["labels"] for each in objects.values()
                           if each["kind"] == kind) for kind in ("Deployment", "Job")}  # fmt: skip
    selectors = [
        objects["Service/pricing"]["spec"]["selector"],
        objects["NetworkPolicy/pricing"]["spec"]["podSelector"]["matchLabels"],
        objects["Deployment/pricing"]["spec"]["selector"]["matchLabels"],
        objects["PodDisruptionBudget/pricing"]["spec"]["selector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in pod(objects)["topologySpreadConstraints"]),
    ]
    for selector in selectors:
        assert selector.items() <= template["Deployment"].items()
        assert not selector.items() <= template["Job"].items()
    monitored = objects["ServiceMonitor/pricing"]["spec"]["selector"]["matchLabels"]
    assert monitored.items() <= objects["Service/pricing"]["metadata"]["labels"].items()


def test_only_two_ports_are_open_and_nothing_is_called(rich):
    policy = rich.objects()["NetworkPolicy/pricing"]["spec"]
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": "grpc"}, {"protocol": "TCP", "port": "rest"}]}]
    assert policy["egress"] == []


def test_clients_outside_reach_predictions_and_no_reload(project):
    project.write(f'{CLAIM}host = "a.example.com"\n')
    paths = [path["path"] for name in ("rest", "grpc")
             for path in project.objects()[f"Ingress/text-{name}"]["spec"]["rules"][0]["http"]["paths"]]  # fmt: skip
    assert paths == [
        "/v1", "/tensorflow.serving.PredictionService", "/tensorflow.serving.ModelService/GetModelStatus",
    ]  # fmt: skip
    project.write(f'{CLAIM}host = "a.example.com"\ngateway = "infra/public"\n')
    objects = project.objects()
    methods = [each["method"] for each in objects["GRPCRoute/text-grpc"]["spec"]["rules"][0]["matches"]]
    assert methods == [
        {"service": "tensorflow.serving.PredictionService"},
        {"service": "tensorflow.serving.ModelService", "method": "GetModelStatus"},
    ]
    assert objects["HTTPRoute/text-rest"]["spec"]["parentRefs"] == [{"name": "public", "namespace": "infra"}]


def test_the_start_up_probe_grows_with_the_models(project):
    project.write(f"{CLAIM}[gate]\nready_seconds = 40.0\n")
    small = project.container()["startupProbe"]
    assert small["periodSeconds"] * small["failureThreshold"] == 45
    weights = project.directory / "models" / "text" / "1" / "assets" / "weights"
    weights.parent.mkdir(exist_ok=True)
    with weights.open("wb") as file:
        file.truncate(10 * READ_BYTES_PER_SECOND)
    large = project.container()["startupProbe"]
    assert large["periodSeconds"] * large["failureThreshold"] == 55


def test_start_up_seconds_are_those_of_the_gate_and_of_reading(rich, monkeypatch):
    from deployer.config.spec import Gate

    class Sized:
        gate, model_bytes = Gate(ready_seconds=10.5), READ_BYTES_PER_SECOND * 3

    assert startup_seconds(Sized) == math.ceil(13.5)


def test_a_stopping_pod_has_time_to_drain(project):
    project.write(f"{CLAIM}drain_seconds = 90\n")
    assert pod(project.objects())["terminationGracePeriodSeconds"] == 120
    assert "second < 90" in config(project.objects())["drain.sh"]


def test_an_autoscaler_takes_the_place_of_the_number_of_replicas(project):
    project.write(f"{CLAIM}replicas = 3\nmax_replicas = 9\ntarget_cpu_percent = 60\ncpu_request = 2\n")
    objects = project.objects()
    scaler = objects["HorizontalPodAutoscaler/text"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)
    assert scaler["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 60}
    assert "replicas" not in objects["Deployment/text"]["spec"]
    assert objects["PodDisruptionBudget/text"]["spec"]["minAvailable"] == 2


def test_one_replica_has_no_budget_that_would_block_every_drain(project):
    project.write(f"{CLAIM}replicas = 1\n")
    rendered = project.run("render", "k8s")
    assert "PodDisruptionBudget" not in rendered.out
    assert "PodDisruptionBudget" in rendered.err


def test_the_smoke_test_knows_the_versions_and_tolerances(rich):
    objects = rich.objects()
    document = tomllib.loads(config(objects)["deployer.toml"])
    assert {name: model["versions"] for name, model in document["models"].items()} == {
        "half_plus_two": [1, 2], "text": [1],
    }  # fmt: skip
    assert document["name"] == "pricing"
    assert document["gate"] == {"relative_tolerance": 1e-5, "request_seconds": 30.0}
    (smoke,) = pod(objects, "Job")["containers"]
    assert smoke["args"][2:] == ["--url", "http://pricing:8501", "--grpc", "pricing:8500"]


def test_an_image_with_the_models_needs_no_volume_and_the_job_copies_them(project):
    project.write('[models.text]\n[kubernetes]\nimage = "reg/m:1"\nsmoke_image = "tool:1"\n')
    objects = project.objects()
    assert "models" not in {each["name"] for each in pod(objects)["volumes"]}
    assert pod(objects)["containers"][0]["image"] == "reg/m:1"
    (copy,) = pod(objects, "Job")["initContainers"]
    assert (copy["image"], copy["command"]) == ("reg/m:1", ["cp", "-r", "/models/.", "/store"])


def test_without_an_image_for_it_there_is_no_job_and_a_note(project):
    project.write(CLAIM)
    rendered = project.run("render", "k8s")
    assert "kubernetes.smoke_image" in rendered.err
    assert "kind: Job" not in rendered.out


def test_what_is_served_is_in_the_annotations(rich):
    objects = rich.objects()
    for metadata in (objects["Deployment/pricing"]["metadata"],
                     objects["Deployment/pricing"]["spec"]["template"]["metadata"]):  # fmt: skip
        models = models_from(metadata["annotations"]["deployer.models"])
        assert [(each.name, each.versions, len(each.digests)) for each in models] == [
            ("half_plus_two", (1, 2), 2), ("text", (1,), 1),
        ]  # fmt: skip


VALUES = {
    "a b": "yes", "quoted": "a: b", "braces": "{{ x }}", "reference": "$(HOME) $HOME $$", "lines": "a\n---\nkind: Pod",
    "number": "1e3", "empty": "", "unicode": "ü\U0001f600\u2028", "null": "null",
}  # fmt: skip


def test_no_value_becomes_anything_but_a_value(project):
    variables = {f"V{number}": value for number, value in enumerate(VALUES.values())}
    table = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in variables.items())
    flag = json.dumps(VALUES["lines"])
    table = table.replace("$", "$$")  # as in a manifest
    project.write(
        f"{CLAIM}[docker]\nenvironment = {{ {table} }}\n[server.flags]\ntensorflow_session_config_file = {flag}\n"
    )
    objects = project.objects()
    (server,) = pod(objects)["containers"]
    assert {each["name"]: each["value"] for each in server["env"]} == {
        name: value.replace("$", "$$") for name, value in variables.items()
    }
    assert f"--tensorflow_session_config_file={VALUES['lines']}" in server["args"]
    assert set(objects) == {"Service/text", "NetworkPolicy/text", "Deployment/text", "PodDisruptionBudget/text",
                            next(key for key in objects if key.startswith("ConfigMap/"))}  # fmt: skip


def test_no_engine_is_asked(project, monkeypatch):
    from deployer.engines.docker import engine

    monkeypatch.setattr(engine.DockerEngine, "observe", lambda *_: pytest.fail("it is asked"))
    monkeypatch.setenv("DEPLOYER_ENGINE", "docker")
    project.write(CLAIM)
    assert project.objects()


@pytest.mark.parametrize(("number", "text"), [(1, "1"), (1.5, "1500m"), (0.0001, "1m"), (0.1, "100m"), (24.0, "24")])
def test_cpus(number, text):
    assert cpus(number) == text


@pytest.mark.parametrize(
    ("size", "text"), [(1023, "1023"), (1024, "1Ki"), (3 * 2**29, "1536Mi"), (2**31, "2Gi"), (2**50, "1024Ti")]
)
def test_memory(size, text):
    assert memory(size) == text
