"""What a manifest cannot express is refused with the name of its key; nothing is left out silently."""

from __future__ import annotations

import pytest

CLAIM = 'models_claim = "m"'
BOTH = [
    ("[gateway]\nenabled = true", "gateway.enabled"),
    ('[server]\nhost = "0.0.0.0"', "server.host"),
    ("[server]\nrest_port = 9501", "server.rest_port"),
    ("[server]\ngrpc_port = 0", "server.grpc_port"),
    ('[docker]\nrestart = "no"', "docker.restart"),
    ('[docker]\nrestart = "on-failure"', "docker.restart"),
    ('[docker]\ngpus = -1\nimage = "serving:gpu"', "docker.gpus"),
    ('[docker]\nplatform = "linux/arm/v7"', "docker.platform"),
    ("[docker]\ncpus = 1\n[kubernetes]\ncpu_request = 2", "kubernetes.cpu_request"),
    ('[docker]\nmemory = "1g"\n[kubernetes]\nmemory_request = "2g"', "kubernetes.memory_request"),
    ("[kubernetes]\nmax_replicas = 3", "kubernetes.max_replicas"),
    ('[docker]\nenvironment = { A = "1" }\n[kubernetes]\nsecrets = { A = "s/k" }', "kubernetes.secrets"),
    ('[docker]\nenvironment = { A = "x${B}" }', "docker.environment"),
    ('[docker]\nenvironment = { A = "${B}", C = "${D}" }\n[kubernetes]\nsecrets = { A = "s/k" }', "docker.environment"),
    ('[server.flags]\nssl_config_file = "/tls"', "server.flags.ssl_config_file"),
    ("[server.flags]\nrest_api_num_threads = 1", "server.flags.rest_api_num_threads"),
]
K8S = [
    ("[kubernetes]\nservice_monitor = true", "kubernetes.service_monitor"),
]
KSERVE = [
    ("[models.half_plus_two]", "models"),
    ("[batching]", "batching"),
    ("[monitoring]", "monitoring"),
    ('[docker]\nshm_size = "1g"', "docker.shm_size"),
    ('[docker]\nimage = "own/serving:1"', "docker.image"),
    ("[kubernetes]\ndrain_seconds = 9", "kubernetes.drain_seconds"),
    ('[kubernetes]\nsmoke_image = "a:1"', "kubernetes.smoke_image"),
    ("[kubernetes]\nservice_monitor = true", "kubernetes.service_monitor"),
    ('[kubernetes]\nhost = "a.b"', "kubernetes.host"),
    ('[kserve]\nstorage_uri = "s3://b/m"', "kserve.storage_uri"),
]
WRONG = [
    ('name = "Digits"', "name"),
    ('name = "1a"', "name"),
    ('name = "a_b"', "name"),
    ('namespace = "a.b"', "namespace"),
    ('models_claim = "A"', "models_claim"),
    ('models_path = "/a"', "models_path"),
    ('models_path = "a/../b"', "models_path"),
    ('image = "A B"', "image"),
    ('smoke_image = "{{ x }}"', "smoke_image"),
    ("replicas = 0", "replicas"),
    ("replicas = 4\nmax_replicas = 3", "max_replicas"),
    ("target_cpu_percent = 0", "target_cpu_percent"),
    ("cpu_request = 0.0", "cpu_request"),
    ('memory_request = "2GB"', "memory_request"),
    ("drain_seconds = 4", "drain_seconds"),
    ('image_pull_secrets = ["a b"]', "image_pull_secrets"),
    ('secrets = { A = "b" }', "secrets.A"),
    ('secrets = { "A B" = "b/c" }', "secrets.A B"),
    ('secrets = { A = "b/c/d" }', "secrets.A"),
    ('host = "a\\nb"', "host"),
    ('host = "http://a"', "host"),
    ('tls_secret = "t"', "tls_secret"),
    ('ingress_class = "nginx"', "ingress_class"),
    ('gateway = "g"', "gateway"),
    ('host = "a.b"\ngateway = "/g"', "gateway"),
    ('host = "a.b"\ngateway = "g"\ntls_secret = "t"', "tls_secret"),
    ('models_path = "a"', "models_path"),
    ('models_claim = "a"\nimage = "b"', "image"),
]


def document(text: str) -> str:
    """A document with the text, and with all that a manifest needs apart from it."""
    head, found, rest = text.partition("[kubernetes]\n")
    if found:
        return f"[models.text]\n{head}{found}{CLAIM}\n{rest}\n"
    return f"[models.text]\n{text}\n[kubernetes]\n{CLAIM}\n"


@pytest.mark.parametrize("form", ["k8s", "kserve"])
@pytest.mark.parametrize(("text", "key"), BOTH, ids=[key for _, key in BOTH])
def test_in_both_forms(project, form, text, key):
    project.write(document(text))
    assert project.refused(key, form)
    assert not (project.directory / "out").exists()


@pytest.mark.parametrize(("text", "key"), K8S, ids=[key for _, key in K8S])
def test_by_k8s(project, text, key):
    project.write(document(text))
    assert project.refused(key)


@pytest.mark.parametrize(("text", "key"), KSERVE, ids=[key for _, key in KSERVE])
def test_by_kserve(project, text, key):
    project.write(document(text))
    assert project.refused(key, "kserve")


@pytest.mark.parametrize(("text", "key"), WRONG, ids=[text for text, _ in WRONG])
def test_a_wrong_value_is_refused_by_every_command(project, text, key):
    project.write(f"[models.text]\n[kubernetes]\n{text}\n")
    for command in (("render", "k8s"), ("plan",)):
        error = project.run(*command, "--json", code=3).json["error"]
        assert f"kubernetes.{key}: " in error["message"]


@pytest.mark.parametrize(("form", "key"), [("k8s", "kubernetes.models_claim"), ("kserve", "kubernetes.models_claim")])
def test_how_the_models_reach_the_cluster_must_be_said(project, form, key):
    project.write("[models.text]\n")
    assert "kubernetes.image" in project.refused(key, form)


@pytest.mark.parametrize("option", [("--host", "0.0.0.0"), ("--rest-port", "9"), ("--grpc-port", "0")])
def test_an_option_is_named_as_it_was_typed(project, option):
    project.write(document(""))
    project.refused(option[0], "k8s", *option)


def test_a_variable_is_named(project, monkeypatch):
    project.write(document(""))
    monkeypatch.setenv("DEPLOYER_SERVER_REST_PORT", "9501")
    project.refused("DEPLOYER_SERVER_REST_PORT")


@pytest.mark.parametrize(
    ("name", "near"),
    [("half_plus_two", "half-plus-two"), ("Digits.v2", "digits-v2"), ("2nd", "nd"), ("A" * 60, "a" * 48)],
)
def test_a_name_that_no_service_can_have_is_refused_and_not_changed(project, name, near):
    project.write(f'name = "{name}"\n{document("")}')
    assert project.refused("kubernetes.name") == f'kubernetes.name = "{near}"'
    project.write(f'name = "{name}"\n{document("")}name = "{near}"\n')
    assert f"Service/{near}" in project.objects()


def test_a_project_that_no_label_can_have_is_refused(project):
    project.write(document(""))
    assert "--project shop" in project.refused("project", "k8s", "--project", "shop_")


def test_kserve_serves_one_version_and_only_the_highest(project):
    project.write(f"[models.half_plus_two]\nversions = [1, 3]\n[kubernetes]\n{CLAIM}\nname = 'h'\n")
    project.refused("models.half_plus_two.versions", "kserve")
    project.write(f"[models.half_plus_two]\nversions = [1]\n[kubernetes]\n{CLAIM}\nname = 'h'\n")
    assert "half_plus_two:3" in project.refused("models.half_plus_two.versions", "kserve")
    project.write(f"[models.half_plus_two]\nlabels = {{ stable = 3 }}\n[kubernetes]\n{CLAIM}\nname = 'h'\n")
    project.refused("models.half_plus_two.labels", "kserve")
    project.write("[models.half_plus_two]\nversions = [1]\n[kubernetes]\nimage = 'a:1'\nname = 'h'\n")
    (service,) = project.objects("kserve").values()
    assert "--model_base_path=/models/half_plus_two" in service["spec"]["predictor"]["containers"][0]["args"]


def test_more_models_than_a_config_map_holds_are_refused(project, monkeypatch):
    from deployer.manifests import workload

    monkeypatch.setattr(workload, "MAX_CONFIG_BYTES", 1000)
    project.write(document(""))
    project.refused("models")


def test_a_version_that_the_store_lacks_is_no_manifest(project):
    project.write(f"[models.text]\nversions = [7]\n[kubernetes]\n{CLAIM}\n")
    assert "text" in project.run("render", "k8s", code=4).err


@pytest.mark.parametrize(
    ("arguments", "text", "says", "never"),
    [
        ((), "[env.local.server]\nrest_port = 9501", "--out", "under [env.local]"),
        ((), '[env.local.docker]\nrestart = "no"', "--env", "under [env.local]"),
        (("--env", "staging"), '[env.staging.docker]\nrestart = "no"', "out of [env.staging]", "under"),
        (("--host", "0.0.0.0"), "", "leave out --host", "under"),
        (("--rest-port", "9"), "[env.local.server]\nrest_port = 9501", "leave out --rest-port", "under"),
        ((), "[server]\nrest_port = 9501", "under [env.local]", "--env"),
    ],
)
def test_the_hint_is_another_place_than_the_one_that_has_the_setting(project, arguments, text, says, never):
    project.write(f"{document('')}{text}\n" if text.startswith("[env") else document(text))
    for form in ("k8s", "kserve"):
        hint = project.run("render", form, *arguments, "--json", code=3).json["error"]["hint"]
        assert (says in hint, never in hint) == (True, False), hint


def test_the_hint_for_a_variable_is_to_unset_it(project, monkeypatch):
    project.write(document(""))
    monkeypatch.setenv("DEPLOYER_DOCKER_RESTART", "no")
    assert "unset DEPLOYER_DOCKER_RESTART" in project.refused("DEPLOYER_DOCKER_RESTART")
