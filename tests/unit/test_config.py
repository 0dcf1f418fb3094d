"""deployer.toml: layers in their order, and errors that name file, key, reason and the nearest known name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from deployer import config, documents, render
from deployer.errors import ConfigError, InvalidValue
from deployer.spec import Spec


def load(
    folder: Path, text: str, env: str | None = None, environ: dict[str, str] | None = None, **overrides: object
) -> Spec:
    file = folder / "deployer.toml"
    file.write_text(text)
    return config.load(file, env, overrides, environ or {})


def test_no_file_is_the_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = config.load(environ={})
    assert (spec.engine, spec.env, spec.server.address, spec.models) == ("auto", "local", "127.0.0.1", {})


def test_paths_are_meant_from_the_files_folder(tmp_path):
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
        ('engine = "dokcer"', "engine: input should be 'auto', 'docker' or 'embedded', not 'dokcer'", None),
        ("models = 3", "models: input should be a valid dictionary", None),
        ('[models."a/b"]', "model name 'a/b' is not allowed", None),
        ("[models.d]\nversions = [0]", "models.d: version '0' is not allowed", None),
        ('[models.d]\nlabels = {"a b" = 1}', "label 'a b' is not allowed", None),
        ('[models.d]\ninputs = ["x"]', "models.d: input 'x' is not of the form", None),
        ('[server]\nflags = {port = 1}', "server flag 'port' is set by deployer itself", None),
        ('[server]\nflags = {"--x" = 1}', "server flag '--x' is not a flag name", None),
        ("[batching]\nallowed_batch_sizes = [1, 8]", "must ascend and end with max_batch_size 32", None),
        ('[monitoring]\npath = "metrics"', "must start with '/'", None),
        ("x = = 1", "is not valid TOML: Invalid value (at line 1", None),
        ("env = 3", "env: should hold tables", None),
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
    assert refused.value.hint == "did you mean staging?"


def test_an_unknown_variable_is_refused_but_those_of_tests_are_not_ours(tmp_path):
    with pytest.raises(ConfigError, match="DEPLOYER_ENGIN ") as refused:
        load(tmp_path, "", environ={"DEPLOYER_ENGIN": "x"})
    assert refused.value.hint == "did you mean DEPLOYER_ENGINE?"
    not_ours = {"DEPLOYER_TEST_IMAGE": "x", "DEPLOYER_TESTBED_DIR": "x", "DEPLOYER_CONFIG": ""}
    assert load(tmp_path, "", environ=not_ours).engine == "auto"


def test_a_variable_that_only_begins_like_the_one_for_the_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="DEPLOYER_CONFIG_FILE is not a setting"):
        load(tmp_path, "", environ={"DEPLOYER_CONFIG_FILE": "other.toml"})


def test_the_environments_of_a_document(tmp_path):
    assert config.environments(environ={}) == ("local",)
    file = tmp_path / "deployer.toml"
    for text, there in (
        ("", ("local",)),
        ("[env.staging]\n[env.local]\n", ("local", "staging")),
        ("env = 7", ("local",)),
    ):
        file.write_text(text)
        assert config.environments(file) == there


def test_a_missing_named_file_is_an_error():
    with pytest.raises(ConfigError, match=r"no configuration file nowhere\.toml"):
        config.load(Path("nowhere.toml"), environ={})


def test_unreadable_bytes_are_an_error(tmp_path):
    (tmp_path / "deployer.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path / "deployer.toml", environ={})


def test_what_init_writes_loads_and_shows_every_setting(tmp_path):
    text = render.text("deployer.toml", name="digits", project="shop")
    assert list(load(tmp_path, text).models) == ["digits"]
    opened = "\n".join(
        line.removeprefix("# ") if " = " in line or line.startswith("# [") else line for line in text.split("\n")
    )
    shown = load(tmp_path, opened.replace("[1, 2]           #", "[1, 2] #"), "staging")
    assert shown.batching is not None
    assert shown.server.rest_port == 9501
    assert shown.models["digits"].labels == {"stable": 1, "canary": 2}


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
def test_what_is_read_without_the_validator_is_what_the_validator_reads(document):
    try:
        quick = documents.read(Spec, document, strict=True)
    except (documents.Mismatch, InvalidValue, OverflowError):
        return
    assert repr(quick) == repr(TypeAdapter(Spec).validate_python(document))
