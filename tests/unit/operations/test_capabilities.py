"""Each setting on each engine and in each form: an effect, a refusal with its key, or a row that says why not."""

from __future__ import annotations

import dataclasses
import shutil
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from support.cli import in_process
from support.world import MODELS

from deployer.config import capabilities, spec, tables
from deployer.config.capabilities import (
    COMPOSE,
    CONTAINER_FILES,
    DOCKER,
    DOCKERFILE,
    ENGINES,
    EXPORT_KEYS,
    FORMS,
    LIMITS,
    MANIFESTS,
    SWARM,
    Limit,
    Unused,
    row_of,
)
from deployer.config.fields import option_name
from deployer.config.options import Settings
from deployer.config.origins import Origins
from deployer.errors import SettingRefused
from deployer.operations.render import render
from deployer.rollout.launch import build_launch, resolve_models
from deployer.rollout.workspace import Workspace, open_workspace

ROOT = Path(__file__).parents[3]
MODEL = "half_plus_two"
TABLES = {"": spec.Spec, **tables.TABLES}
KEYS = [
    f"{table}.{field.name}".lstrip(".")
    for table, kind in TABLES.items()
    for field in dataclasses.fields(kind)
    if (table or field.name not in TABLES) and f"{table}.{field.name}" not in (".env", ".models")
]


NOTHING: dict[str, str] = {}


class Example(NamedTuple):
    """A value of a key that is not the default, what else is set with and without it, only without, only with."""

    value: str
    needs: dict[str, str] = NOTHING
    instead: str = ""
    also: dict[str, str] = NOTHING


GPU_IMAGE = {"docker.image": '"tensorflow/serving:2.20.0-gpu"'}
HOST = {"kubernetes.host": '"a.example.com"'}
MONITORING = {"monitoring.enabled": "true"}
REQUEST = {"kubernetes.cpu_request": "0.5"}
SCALES = {"kubernetes.max_replicas": "9", **REQUEST}
SMOKE = {"kubernetes.smoke_image": '"tool:1"'}
CLAIM = "kubernetes.models_claim"
IMAGE = {CLAIM: "", "kubernetes.image": '"m:1"'}
TLS, DISABLED = {"gateway.tls": "true"}, {"gateway.enabled": "false"}
EXAMPLES = {
    "project": Example('"other"'), "engine": Example('"embedded"'), "models_dir": Example('"elsewhere"'),
    "state_dir": Example('"state"'), "templates_dir": Example('"own"'), "name": Example('"other"'),
    "env_file": Example('"variables"', {"server.flags": '{ tensorflow_session_config_file = "${A:-b}" }'}),
    "models.NAME.source": Example('"models/text/1"'), "models.NAME.versions": Example("[1]", IMAGE),
    "models.NAME.labels": Example("{ stable = 3 }"), "models.NAME.inputs": Example('["x:float32[?]"]'),
    "models.NAME.signature": Example('"a"'), "models.NAME.examples": Example('"a.json"'),
    "models.NAME.trust": Example("true"), "models.NAME.tags": Example('["serve"]'),
    "models.NAME.default_signature": Example('"a"'), "models.NAME.graph_inputs": Example('["a=b"]'),
    "models.NAME.graph_outputs": Example('["a=b"]'), "models.NAME.signatures": Example('["a=b.py:c"]'),
    "models.NAME.serve_as": Example('["jpeg"]'), "models.NAME.warmup": Example("true"),
    "models.NAME.custom_objects": Example('"a.py:B"'), "models.NAME.weights": Example('"a.h5"'),
    "server.flags": Example("{ enable_grpc_healthcheck_service = true }"), "server.host": Example('"127.0.0.2"'),
    "server.rest_port": Example("9501"), "server.grpc_port": Example("9500"),
    "batching.max_batch_size": Example("8"), "batching.batch_timeout_micros": Example("7"),
    "batching.max_enqueued_batches": Example("7"), "batching.num_batch_threads": Example("7"),
    "batching.allowed_batch_sizes": Example("[32]"), "batching.pad_variable_length_inputs": Example("true"),
    "monitoring.enabled": Example("true"), "monitoring.path": Example('"/m"', MONITORING),
    "gate.relative_tolerance": Example("0.5", SMOKE), "gate.absolute_tolerance": Example("0.5", SMOKE),
    "gate.ready_seconds": Example("300.0"), "gate.request_seconds": Example("60.0", SMOKE),
    "gate.skip": Example("true"), "gate.check_memory": Example("false"), "gate.allow_breaking": Example("true"),
    "gate.max_slowdown": Example("2.0"), "gate.measure": Example("50.0"), "gate.max_failures": Example("1"),
    "gate.max_gap_ms": Example("50.0"),
    "docker.host": Example('"unix:///elsewhere.sock"'), "docker.image": Example('"tensorflow/serving:2.19.1"'),
    "docker.platform": Example('"linux/arm64"'), "docker.pull_seconds": Example("7.0"),
    "docker.shm_size": Example('"128m"'), "docker.environment": Example('{ A = "1" }'), "docker.user": Example('"1:2"'),
    "docker.restart": Example('"always"'), "docker.gpus": Example("1", GPU_IMAGE), "docker.memory": Example('"1g"'),
    "docker.cpus": Example("2.0"),
    "gateway.enabled": Example("true"), "gateway.image": Example('"haproxy:2.6"', DISABLED),
    "gateway.drain_seconds": Example("7", DISABLED),
    "gateway.answer_seconds": Example("7", DISABLED), "gateway.tls": Example("true", DISABLED),
    "gateway.certificate": Example('"a.crt"', DISABLED, also={**TLS, "gateway.key": '"a.key"'}),
    "gateway.key": Example('"a.key"', DISABLED, also={**TLS, "gateway.certificate": '"a.crt"'}),
    "gateway.tokens": Example('"tokens"', DISABLED), "gateway.max_body": Example('"1m"', DISABLED),
    "gateway.requests_per_second": Example("7", DISABLED), "gateway.max_connections": Example("7", DISABLED),
    "gateway.metrics_port": Example("8405", DISABLED),
    "kubernetes.name": Example('"other"'), "kubernetes.namespace": Example('"shop"'),
    "kubernetes.models_claim": Example('"other"'), "kubernetes.models_path": Example('"a/b"', {CLAIM: '"models"'}),
    "kubernetes.image": Example('"m:1"', instead=CLAIM), "kubernetes.replicas": Example("5"),
    "kubernetes.max_replicas": Example("8", REQUEST),
    "kubernetes.target_cpu_percent": Example("50", SCALES), "kubernetes.cpu_request": Example("0.5"),
    "kubernetes.memory_request": Example('"1g"'), "kubernetes.drain_seconds": Example("60"),
    "kubernetes.image_pull_secrets": Example('["a"]'), "kubernetes.secrets": Example('{ A = "b/c" }'),
    "kubernetes.host": Example('"a.example.com"'), "kubernetes.ingress_class": Example('"nginx"', HOST),
    "kubernetes.tls_secret": Example('"t"', HOST), "kubernetes.gateway": Example('"g"', HOST),
    "kubernetes.service_monitor": Example("true", MONITORING), "kubernetes.smoke_image": Example('"a:1"'),
    "image.repository": Example('"team/m"'), "kserve.storage_uri": Example('"s3://b/m"', instead=CLAIM),
    "kserve.runtime": Example('"own"'),
    "swarm.replicas": Example("3"), "swarm.publish": Example('"ingress"'), "swarm.gateway_replicas": Example("3"),
    "swarm.constraints": Example('["node.role==worker"]'), "swarm.spread": Example('"node.labels.zone"'),
    "swarm.max_per_node": Example("1"), "swarm.gateway_constraints": Example('["node.role==worker"]'),
    "swarm.reserve_memory": Example('"1g"'), "swarm.reserve_cpus": Example("0.5"),
    "swarm.drain_seconds": Example("7"), "swarm.monitor_seconds": Example("7"),
}  # fmt: skip
REFUSED: dict[str, dict[str, str]] = {
    "gateway.enabled": {"gateway.enabled": "true"},
    "models": {"models.text.versions": "[1]"},
    "models.NAME.versions": {"models.NAME.versions": "[1, 3]"},
    "docker.restart": {"docker.restart": '"no"'},
    "docker.gpus": {"docker.gpus": "-1", **GPU_IMAGE},
    "docker.platform": {"docker.platform": '"linux/arm/v7"'},
    "docker.image": {"docker.image": '"own:1"'},
    "docker.environment": {"docker.environment": '{ A = "${B}" }'},
    "kubernetes.models_claim": {CLAIM: ""},
    "kubernetes.cpu_request": {"kubernetes.cpu_request": "2.0", "docker.cpus": "1.0"},
    "kubernetes.memory_request": {"kubernetes.memory_request": '"2g"', "docker.memory": '"1g"'},
    "kubernetes.max_replicas": {"kubernetes.max_replicas": "9"},
    "kubernetes.secrets": {"kubernetes.secrets": '{ A = "b/c" }', "docker.environment": '{ A = "1" }'},
    "kubernetes.service_monitor": {"kubernetes.service_monitor": "true"},
    "kserve.storage_uri": {"kserve.storage_uri": '"s3://b/m"'},
    "kserve.runtime": {"kserve.runtime": '"own"', CLAIM: "", "kubernetes.image": '"m:1"'},
}
"""For each key of which only some values are refused: a document with one. An empty value is none."""


TOLERANCES = ("gate.relative_tolerance", "gate.absolute_tolerance", "gate.request_seconds")
OTHERWISE = {
    **dict.fromkeys(FORMS, ()),
    **dict.fromkeys(CONTAINER_FILES, ("state_dir",)),  # they say which deployment is meant: see SEEN_BY
    DOCKERFILE: ("state_dir", "project"),
    **dict.fromkeys(MANIFESTS, ("docker.restart",)),  # the values that are not refused say what Kubernetes does
}
"""Keys whose effect the files do not show."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for store in ("models", "elsewhere"):
        shutil.copytree(MODELS / "half_plus_two", tmp_path / store / "half_plus_two")
    shutil.copytree(MODELS / "text", tmp_path / "models" / "text")
    for path in (tmp_path / "elsewhere" / "half_plus_two" / "3").rglob("*"):
        if path.name == "saved_model.pb":
            path.write_bytes((MODELS / "half_plus_two" / "2" / "saved_model.pb").read_bytes())
    (tmp_path / "variables").write_text("A=c\n")
    (tmp_path / "own").mkdir()
    config = (ROOT / "templates" / "model_config.config.j2").read_text()
    (tmp_path / "own" / "model_config.config.j2").write_text(f"{config}# own\n")
    for name in ("compose.yaml", "docker-run.sh", "serve.sh"):
        (tmp_path / "own" / f"{name}.j2").write_text("# own\n")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    monkeypatch.delenv("DEPLOYER_ENGINE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(settings: dict[str, str]) -> None:
    """Write a document; an empty value is none."""
    lines = [f"{key.replace('NAME', MODEL)} = {value}" for key, value in settings.items() if value]
    Path("deployer.toml").write_text("\n".join([*lines, f"[models.{MODEL}]"] if MODEL not in str(lines) else lines))


def base(target: str) -> dict[str, str]:
    return {"name": '"half"', **({CLAIM: '"models"'} if target in MANIFESTS else {})}


def rendered(target: str, settings: dict[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    return _rendered(Path.cwd(), target, tuple(settings.items()))


@cache
def _rendered(_: Path, target: str, settings: tuple[tuple[str, str], ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    write(dict(settings))
    found = render(form=target, settings=Settings())
    return dict(found.files), found.notices


def needs_of(target: str, example: Example) -> dict[str, str]:
    """The settings that the example needs, but for tables that a form refuses."""
    refused = {name for name in example.needs if isinstance(row := row_of(target, name), Limit) and not row.values}
    return {name: value for name, value in example.needs.items() if name not in refused or name in HOST}


def is_shown(target: str, key: str) -> bool:
    """Whether a value of the key changes what is rendered."""
    example = EXAMPLES[key]
    without = {**base(target), **needs_of(target, example)}
    changed = {
        **without,
        **example.also,
        key: example.value,
        **({example.instead: ""} if example.instead and not isinstance(row_of(target, key), Unused) else {}),
    }
    return rendered(target, changed) != rendered(target, without)


def message_of_refusal(target: str, settings: dict[str, str]) -> str:
    write({**base(target), **settings})
    with pytest.raises(SettingRefused) as refused:
        render(form=target, settings=Settings())
    return refused.value.message


def test_there_is_an_example_of_every_key():
    assert set(EXAMPLES) == set(KEYS)


@pytest.mark.parametrize("target", FORMS)
def test_a_form_shows_a_setting_or_refuses_it_or_the_table_says_why_not(project, target):
    wrong = []
    for key, example in EXAMPLES.items():
        row = row_of(target, key)
        if isinstance(row, Unused):
            if is_shown(target, key):
                wrong.append(f"{key} has an effect, and the table says that it has none")
        elif isinstance(row, Limit) and not row.values:
            said = message_of_refusal(target, {**needs_of(target, example), **example.also, key: example.value})
            if said.partition(":")[0] not in (key.replace("NAME", MODEL), key.partition(".")[0], *example.needs):
                wrong.append(f"{key} is refused without its name: {said}")
        elif key not in ("gateway.enabled", *OTHERWISE[target]) and not is_shown(target, key):
            wrong.append(f"{key} has no effect, and the table does not say so")
    assert wrong == []


@pytest.mark.parametrize("target", FORMS)
def test_each_refused_value_is_refused_with_its_key(project, target):
    for limit in LIMITS:
        for key in limit.keys if target in limit.targets and limit.values else ():
            said = message_of_refusal(target, REFUSED[key])
            assert said.startswith(f"{key.replace('NAME', MODEL)}: {target}: {limit.reason}")


@pytest.mark.parametrize("target", [*ENGINES, *FORMS])
def test_an_option_without_an_effect_is_refused_and_a_variable_noted(target):
    for key in KEYS:
        if not isinstance(row_of(target, key), Unused):
            continue
        options, variables = {key: f"--{key}"}, {key: "DEPLOYER_X"}
        with pytest.raises(SettingRefused, match=f"--{key}: "):
            capabilities.check(target, spec.Spec(), Origins(options=options))
        (note,) = capabilities.unused_variables(target, Origins(variables=variables))
        assert note.startswith("DEPLOYER_X is not used: ")
        capabilities.check(target, _valid(target), Origins(file={key: "a"}, variables=variables))


def _valid(target: str) -> spec.Spec:
    return spec.Spec(
        kubernetes=spec.Kubernetes(models_claim="m") if target in MANIFESTS else spec.Kubernetes(),
        gateway=spec.Gateway(enabled=target == SWARM),
    )


@pytest.mark.parametrize("command", ["plan", "up", "doctor"])
def test_the_embedded_engine_refuses_a_gateway(project, monkeypatch, command):
    monkeypatch.setenv("DEPLOYER_ENGINE", "embedded")
    write({"name": '"half"', "gateway.enabled": "true"})
    ended = in_process(command, "--json", cwd=project)
    assert ended.code == (6 if command == "doctor" else 3)
    assert "gateway.enabled: embedded: there is no gateway" in ended.out


SEEN_BY = {
    "engine": ("tests/unit/engines/test_selection.py", "engine="),
    "state_dir": ("tests/unit/operations/test_render_deployed.py", "--state-dir"),
    "models.NAME.source": ("tests/integration/test_up.py", "source"),
    "docker.host": ("tests/unit/engines/test_docker_settings.py", '"host"'),
    "docker.pull_seconds": ("tests/docker/test_pull.py", "PULL_SECONDS"),
    "gate.ready_seconds": ("tests/unit/rollout/test_create.py", "timeout=0.5"),
    "gate.skip": ("tests/unit/rollout/test_create.py", "skip_gate=True"),
    "gate.check_memory": ("tests/integration/test_redeploy.py", "check_memory"),
    "gate.allow_breaking": ("tests/unit/rollout/test_breaking_changes.py", "allow_breaking=True"),
    "gate.max_slowdown": ("tests/integration/test_redeploy.py", "--max-slowdown"),
    "gate.measure": ("tests/integration/test_measured.py", "--measure"),
    "gate.max_failures": ("tests/integration/test_measured.py", "--max-failures"),
    "gate.max_gap_ms": ("tests/integration/test_measured.py", "--max-gap"),
    "gateway.enabled": ("tests/docker/test_gateway_kept.py", "enabled=False"),
    "gateway.image": ("tests/docker/test_gateway_kept.py", "GATEWAY_IMAGE"),
    "image.repository": ("tests/unit/rollout/test_built_image.py", "repository"),
    "swarm.publish": ("tests/unit/engines/swarm/test_gateway_config.py", '"publish"'),
    "swarm.gateway_constraints": ("tests/unit/engines/swarm/test_gateway_config.py", "gateway_constraints"),
    "swarm.monitor_seconds": ("tests/docker/test_swarm_undone.py", "monitor_seconds"),
    **{
        f"gateway.{field.name}": ("tests/unit/engines/gateway/test_config.py", field.name)
        for field in dataclasses.fields(spec.Gateway)
        if field.name not in ("enabled", "image")
    },
}
"""Tests of the effects that are not in what a server is started with, each with a text in it."""


def workspace(engine: str, settings: dict[str, str]) -> Workspace:
    write(settings)
    return open_workspace(Settings(engine=engine))


def started(engine: str, settings: dict[str, str]) -> object:
    """What a server is started with: by Docker, the same as by a Compose file; otherwise its launch."""
    if engine == DOCKER:
        return rendered(COMPOSE, settings)
    opened = workspace(engine, settings)
    models = tuple(each.served for each in resolve_models(opened.spec, opened.store))
    return build_launch(opened.spec, opened.engine, models), opened.tolerance, opened.spec.gate.request_seconds


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_is_started_with_each_setting_or_another_test_shows_its_effect(project, engine):
    wrong = []
    for key, example in EXAMPLES.items():
        without = {**base(engine), **example.needs}
        changed = {**without, **example.also, key: example.value}
        row = row_of(engine, key)
        if isinstance(row, Limit) or key in (*SEEN_BY, *EXPORT_KEYS, *TOLERANCES):
            continue
        if (started(engine, changed) != started(engine, without)) is not (row is None):
            wrong.append(key)
    assert wrong == []


@pytest.mark.parametrize("key", TOLERANCES)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_gate_takes_its_tolerances_and_its_deadline(project, engine, key):
    opened = [workspace(engine, {**base(engine), **more}) for more in ({}, {key: EXAMPLES[key].value})]
    found = [(each.tolerance, each.spec.gate.request_seconds) for each in opened]
    assert found[0] != found[1]


@pytest.mark.parametrize("key", SEEN_BY)
def test_the_tests_of_other_effects_exist(key):
    path, text = SEEN_BY[key]
    assert text in (ROOT / path).read_text()


def test_every_setting_of_an_export_has_a_test_of_its_effect():
    texts = [path.read_text() for path in (ROOT / "tests" / "integration").rglob("*.py")]
    names = {key.rpartition(".")[2] for key in EXPORT_KEYS}
    spellings = {name: (option_name(spec.ModelSpec, name), f"{name}=", f"{name} =") for name in names}
    assert [name for name, said in spellings.items() if not any(word in text for text in texts for word in said)] == []
