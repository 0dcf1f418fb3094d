"""`render compose` and `render docker-run`: which form is meant, what is in it, and that no engine needs to answer."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from support.cli import Ended, in_process
from support.world import MODELS

from deployer.errors import UsageError
from deployer.operations.render import render


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Models called half_plus_two, `compose` and `config`; the engine that is named does not exist."""
    for name in ("half_plus_two", "compose", "config"):
        shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / name / "1")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    return tmp_path


def rendered(project: Path, *arguments: str, code: int = 0) -> Ended:
    ended = in_process("render", *arguments, cwd=project)
    assert ended.code == code, ended.err
    return ended


def files(project: Path, *arguments: str) -> dict[str, str]:
    return rendered(project, *arguments, "--json").json["files"]


def service(project: Path, *arguments: str) -> dict:
    (found,) = yaml.safe_load(files(project, "compose", *arguments)["compose.yaml"])["services"].values()
    return found


@pytest.mark.parametrize(
    ("arguments", "kind", "model"),
    [
        (("half_plus_two",), "model_config.config", "half_plus_two"),
        (("config", "half_plus_two"), "model_config.config", "half_plus_two"),
        (("compose", "half_plus_two"), "compose.yaml", "half_plus_two"),
        (("docker-run", "half_plus_two:1"), "docker-run.sh", "half_plus_two"),
        (("dockerfile", "half_plus_two:1"), "Dockerfile", "half_plus_two"),
        (("compose:1",), "model_config.config", "compose"),
        (("config", "compose"), "model_config.config", "compose"),
        (("config", "config"), "model_config.config", "config"),
        (("compose", "compose"), "compose.yaml", "compose"),
    ],
    ids=" ".join,
)
def test_a_form_or_a_model(project, arguments, kind, model):
    found = files(project, *arguments)
    assert next(iter(found)) == kind
    assert f'name: "{model}"' in next(text for name, text in found.items() if name.endswith("model_config.config"))


def test_a_word_that_is_no_form_is_refused(project):
    assert "there are config, compose, docker-run" in rendered(project, "composed", "half_plus_two", code=2).err
    refused = rendered(project, "cmopose", "half_plus_two", code=2)
    assert "did you mean compose" in refused.err
    with pytest.raises(UsageError, match="'swarm' is not a form"):
        render("half_plus_two", form="swarm")


def test_a_form_alone_takes_what_the_document_says(project):
    (project / "deployer.toml").write_text(
        "project = 'shop'\n[models.half_plus_two]\n[env.staging.server]\nrest_port = 9501\n"
    )
    assert service(project, "--env", "staging")["container_name"] == "deployer-shop.staging-half_plus_two"
    assert service(project, "--env", "staging")["ports"] == ["127.0.0.1:9501:8501", "127.0.0.1:8500:8500"]
    (project / "deployer.toml").unlink()
    assert "nothing to deploy" in rendered(project, "compose", code=2).err


@pytest.mark.parametrize(
    ("host", "shown"), [("::1", "[::1]"), ("::", "[::]"), ("fe80::7", "[fe80::7]"), ("127.0.0.2", "127.0.0.2")]
)
def test_an_address_of_version_6_stands_in_brackets(project, host, shown):
    asked = ("half_plus_two", "--host", host, "--rest-port", "9611", "--grpc-port", "0")
    assert service(project, *asked)["ports"] == [f"{shown}:9611:8501", f"{shown}::8500"]
    script = files(project, "docker-run", *asked)["docker-run.sh"]
    published = [shlex.split(line)[1] for line in script.splitlines() if "--publish" in line]
    assert published == [f"{shown}:9611:8501", f"{shown}::8500"]


def test_no_mount_may_make_its_source(project):
    volumes = service(project, "half_plus_two")["volumes"]
    assert [each["bind"] for each in volumes] == [{"propagation": "rprivate"}] * 2
    script = files(project, "docker-run", "half_plus_two")["docker-run.sh"]
    assert script.count("--mount ") == 2
    assert "--volume" not in script


def test_batching_and_monitoring_come_with_their_flags(project):
    (project / "deployer.toml").write_text("[models.half_plus_two]\n[batching]\n[monitoring]\n")
    assert "--enable_batching=true" in service(project)["command"]
    assert "--monitoring_config_file=/config/monitoring.config" in service(project)["command"]
    assert {"config/batching_parameters.config", "config/monitoring.config"} < set(files(project, "docker-run"))


def test_a_flag_that_the_server_does_not_have_is_refused(project):
    (project / "deployer.toml").write_text("[models.half_plus_two]\n[server.flags]\nenable_model_warmap = true\n")
    assert "did you mean enable_model_warmup?" in rendered(project, "compose", code=3).err


@pytest.mark.parametrize("value", ["A=B", "", "A\\nB"])
def test_a_variable_without_a_name_is_refused(project, value):
    (project / "deployer.toml").write_text(f'[models.half_plus_two]\n[docker.environment]\n"{value}" = "1"\n')
    assert "environment variable" in rendered(project, "compose", code=3).err


def test_gpus_are_a_reservation_and_all_of_them_are_all(project):
    image = 'image = "tensorflow/serving:2.20.0-gpu"'
    (project / "deployer.toml").write_text(f"[models.half_plus_two]\n[docker]\ngpus = -1\n{image}\n")
    (device,) = service(project)["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"capabilities": ["gpu"], "count": "all"}
    assert "--gpus all" in files(project, "docker-run")["docker-run.sh"]


@pytest.mark.parametrize("form", ["compose", "docker-run", "k8s"])
def test_gpus_with_the_default_image_which_has_no_support_for_them_are_refused(project, form):
    (project / "deployer.toml").write_text(
        '[models.half_plus_two]\n[docker]\ngpus = 1\n[kubernetes]\nmodels_claim = "m"\n'
    )
    refusal = rendered(project, form, code=3).err
    assert "docker.gpus" in refusal
    assert "computes on the CPU alone" in refusal


def test_a_dockerfile_has_no_secret_no_address_and_no_gateway(project):
    (project / "deployer.toml").write_text(
        "[models.half_plus_two]\n[docker]\nuser = '7:8'\nenvironment = { KEY = 'hush' }\n[gateway]\nenabled = true\n"
    )
    text = files(project, "dockerfile")["Dockerfile"]
    assert 'COPY ["models/half_plus_two/1", "/models/half_plus_two/1"]' in text
    assert "\nUSER 7:8\n" in text
    assert "hush" not in text
    assert "--rest-port" in rendered(project, "dockerfile", "--rest-port", "1", code=2).err


def test_a_template_of_ones_own_is_taken(project):
    (project / "own").mkdir()
    (project / "own" / "compose.yaml.j2").write_text("# ours\n{{ container.name | yaml }}\n")
    found = files(project, "compose", "half_plus_two", "--templates-dir", "own", "-p", "shop")
    assert found["compose.yaml"] == '# ours\n"deployer-shop.local-half_plus_two"\n'
    (project / "own" / "compose.yaml.j2").write_text("{{ container.nothing }}")
    ended = rendered(project, "compose", "half_plus_two", "--templates-dir", "own", code=5)
    assert "compose.yaml.j2" in ended.err


def test_a_directory_that_cannot_be_written_to_is_an_error(project):
    (project / "file").touch()
    assert "file" in rendered(project, "compose", "half_plus_two", "--out", "file", code=2).err


@pytest.mark.parametrize("form", ["compose", "docker-run"])
def test_a_gateway_is_refused_rather_than_left_out(project, form):
    (project / "deployer.toml").write_text("[gateway]\nenabled = true\n[models.half_plus_two]\n")
    assert "gateway.enabled" in rendered(project, form, code=3).err


@pytest.mark.parametrize("option", [("--host", "127.0.0.2"), ("--rest-port", "9"), ("--grpc-port", "9")])
@pytest.mark.parametrize("form", [(), ("config",)])
def test_an_address_is_refused_by_the_form_that_has_none(project, form, option):
    refused = rendered(project, *form, "half_plus_two", *option, code=2)
    assert option[0] in refused.err
    assert "deployer render compose half_plus_two" in refused.err
    assert rendered(project, "compose", "half_plus_two", *option).code == 0


def test_the_engine_that_auto_chose_is_noted(project, monkeypatch):
    assert rendered(project, "half_plus_two", "--json").json["notices"] == []
    monkeypatch.setenv("DEPLOYER_ENGINE", "auto")
    monkeypatch.delenv("DOCKER_HOST")
    noted = rendered(project, "half_plus_two")
    assert "DEPLOYER_ENGINE=" in noted.err
    written = rendered(project, "half_plus_two", "--out", "there", "--json").json
    assert len(written["notices"]) == 1
    assert rendered(project, "compose", "half_plus_two", "--json").json["notices"] == []
