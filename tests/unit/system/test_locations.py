"""URIs as places: `file://` is a path; what lies on another machine is refused with a command that fetches it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from deployer.config import loader
from deployer.errors import ConfigError, SourceNotFound
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.targets import as_text
from deployer.system.locations import local_path


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("file:///models/m", "/models/m"),
        ("file://localhost/models/m", "/models/m"),
        ("FILE:///models/m", "/models/m"),
        (str(Path("file:///models/m")), "/models/m"),
        ("file:///models/a%20b", "/models/a%20b"),
        ("models/m", "models/m"),
        ("/models/m", "/models/m"),
        ("train.py:model", "train.py:model"),
        ("file:model", "file:model"),
        ("C:/models", "C:/models"),
        ("", ""),
    ],
)
def test_a_file_uri_is_a_path_and_other_texts_stay(place: str, path: str) -> None:
    assert local_path(place) == path


def test_what_a_browser_writes_for_a_blank_is_found(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    assert local_path((tmp_path / "a b").as_uri()) == str(tmp_path / "a b")
    (tmp_path / "a%20b").mkdir()
    assert local_path(f"file://{tmp_path}/a%20b") == str(tmp_path / "a%20b")


@pytest.mark.parametrize("scheme", ["s3", "gs", "hdfs", "http", "https", "hf", "az", "ftp", "git+ssh"])
def test_what_lies_elsewhere_is_refused_with_a_command(scheme: str) -> None:
    with pytest.raises(SourceNotFound) as caught:
        local_path(f"{scheme}://bucket/my model;rm")
    assert f"{scheme}://bucket/my model" in caught.value.message
    command, _, _ = str(caught.value.hint).rpartition(", then")
    assert command == "copy the model to this machine" or "./my model;rm" in shlex.split(command)


@pytest.mark.parametrize("place", ["file://models/m", "file://host/m"])
def test_a_file_on_another_host_is_refused(place: str) -> None:
    with pytest.raises(SourceNotFound, match="names the host"):
        local_path(place)


def test_a_directory_that_is_called_like_a_uri_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s3:/bucket").mkdir(parents=True)
    assert local_path("s3://bucket") == "s3://bucket"


def test_targets_and_options_may_be_uris() -> None:
    assert as_text("file:///m") == as_text(Path("file:///m")) == "/m"
    with pytest.raises(SourceNotFound, match="s3://bucket/m"):
        as_text("s3://bucket/m")
    with pytest.raises(SourceNotFound, match=r"gs://bucket/examples\.json"):
        ExportOptions(examples=Path("gs://bucket/examples.json")).request("m")
    assert ExportOptions(weights=Path("file:///w.h5")).request("m").weights == Path("/w.h5")


DOCUMENT = """
models_dir = "{0}/models"
[models.m]
source = "{0}/m"
examples = "{0}/e.json"
[gateway]
enabled = true
tokens = "{0}/tokens"
"""


def test_paths_of_the_document_may_be_file_uris(tmp_path: Path) -> None:
    (tmp_path / "deployer.toml").write_text(DOCUMENT.format("file:///there"))
    spec = loader.load(tmp_path / "deployer.toml", environ={"DEPLOYER_STATE_DIR": "file:///state"})
    assert (spec.models_dir, spec.state_dir) == (Path("/there/models"), Path("/state"))
    assert (spec.models["m"].source, spec.models["m"].examples) == ("/there/m", Path("/there/e.json"))
    assert spec.gateway
    assert spec.gateway.tokens == Path("/there/tokens")
    assert loader.load(overrides={"models_dir": Path("file:///x")}, environ={}).models_dir == Path("/x")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('models_dir = "s3://bucket/models"', "models_dir"),
        ('templates_dir = "https://example.org/t"', "templates_dir"),
        ('[models.m]\nsource = "gs://bucket/m"', "source"),
        ('[models.m]\nweights = "hf://owner/name/w.h5"', "weights"),
    ],
)
def test_paths_of_the_document_on_another_machine_are_refused_by_key(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "deployer.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"{key}: .* is not on this machine") as caught:
        loader.load(tmp_path / "deployer.toml", environ={})
    assert caught.value.hint


def test_options_and_variables_on_another_machine_are_refused() -> None:
    with pytest.raises(ConfigError, match="models_dir"):
        loader.load(overrides={"models_dir": Path("s3://bucket/models")}, environ={})
    with pytest.raises(ConfigError, match="models_dir"):
        loader.load(environ={"DEPLOYER_MODELS_DIR": "s3://bucket/models"})
