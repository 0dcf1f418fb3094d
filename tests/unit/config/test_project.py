"""The project: taken from the option, the variable, the document or the directory's name, and checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config import loader
from deployer.config.project import check_project, default_project
from deployer.config.spec import Spec
from deployer.errors import ConfigError, InvalidValue
from deployer.operations.init import init

BAD = ("../x", "", "x" * 64, "Shop", "modèle", "-shop", "_shop", "a.b", "a b", "a/b", "a@b", ".", "shop\n")


@pytest.mark.parametrize("name", ["shop", "0", "a-b_c", "x" * 63])
def test_a_name_of_lower_case_letters_digits_and_dashes_is_taken(name):
    assert check_project(name) == name
    assert Spec(project=name).project == name


@pytest.mark.parametrize("name", BAD)
def test_another_name_is_refused(name):
    with pytest.raises(InvalidValue, match="project name"):
        check_project(name)


@pytest.mark.parametrize(
    ("directory", "project"),
    [
        ("shop", "shop"),
        ("My Shop (2)", "myshop2"),
        ("_.Shop-1_", "shop-1_"),
        ("Äpfel.v2", "pfelv2"),
        ("模型", "default"),
        ("---", "default"),
        ("x" * 80, "x" * 63),
    ],
)
def test_a_directory_suggests_its_name_without_what_is_not_allowed(tmp_path, directory, project):
    assert default_project(tmp_path / directory) == project
    assert check_project(default_project(tmp_path / directory)) == project


def test_a_link_and_a_path_through_the_parent_suggest_the_name_that_is_used(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "shop")
    assert default_project(tmp_path / "link") == "link"
    assert default_project(tmp_path / "shop" / ".." / "other") == "other"
    assert default_project(Path("/")) == "default"


def test_the_option_wins_over_the_variable_over_the_document_over_the_directory(tmp_path, monkeypatch):
    directory = tmp_path / "Shop"
    directory.mkdir()
    monkeypatch.chdir(directory)

    def project(overrides: dict[str, str] | None = None, path: Path | None = None, **environ: str) -> str | None:
        return loader.load(path, None, overrides, environ).project

    assert project() == "shop"
    (directory / "deployer.toml").write_text("[env.staging]\n")
    monkeypatch.chdir(tmp_path)
    assert project(path=Path("Shop/deployer.toml")) == "shop"
    (directory / "deployer.toml").write_text('project = "written"\n[env.staging]\nproject = "staged"\n')
    monkeypatch.chdir(directory)
    assert project() == "written"
    assert loader.load(None, "staging", None, {}).project == "staged"
    assert project(DEPLOYER_PROJECT="variable") == "variable"
    assert project({"project": "option"}, DEPLOYER_PROJECT="variable") == "option"


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_named_by_its_key_variable_or_option(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="DEPLOYER_PROJECT"):
        loader.load(None, None, None, {"DEPLOYER_PROJECT": name})
    with pytest.raises(ConfigError, match="--project"):
        loader.load(None, None, {"project": name}, {})
    quoted = name.replace("\n", "\\n")
    (tmp_path / "deployer.toml").write_text(f'project = "{quoted}"\n')
    with pytest.raises(ConfigError, match=r"deployer\.toml: project"):
        loader.load(None, None, None, {})


@pytest.mark.parametrize("value", ["3", "true", "[]", "1979-05-27"])
def test_a_project_that_is_no_text_is_refused(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deployer.toml").write_text(f"project = {value}\n")
    with pytest.raises(ConfigError, match=r"deployer\.toml: project"):
        loader.load(None, None, None, {})


def test_init_shows_the_default_and_leaves_it(tmp_path):
    directory = tmp_path / "My Shop"
    directory.mkdir()
    assert '# project = "myshop"' in init(directory).read_text()
    assert loader.load(directory / "deployer.toml", None, None, {}).project == "myshop"
