"""What deployer.toml cannot hold is answered with what it can: the hint, written into the file, is taken."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import sys

import pytest

from deployer.config import loader, tables
from deployer.config.spec import Spec
from deployer.errors import ConfigError, InvalidValue
from deployer.system import documents

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def refusal(directory, text, env=None):
    """What is said of such a document."""
    file = directory / "deployer.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        loader.load(file, env, environ={})
    return refused.value


DISABLED = "gateway.enabled = false\n"
SIZES = ["docker.memory", "docker.shm_size", "gateway.max_body"]


@pytest.mark.parametrize("key", SIZES)
@pytest.mark.parametrize(
    ("written", "mebibytes"),
    [("'512'", 512), ("512", 512), ("512.0", 512), ("'512MB'", 512), ("'512 MiB'", 512), ("'0.5g'", 512),
     ("'1.5 GB'", 1536), ("'2GiB'", 2048), ("'1t'", 1 << 20), ("'64Mb'", 64), ("'lots'", 512), ("true", 512),
     ("'-5g'", 512), ("''", 512)],
)  # fmt: skip
def test_a_size_that_cannot_work_is_answered_with_the_one_that_was_meant(tmp_path, key, written, mebibytes):
    refused = refusal(tmp_path, f"{key} = {written}\n")
    assert f": {key}: " in refused.message
    file = tmp_path / "deployer.toml"
    file.write_text(f"{DISABLED}{refused.hint}")
    spec = loader.load(file, environ={})
    table, _, name = key.partition(".")
    found = {"memory": spec.docker.memory_bytes, "max_body": spec.gateway.max_body_bytes}.get(name)
    assert refused.hint.startswith(f'{key} = "')
    assert getattr(getattr(spec, table), name)
    assert found in (None, mebibytes << 20)


@pytest.mark.parametrize(
    ("key", "least", "less"),
    [("docker.memory", "6m", "6143k"), ("docker.shm_size", "4k", "4095b"), ("gateway.max_body", "1k", "1023b")],
)
def test_a_size_below_the_least_is_answered_with_the_least(tmp_path, key, least, less):
    assert refusal(tmp_path, f"{key} = '{less}'\n").hint == f'{key} = "{least}"'
    (tmp_path / "deployer.toml").write_text(f"{DISABLED}{key} = '{least}'\n")
    loader.load(tmp_path / "deployer.toml", environ={})


TABLES = {"": Spec, **tables.TABLES}
KEYS = [(table, name) for table, kind in TABLES.items() for name in documents.field_types(kind)]


def misspelt(name):
    """With a letter missing, one twice, and two that changed places."""
    middle = len(name) // 2
    yield name[:middle] + name[middle + 1 :]
    yield name[:middle] + name[middle] + name[middle:]
    yield name[: middle - 1] + name[middle] + name[middle - 1] + name[middle + 1 :]


@pytest.mark.parametrize("env", [None, "staging"])
@pytest.mark.parametrize(("table", "name"), KEYS, ids=lambda value: value or "document")
def test_a_misspelt_key_of_any_table_is_answered_with_the_key(tmp_path, table, name, env):
    for wrong in set(misspelt(name)) - {each.name for each in dataclasses.fields(TABLES[table])}:
        head = ".".join(part for part in ("env.staging" if env else "", table.replace("NAME", "net")) if part)
        refused = refusal(tmp_path, f"{f'[{head}]' if head else ''}\n{wrong} = 1\n", env)
        assert refused.hint == f"did you mean {name}?", wrong
        assert re.search(rf"\b{wrong}: ", refused.message)


OTHER_HINTS = (("", "env"), ("", "project"))
"""Keys whose hint has an option and a variable, too."""


def example(hint: str | None) -> str:
    """The example of a hint; a size is given as the hint itself."""
    assert hint
    return hint.removeprefix("for example ")


@pytest.mark.parametrize(("table", "name"), [key for key in KEYS if key not in OTHER_HINTS])
def test_a_value_of_the_wrong_type_is_answered_with_one_that_fits(tmp_path, table, name):
    place = table.replace("NAME", "net")
    answer = example(refusal(tmp_path, f"{f'[{place}]' if place else ''}\n{name} = [[1]]\n").hint)
    if not table and name in {each.partition(".")[0] for each in TABLES}:
        assert answer == ("[models.NAME]" if name == "models" else f"[{name}]")
        return
    found = tomllib.loads(answer)
    for part in filter(None, place.split(".")):
        found = found[part]
    with contextlib.suppress(InvalidValue):  # it may need another setting
        assert documents.read(TABLES[table], found, strict=True)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("engine = 'podman'", "engine"),
        ("[gate]\nmax_failures = -1", "gate.max_failures"),
        ("[server]\nrest_port = 70000", "server.rest_port"),
        ("[docker]\nuser = 'root'", "docker.user"),
        ("[docker]\nimage = 'A B'", "docker.image"),
        ("[server.flags]\nrest_api_timeout_in_ms = 'x'", "server.flags"),
        ("[models.net.labels]\n'a b' = 1", "models.net.labels"),
        ("[models.net]\nversions = [0]", "models.net.versions"),
        ("[kubernetes]\nreplicas = 0", "kubernetes.replicas"),
        ("[batching]\nmax_batch_size = 0", "batching.max_batch_size"),
    ],
)
def test_a_value_out_of_range_is_answered_with_one_that_fits(tmp_path, text, key):
    assert example(refusal(tmp_path, text).hint).startswith(f"{key} = ")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"environ": {"DEPLOYER_SERVER_REST_PORT": "x"}}, "for example DEPLOYER_SERVER_REST_PORT=8501"),
        ({"environ": {"DEPLOYER_SERVER_REST_PORT": "70000"}}, "for example DEPLOYER_SERVER_REST_PORT=8501"),
        ({"environ": {"DEPLOYER_GATE_SKIP": "x"}}, "for example DEPLOYER_GATE_SKIP=false"),
        ({"environ": {}, "overrides": {"server.rest_port": 70000}}, "for example --rest-port 8501"),
    ],
)
def test_a_wrong_value_of_a_variable_or_an_option_is_answered_with_one_of_these(tmp_path, monkeypatch, given, hint):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as refused:
        loader.load(**given)
    assert refused.value.hint == hint


@pytest.mark.parametrize("content", [b"name = digits", b"name = '\xff'", b"[server\n", b"=", b"a" * 9])
def test_a_file_that_cannot_be_read_is_answered_with_what_a_file_is(tmp_path, content):
    file = tmp_path / "deployer.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        loader.load(file, environ={})
    assert str(file) in refused.value.message
    assert refused.value.hint


ELSEWHERE = [(table, name) for table, name in KEYS if table and sum(name == other for _, other in KEYS) == 1]


@pytest.mark.parametrize(("table", "name"), ELSEWHERE)
def test_a_key_of_a_table_that_stands_above_all_tables_is_answered_with_its_table(tmp_path, table, name):
    refused = refusal(tmp_path, f"{name} = 1\n")
    assert refused.hint == f"did you mean {table}.{name}?"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('sorce = "model.keras"', "models.NAME.source"),
        ('[server]\nnme = "shop"', "name above the first [table] or kubernetes.name"),
        ("[models.net.batching]\nmax_batch_size = 3", "[batching]"),
        ("port = 8501", "server.rest_port or server.grpc_port or gateway.metrics_port"),
        ("[server]\nport = 8501", "rest_port or grpc_port"),
        ("host = 'localhost'", "server.host or docker.host or kubernetes.host"),
        ("[batching]\nmax-batch-size = 8", "max_batch_size"),
        ("[gate]\nready = 3", "ready_seconds"),
    ],
)
def test_a_key_in_the_wrong_place_is_answered_with_its_place(tmp_path, text, hint):
    assert refusal(tmp_path, text).hint == f"did you mean {hint}?"


def test_a_key_that_resembles_nothing_is_answered_with_what_is_known(tmp_path):
    refused = refusal(tmp_path, "[monitoring]\nzzz = 1\n")
    assert refused.hint == "known are: enabled, path"
