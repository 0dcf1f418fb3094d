"""Variables in `deployer.toml`: which values they give, and what they never show."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.config import loader
from deployer.config.interpolation import Reference, Secret, parse, reveal, variable_names
from deployer.config.quoting import sh, yaml
from deployer.config.spec import Spec
from deployer.errors import ConfigError, InvalidValue

CANARY = "c4n4ry"


def load(directory: Path, text: str, env: str | None = None, options: dict[str, object] | None = None,
         **environ: str) -> Spec:  # fmt: skip
    (directory / "deployer.toml").write_text(text)
    return loader.load(directory / "deployer.toml", env, options, environ)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "1"), ("$A", "1"), ("x${A}y$A.z", "x1y1.z"), ("${EMPTY}", ""), ("${NONE:-d}", "d"),
        ("${EMPTY:-d}", "d"), ("${EMPTY-d}", ""), ("${NONE-d}", "d"), ("${NONE:-}", ""), ("${A:-d}", "1"),
        ("$$", "$"), ("$${A}", "${A}"), ("$$A", "$A"), ("$$$A", "$1"), ("a$", "a$"), ("$(A) $1", "$(A) $1"),
        ("${NONE:-a:-b c\n}", "a:-b c\n"),
    ],
)  # fmt: skip
def test_a_text_has_the_values_that_compose_gives_it(tmp_path, text, value):
    written = json.dumps(text)
    for table in (f"[models.m]\nsignature = {written}", f"[env.local.models.m]\nsignature = {written}"):
        assert load(tmp_path, table, A="1", EMPTY="").models["m"].signature == value
    environment = load(tmp_path, f"[docker]\nenvironment = {{ X = {written} }}", A="1", EMPTY="").docker.environment
    assert reveal(environment) == {"X": value}


@pytest.mark.parametrize("text", ["${", "${A", "${}", "${1}", "${A:+b}", "${A?b}", "${A b}", "${A:-${B}}", "${Ä}"])
def test_what_resembles_a_variable_is_refused(tmp_path, text):
    for key in ("docker.image", "docker.environment.X", "models.m.source"):
        with pytest.raises(ConfigError, match=rf"deployer\.toml: {key}: .* is no variable") as refused:
            load(tmp_path, f"{key} = {json.dumps(text)}", A="1", B="2")
        assert refused.value.hint


@given(st.text())
def test_no_text_is_more_than_refused(text):
    try:
        pieces = parse(text)
    except InvalidValue:
        assert "${" in text
        return
    if not any(isinstance(piece, Reference) for piece in pieces):
        assert "".join(map(str, pieces)) == text.replace("$$", "$")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[docker]\nimage = "${NONE}"', "docker.image"),
        ('[models.m]\nsignatures = ["a=b", "$NONE"]', "models.m.signatures"),
        ('[env.local.server]\nhost = "${NONE}"', "env.local.server.host"),
        ('project = "${NONE}"', "project"),
        ('env_file = "${NONE}"', "env_file"),
    ],
)
def test_a_variable_that_is_not_set_is_an_error_with_key_and_name(tmp_path, text, key):
    with pytest.raises(ConfigError, match=rf"deployer\.toml: {key}: the variable NONE is not set") as refused:
        load(tmp_path, text)
    assert refused.value.exit_code == 3


def test_a_secret_that_is_not_set_is_an_error_where_it_is_needed(tmp_path):
    spec = load(tmp_path, '[docker]\nenvironment = { A = "1", B = "${NONE}" }')
    assert variable_names(spec.docker.environment.values()) == ("NONE",)
    with pytest.raises(ConfigError, match=r"deployer\.toml: docker\.environment\.B: the variable NONE is not set"):
        reveal(spec.docker.environment)


def test_a_variable_of_a_key_that_something_else_sets_is_not_needed(tmp_path):
    text = '[docker]\nimage = "${NONE}"\n[env.other.docker]\nimage = "a:1"'
    assert load(tmp_path, text, options={"docker.image": "b:1"}).docker.image == "b:1"
    assert load(tmp_path, text, DEPLOYER_DOCKER_IMAGE="c:1").docker.image == "c:1"
    assert load(tmp_path, text, "other").docker.image == "a:1"
    with pytest.raises(ConfigError):
        load(tmp_path, text)


def test_options_and_variables_are_taken_as_they_are(tmp_path):
    text = '[models.m]\nsource = "m.keras"'
    assert load(tmp_path, text, options={"models_dir": "$A"}, A="1").models_dir == Path("$A")
    assert load(tmp_path, text, DEPLOYER_MODELS_DIR="${A}", A="1").models_dir == Path("${A}")


def test_paths_with_variables_are_relative_to_the_file(tmp_path):
    text = 'models_dir = "${WHERE}"\ntemplates_dir = "t"'
    assert load(tmp_path, text, WHERE="store").models_dir == tmp_path / "store"
    assert load(tmp_path, text, WHERE="/store").models_dir == Path("/store")


SECRET = f'[docker]\nenvironment = {{ KEY = "Bearer ${{{"TOKEN"}}}" }}'


def test_a_secret_shows_its_variable_only(tmp_path):
    spec = load(tmp_path, SECRET, TOKEN=CANARY)
    (value,) = spec.docker.environment.values()
    assert isinstance(value, Secret)
    assert value.reveal() == f"Bearer {CANARY}"
    copied = dataclasses.asdict(spec)["docker"]["environment"]["KEY"]
    assert copied.reveal() == value.reveal()
    plain = [repr(spec), str(value), f"{value}", repr(value), json.dumps([value]), value + "", copy.deepcopy(value)]
    others = [yaml(value), sh(value), repr(pickle.dumps(value)), repr(vars(value))]
    assert [text for text in (*plain, *others) if CANARY in text] == []
    assert [text for text in plain if "${TOKEN}" not in text] == []


@pytest.mark.parametrize("value", ['"${TOKEN}"', '["${TOKEN}"]', '{ A = ["${TOKEN}"] }', '{ A = { B = "${TOKEN}" } }'])
def test_an_error_about_a_secret_shows_its_variable_only(tmp_path, value):
    with pytest.raises(ConfigError, match="expected") as refused:
        load(tmp_path, f"[docker]\nenvironment = {value}", TOKEN=CANARY)
    assert CANARY not in str(refused.value)


def test_a_text_without_variables_is_no_secret(tmp_path):
    environment = load(tmp_path, '[docker]\nenvironment = { A = "a$$b", B = "$" }').docker.environment
    assert environment == {"A": "a$b", "B": "$"}
    assert not [value for value in environment.values() if isinstance(value, Secret)]


@pytest.mark.parametrize(
    ("text", "in_compose", "in_a_shell"),
    [
        ("${A}", '"${A?the variable A is not set}"', '"${A?the variable A is not set}"'),
        ("$A x", '"${A?the variable A is not set} x"', "\"${A?the variable A is not set}\"' x'"),
        ('${A:-"`}', '"${A:-\\"`}"', '"${A:-\\"\\`}"'),
        ("$$B${A-}", '"$$B${A-}"', "'$B'\"${A-}\""),
    ],
)
def test_a_secret_is_quoted_for_each_language(tmp_path, text, in_compose, in_a_shell):
    (value,) = load(tmp_path, f"[docker]\nenvironment = {{ X = {json.dumps(text)} }}").docker.environment.values()
    assert (yaml(value), sh(value)) == (in_compose, in_a_shell)
