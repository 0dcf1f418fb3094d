"""deployer.toml: layers in their order, and errors that name file, key, reason and the nearest known name."""

from __future__ import annotations

import dataclasses
import operator
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from deployer.config import loader, variables
from deployer.config.spec import Spec
from deployer.config.templates import render_template
from deployer.errors import ConfigError, InvalidValue
from deployer.system import documents


def load(
    directory: Path, text: str, env: str | None = None, environ: dict[str, str] | None = None, **overrides: object
) -> Spec:
    file = directory / "deployer.toml"
    file.write_text(text)
    return loader.load(file, env, overrides, environ or {})


def test_no_file_is_the_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = loader.load(environ={})
    assert (spec.engine, spec.env, spec.server.address, spec.models) == ("auto", "local", "127.0.0.1", {})


def test_paths_are_meant_from_the_files_directory(tmp_path):
    spec = load(tmp_path, 'models_dir = "store"\n[models.m]\nexamples = "e.json"\nsource = "sub/m.keras"')
    assert spec.models_dir == tmp_path / "store"
    assert spec.state_dir == tmp_path / ".deployer"
    assert spec.models["m"].examples == tmp_path / "e.json"
    assert spec.models["m"].source == str(tmp_path / "sub/m.keras")


def test_a_module_source_is_left_as_it_is(tmp_path):
    assert load(tmp_path, '[models.m]\nsource = "package.module:model"').models["m"].source == "package.module:model"


LAYERS = "[server]\nrest_port = 1001\ngrpc_port = 1002\n[models.m]\n[env.staging]\nserver.rest_port = 2001\n"


def test_overlay_variable_and_option_win_in_this_order(tmp_path):
    assert load(tmp_path, LAYERS).server.rest_port == 1001
    staging = load(tmp_path, LAYERS, "staging")
    assert (staging.env, staging.server.rest_port, staging.server.grpc_port) == ("staging", 2001, 1002)
    variables = {"DEPLOYER_ENV": "staging", "DEPLOYER_SERVER_REST_PORT": "3001"}
    assert load(tmp_path, LAYERS, environ=variables).server.rest_port == 3001
    assert load(tmp_path, LAYERS, environ=variables, **{"server.rest_port": 4001}).server.rest_port == 4001


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ('nam = "d"', "nam: there is no such setting", "did you mean name?"),
        ("[server]\nrest_prt = 1", "server.rest_prt: there is no such setting", "did you mean rest_port?"),
        ('[models.d]\nsorce = "x"', "models.d.sorce: there is no such setting", "did you mean source?"),
        ("[gate]\nready = 3", "gate.ready: there is no such setting", "ready_seconds"),
        ("[server]\nrest_port = 99999", "port 99999 does not exist", None),
        ("[server]\nrest_port = 81\ngrpc_port = 81", "cannot share port 81", None),
        ('engine = "dokcer"', "engine: expected one of auto, docker, embedded, swarm, got \"dokcer\"", None),
        ("models = 3", "models: expected a table, got 3", None),
        ('[models."a/b"]', "model name 'a/b' is not allowed", None),
        ("[models.d]\nversions = [0]", "models.d.versions: version '0' is not allowed", None),
        ('[models.d]\nlabels = {"a b" = 1}', "label 'a b' is not allowed", None),
        ('[models.d]\ninputs = ["x"]', "models.d.inputs: input 'x' is not of the form", None),
        ('[server]\nflags = {port = 1}', "server.flags.port: server flag 'port' is set by", "server.grpc_port"),
        ('[server]\nflags = {"--x" = 1}', "server flag '--x' is not a flag name", None),
        ("[batching]\nallowed_batch_sizes = [1, 8]", "must ascend and end with max_batch_size 32", None),
        ('[monitoring]\npath = "metrics"', "must start with '/'", None),
        ("x = = 1", "is not valid TOML: Invalid value (at line 1", None),
        ("env = 3", "env: should hold tables", "--env NAME"),
        ('env = "staging"', "env: should hold tables", "--env staging"),
        ('[env.local]\nenv = "staging"', "env.local.env: is no key of an overlay", "--env staging"),
    ],
)  # fmt: skip
def test_errors_name_file_key_and_reason(tmp_path, text, says, hint):
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)
    assert says in refused.value.message
    assert str(tmp_path / "deployer.toml") in refused.value.message
    if hint:
        assert hint in (refused.value.hint or "")


def test_an_unknown_environment_names_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match=r"no \[env.stagin\]; it has: staging") as refused:
        load(tmp_path, LAYERS, "stagin")
    assert refused.value.hint == "did you mean staging? --env staging"


def test_an_unknown_variable_is_refused_but_those_of_tests_are_not_ours(tmp_path):
    with pytest.raises(ConfigError, match="DEPLOYER_ENGIN ") as refused:
        load(tmp_path, "", environ={"DEPLOYER_ENGIN": "x"})
    assert refused.value.hint == "did you mean DEPLOYER_ENGINE?"
    with pytest.raises(ConfigError, match="DEPLOYER_FOO ") as refused:
        load(tmp_path, "", environ={"DEPLOYER_FOO": "1"})
    told = refused.value.hint.count("DEPLOYER_")
    assert f"and {len(variables.settable_keys()) - told} more: docs/reference.md" in refused.value.hint
    not_ours = {"DEPLOYER_TEST_IMAGE": "x", "DEPLOYER_TESTBED_DIR": "x", "DEPLOYER_CONFIG": ""}
    assert load(tmp_path, "", environ=not_ours).engine == "auto"


def test_a_variable_that_only_begins_like_the_one_for_the_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="DEPLOYER_CONFIG_FILE is not a setting"):
        load(tmp_path, "", environ={"DEPLOYER_CONFIG_FILE": "other.toml"})


def test_the_environments_of_a_document(tmp_path):
    assert loader.environments(environ={}) == ("local",)
    file = tmp_path / "deployer.toml"
    for text, there in (
        ("", ("local",)),
        ("[env.staging]\n[env.local]\n", ("local", "staging")),
        ("env = 7", ("local",)),
    ):
        file.write_text(text)
        assert loader.environments(file) == there


def test_a_missing_named_file_is_an_error():
    with pytest.raises(ConfigError, match=r"no configuration file nowhere\.toml"):
        loader.load(Path("nowhere.toml"), environ={})


def test_unreadable_bytes_are_an_error(tmp_path):
    (tmp_path / "deployer.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        loader.load(tmp_path / "deployer.toml", environ={})


def test_what_init_writes_loads_and_shows_every_setting(tmp_path):
    text = render_template("deployer.toml", name="digits", project="shop")
    assert list(load(tmp_path, text).models) == ["digits"]
    opened = "\n".join(
        line.removeprefix("# ") if " = " in line or line.startswith("# [") else line
        for line in text.split("\n")
        if not line.startswith(('# image = "registry.', '# gateway = "infra/'))  # alternatives
    )
    opened = opened.replace('serving:2.20.0" #', 'serving:2.20.0-gpu" #')  # the one that goes with gpus
    (tmp_path / ".env").write_text("API_KEY=x\n")
    shown = load(tmp_path, opened, "staging")
    assert shown.batching is not None
    assert shown.server.rest_port == 9501
    assert shown.models["digits"].labels == {"stable": 1, "canary": 2}


@pytest.mark.parametrize("env", [None, "production"])
def test_what_init_writes_sets_nothing_that_is_not_set_without_it(tmp_path, env):
    written = load(tmp_path, render_template("deployer.toml", name="digits", project="shop"), env)
    without = load(tmp_path, "[models.digits]\n", env)
    for section in dataclasses.fields(Spec):
        assert getattr(written, section.name) == getattr(without, section.name), section.name


def test_code_beside_the_document_is_found_from_anywhere(tmp_path):
    (tmp_path / "own.py").touch()
    text = 'signatures = ["a=own.py:f", "b=package.module:f"]\ncustom_objects = "own.py:X"\n'
    model = load(tmp_path, f'[models.m]\nsource = "m.keras"\n{text}').models["m"]
    assert model.signatures == (f"a={tmp_path}/own.py:f", "b=package.module:f")
    assert model.custom_objects == f"{tmp_path}/own.py:X"


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 70_000), st.floats(), st.sampled_from(["auto", "no", "2g", "1", ""]),
    st.lists(st.integers(0, 3), max_size=2), st.dictionaries(st.sampled_from(["a", "stable"]), st.integers(0, 3)),
)  # fmt: skip
TABLES = {
    "server": ["host", "rest_port", "flags"], "docker": ["image", "cpus", "memory", "restart", "environment"],
    "gate": ["ready_seconds", "relative_tolerance"], "batching": ["max_batch_size", "allowed_batch_sizes"],
}  # fmt: skip
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("name", "engine", "models_dir", "templates_dir"), VALUES),
        **{name: st.dictionaries(st.sampled_from([*keys, "unknown"]), VALUES) for name, keys in TABLES.items()},
        "models": st.dictionaries(
            st.just("m"), st.dictionaries(st.sampled_from(["versions", "labels", "source", "trust"]), VALUES)
        ),
    },
)


@given(DOCUMENTS)
def test_what_is_read_is_what_the_schema_allows(document):
    """The JSON schema for editors is pydantic's of the same classes."""
    try:
        quick = documents.read(Spec, document, strict=True)
    except (documents.Mismatch, InvalidValue):
        return
    assert repr(quick) == repr(TypeAdapter(Spec).validate_python(document))


WRONG_TYPES = [
    ("batching", "max_batch_size", "true"), ("batching", "max_batch_size", '"8"'),
    ("batching", "max_batch_size", "8.0"), ("batching", "max_batch_size", "99999999999999999999"),
    ("batching", "batch_timeout_micros", "-9223372036854775809"),
    ("batching", "num_batch_threads", "1979-05-27"), ("batching", "pad_variable_length_inputs", '"yes"'),
    ("batching", "pad_variable_length_inputs", "1"), ("batching", "allowed_batch_sizes", "32"),
    ("batching", "allowed_batch_sizes", "[true]"), ("monitoring", "enabled", "0"), ("monitoring", "path", "1"),
    ("gate", "skip", '"no"'), ("gate", "ready_seconds", '"60"'), ("gate", "measure", "true"),
    ("gate", "max_failures", "1.0"), ("docker", "cpus", '"2"'), ("docker", "cpus", "99999999999999999999"),
    ("docker", "gpus", "true"), ("docker", "image", "7"), ("docker", "environment", '["A=1"]'),
    ("docker", "environment", "{A = 1}"), ("docker", "restart", "false"), ("gateway", "enabled", '"true"'),
    ("gateway", "max_connections", "4e3"), ("gateway", "tls", "1"), ("gateway", "metrics_port", '"8405"'),
    ("server", "rest_port", '"8501"'), ("server", "grpc_port", "8500.0"), ("server", "rest_port", "false"),
    ("server", "host", "0"), ("server", "flags", '["a"]'), ("models.m", "trust", '"yes"'), ("models.m", "trust", "0"),
    ("models.m", "versions", "[true]"), ("models.m", "versions", '["1"]'), ("models.m", "versions", "1"),
    ("models.m", "labels", "{stable = 1.0}"), ("models.m", "labels", '{stable = "1"}'), ("models.m", "inputs", '"x"'),
    ("models.m", "source", "3"), ("models.m", "warmup", '"auto"'), ("models.m", "examples", "{}"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "key", "value"), WRONG_TYPES)
def test_what_resembles_a_value_is_not_taken_for_it(tmp_path, table, key, value):
    for text in (f"[{table}]\n{key} = {value}", f"[env.staging.{table}]\n{key} = {value}"):
        with pytest.raises(ConfigError) as refused:
            load(tmp_path, text, "staging" if "staging" in text else None)
        place = re.escape("env.staging." if "staging" in text else "")
        said = rf"deployer\.toml: {place}{re.escape(table)}\.{key}[.a-zA-Z]*: expected .*, got "
        assert re.search(said, refused.value.message)


@pytest.mark.parametrize(("key", "value"), [("name", "3"), ("engine", "true"), ("models_dir", "[]"), ("batching", "1")])
def test_at_the_top_too(tmp_path, key, value):
    with pytest.raises(ConfigError, match=rf"deployer\.toml: {key}: expected .*, got "):
        load(tmp_path, f"{key} = {value}")


def test_an_integer_is_a_number(tmp_path):
    spec = load(tmp_path, "[gate]\nready_seconds = 5\n[docker]\ncpus = 2\n[server.flags]\n"
                "per_process_gpu_memory_fraction = 1\n")  # fmt: skip
    assert (spec.gate.ready_seconds, spec.docker.cpus) == (5.0, 2.0)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "9" * 5000,
        "a = " + "[" * 5000 + "]" * 5000,
        "a = 0b",
        "a = +0x1",
        "a = 1\na = 2",
        "a = 1__0",
        "[a]\n[a]",
    ],
    ids=lambda text: text[:8],
)
def test_what_no_reader_can_take_is_an_error_of_the_document(tmp_path, text):
    with pytest.raises(ConfigError):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("DEPLOYER_SERVER_REST_PORT", "8501.0", "server.rest_port"),
        ("DEPLOYER_SERVER_REST_PORT", "1_0", "server.rest_port"),
        ("DEPLOYER_SERVER_GRPC_PORT", " 8500", "server.grpc_port"),
        ("DEPLOYER_GATEWAY_MAX_CONNECTIONS", "\u0664", "gateway.max_connections"),
        ("DEPLOYER_DOCKER_GPUS", "", "docker.gpus"),
        ("DEPLOYER_GATE_SKIP", "maybe", "gate.skip"),
        ("DEPLOYER_GATE_READY_SECONDS", "one", "gate.ready_seconds"),
        ("DEPLOYER_GATE_READY_SECONDS", "nan", "gate.ready_seconds"),
        ("DEPLOYER_ENGINE", "dokcer", "engine"),
        ("DEPLOYER_SERVER_REST_PORT", "70000", "server.rest_port"),
        ("DEPLOYER_DOCKER_PLATFORM", "linux-amd64", "docker.platform"),
        ("DEPLOYER_GATE_MAX_FAILURES", "99999999999999999999", "gate.max_failures"),
    ],
)
def test_a_variable_that_is_wrong_is_named_with_its_key(tmp_path, name, text, key):
    with pytest.raises(ConfigError, match=rf"^{name}: {re.escape(key)}: "):
        load(tmp_path, "", environ={name: text})


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("DEPLOYER_GATE_SKIP", "TRUE", "gate.skip", True),
        ("DEPLOYER_GATE_SKIP", "0", "gate.skip", False),
        ("DEPLOYER_GATE_READY_SECONDS", "5", "gate.ready_seconds", 5.0),
        ("DEPLOYER_GATE_RELATIVE_TOLERANCE", "1e-3", "gate.relative_tolerance", 1e-3),
        ("DEPLOYER_SERVER_GRPC_PORT", "+7", "server.grpc_port", 7),
        ("DEPLOYER_DOCKER_MEMORY", "2g", "docker.memory", "2g"),
        ("DEPLOYER_GATEWAY_TOKENS", "t", "gateway.tokens", Path("t")),
    ],
)
def test_a_variable_has_the_type_of_its_setting(tmp_path, name, text, key, value):
    found = operator.attrgetter(key)(load(tmp_path, "", environ={name: text}))
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("key", "value"), [("server.rest_port", "8501"), ("gate.skip", 1), ("server.host", 1)])
def test_an_option_of_another_type_is_refused(tmp_path, key, value):
    with pytest.raises(ConfigError, match=rf"options: {re.escape(key)}: expected"):
        load(tmp_path, "", **{key: value})
    with pytest.raises(ConfigError, match=rf"options: {re.escape(key)}: expected"):
        loader.load(None, None, {key: value}, {})


def test_origins_name_what_sets_a_key(tmp_path):
    file = tmp_path / "deployer.toml"
    file.write_text('engine = "embedded"\n[docker]\nmemory = "1g"\ncpus = 2.0\n[env.staging.docker]\nuser = "1"\n')
    environ = {"DEPLOYER_DOCKER_MEMORY": "2g", "DEPLOYER_DOCKER_IMAGE": "own:1"}
    options = {"docker.image": "own:2", "gate.ready_seconds": 3.0, "docker.gpus": None}
    spec, origins = loader.load_with_origins(file, "staging", options, environ)
    assert (spec.docker.image, spec.docker.memory, spec.docker.user) == ("own:2", "2g", "1")
    named = {
        key: origins.of(key)
        for key in ("docker.image", "gate.ready_seconds", "docker.memory", "docker.gpus", "server.host")
    }
    assert named == {
        "docker.image": "--image",
        "gate.ready_seconds": "--timeout",
        "docker.memory": "DEPLOYER_DOCKER_MEMORY",
        "docker.gpus": "",
        "server.host": "",
    }
    assert [origins.of(key) for key in ("docker.user", "docker.cpus")] == [
        f"env.staging.docker.user in {file}",
        f"docker.cpus in {file}",
    ]
    inherited = [
        key for key in ("docker.user", "docker.cpus", "docker.memory", "docker.image") if origins.is_inherited(key)
    ]
    assert inherited == ["docker.cpus"]
    assert not loader.load_with_origins(file, None, options, environ)[1].is_inherited("docker.cpus")
    assert [key for key in spec.docker.__dataclass_fields__ if origins.is_temporary(f"docker.{key}")] == [
        "image",
        "memory",
    ]
