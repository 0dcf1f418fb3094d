"""`render` of what is deployed: it shows what `up` would start now, and says what it took from the deployment."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.cli import Ended, in_process
from support.world import MODELS, only_servers_below

from deployer.engines import run_dir
from deployer.engines.run_dir import Release
from deployer.results.served import ServedModel, models_from

PORTS = ["127.0.0.2:9611:8501", "127.0.0.2:9612:8500"]
DOCUMENTS = {
    "unpinned": "[models.half_plus_two]\n",
    "pinned": "[models.half_plus_two]\nversions = [1]\n",
    "labelled": "[models.half_plus_two]\nversions = [1, 2]\nlabels = { stable = 1 }\n",
    "two models": "name = 'half_plus_two'\n[models.half_plus_two]\nversions = [2]\n[models.other]\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three versions in the store; the second is deployed at an address and ports of its own."""
    only_servers_below(monkeypatch, tmp_path)
    made = tmp_path / "shop"
    for place in ("half_plus_two/1", "half_plus_two/2", "half_plus_two/3", "other/1"):
        shutil.copytree(MODELS / "half_plus_two" / "1", made / "models" / place)
    deploy(made, ".deployer")
    return made


def deploy(project: Path, state: str, version: int = 2) -> None:
    served = (ServedModel("half_plus_two", (version,), (), ("d",)),)
    directory = project / state / "run" / run_dir.env_dir_name("shop", "local") / "half_plus_two" / "1"
    labels = Release(
        "half_plus_two", "local", "1", "serving", "", "127.0.0.2", 9611, 9612, 3, 4, "d", served, 0, "shop"
    )
    run_dir.write_labels(directory, labels)


def rendered(project: Path, *arguments: str) -> Ended:
    ended = in_process("render", *arguments, "--json", cwd=project)
    assert ended.code == 0, ended.err
    return ended


def service(ended: Ended) -> dict[str, Any]:
    (found,) = yaml.safe_load(ended.json["files"]["compose.yaml"])["services"].values()
    return found


def served(ended: Ended) -> dict[str, tuple[tuple[int, ...], dict[str, int]]]:
    return {
        model.name: (model.versions, dict(model.labels))
        for model in models_from(service(ended)["labels"]["deployer.models"])
    }


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("target", [(), ("half_plus_two",), ("half_plus_two:1",)], ids=str)
def test_it_renders_what_up_would_start(project, target, document):
    (project / "deployer.toml").write_text(DOCUMENTS[document])
    planned = in_process("plan", *target, "--skip-gate", "--json", cwd=project)
    if planned.code not in (0, 20):
        refused = in_process("render", "compose", *target, cwd=project)
        assert (refused.code, refused.err) == (planned.code, in_process("up", *target, "--dry-run", cwd=project).err)
        return
    ended = rendered(project, "compose", *target)
    wanted = {each["name"]: (tuple(each["versions"]), dict(each["labels"])) for each in planned.json["models"]}
    assert served(ended) == wanted
    assert service(ended)["ports"] == PORTS
    config = rendered(project, "config", *target).json["files"]["model_config.config"]
    assert sorted(map(int, re.findall(r"versions: (\d+)", config))) == sorted(
        v for each, _ in wanted.values() for v in each
    )


@pytest.mark.parametrize(
    ("options", "ports"),
    [
        (("--host", "127.0.0.3"), ["127.0.0.3:9611:8501", "127.0.0.3:9612:8500"]),
        (("--rest-port", "9711"), ["127.0.0.2:9711:8501", PORTS[1]]),
        (("--grpc-port", "9712"), [PORTS[0], "127.0.0.2:9712:8500"]),
        (("--rest-port", "0"), PORTS),
        (("--state-dir", "elsewhere"), ["127.0.0.1:8501:8501", "127.0.0.1:8500:8500"]),
    ],
    ids=str,
)
def test_options_come_before_what_is_deployed(project, options, ports):
    assert service(rendered(project, "compose", "half_plus_two:2", *options))["ports"] == ports


@pytest.mark.parametrize("form", ["compose", "docker-run"])
def test_what_was_taken_from_the_deployment_is_noted(project, form):
    (noted,) = rendered(project, form, "half_plus_two:2").json["notices"]
    assert all(value in noted for value in ("127.0.0.2", "9611", "9612", "--host", "--rest-port", "--grpc-port"))
    (noted,) = rendered(project, form, "half_plus_two:2", "--rest-port", "9711", "--host", "::1").json["notices"]
    assert ("9612" in noted, "--rest-port" in noted, "--host" in noted) == (True, False, False)
    every = ("--rest-port", "1", "--grpc-port", "2", "--host", "::1")
    assert rendered(project, form, "half_plus_two:2", *every).json["notices"] == []
    assert rendered(project, "config", "half_plus_two:2").json["notices"] == []


@pytest.mark.parametrize("form", ["config", "compose", "docker-run"])
@pytest.mark.parametrize(
    ("document", "target", "there"),
    [
        ("unpinned", (), [2]),
        ("unpinned", ("half_plus_two",), [2]),
        ("unpinned", ("half_plus_two:1",), [2]),
        ("pinned", (), [2, 3]),
        ("labelled", (), []),
    ],
)
def test_other_versions_are_noted_with_the_command_that_renders_them(project, form, document, target, there):
    (project / "deployer.toml").write_text(DOCUMENTS[document])
    noted = " ".join(rendered(project, form, *target).json["notices"][-2:])
    commands = re.findall(r"deployer (render [^;:]+:\d+(?: --\S+ \S+)*)", noted)
    assert commands or "models.half_plus_two.versions" in noted
    shown = [rendered(project, *shlex.split(command)[1:]).json["files"] for command in commands]
    configs = [next(text for name, text in files.items() if name.endswith("model_config.config")) for files in shown]
    assert [re.findall(r"versions: (\d+)", text) for text in configs] == [[str(version)] for version in there]
    assert all(command.split()[1] == form for command in commands)


def test_a_source_that_up_would_export_first_is_noted(project):
    shutil.copytree(MODELS / "text" / "1", project / "new")
    (project / "deployer.toml").write_text("[models.half_plus_two]\nsource = 'new'\n")
    first, *_ = rendered(project, "config").json["notices"]
    assert "half_plus_two:4" in first
    shutil.rmtree(project / "new")
    missing, *_ = rendered(project, "config").json["notices"]
    assert "new" in missing


@pytest.mark.parametrize("engine", ["docker", "auto"])
@pytest.mark.parametrize("form", ["config", "compose", "docker-run"])
def test_where_no_engine_answers_the_settings_alone_are_rendered(project, form, engine, monkeypatch):
    monkeypatch.setenv("DEPLOYER_ENGINE", engine)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    ended = rendered(project, form, "half_plus_two")
    assert "half_plus_two [local]" in ended.json["notices"][0]
    if form == "compose":
        assert service(ended)["ports"] == ["127.0.0.1:8501:8501", "127.0.0.1:8500:8500"]


@pytest.mark.parametrize("form", ["config", "compose"])
def test_the_source_that_was_not_exported_is_named(tmp_path, monkeypatch, form):
    monkeypatch.setenv("DEPLOYER_ENGINE", "embedded")
    (tmp_path / "deployer.toml").write_text('[models.iris]\nsource = "my iris.keras"\n')
    (tmp_path / "my iris.keras").touch()
    ended = in_process("render", form, "--models-dir", "st", cwd=tmp_path)
    assert (ended.code, "models.iris.source" in ended.err) == (4, False)
    assert "deployer export 'my iris.keras' --name iris --models-dir st" in ended.err
    assert "deployer up --models-dir st" in ended.err
