"""Container settings that nothing sets now: a deployment keeps those that it has."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest
from support.memory import MemoryEngine
from support.memory.project import NAME, Project

import deployer
from deployer import engines
from deployer.config.options import Settings
from deployer.errors import ConfigError, ModelNotFound
from deployer.results.deployment import Deployment, Gateway
from deployer.results.history import Outcome
from deployer.results.plan import Change, Plan
from deployer.results.steps import StartCandidate
from deployer.rollout.journal import record_release
from deployer.rollout.kept_settings import keep_settings
from deployer.rollout.ledger import LEDGER_FILE, Ledger
from deployer.rollout.notices import engine as engine_notices
from deployer.rollout.release_settings import ReleaseSettings
from deployer.rollout.workspace import Workspace, open_workspace

LIMITS = {"memory": "1g", "cpus": 1.5, "user": "1000:1000", "image": "serving:1"}


@pytest.fixture
def limitable(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The engine runs containers; nothing is deployed."""
    monkeypatch.setitem(
        engines.ENGINES,
        "embedded",
        lambda spec: MemoryEngine(spec.state_dir, spec.project or "", settings=spec.docker),
    )
    return project


@pytest.fixture
def limited(limitable: Project) -> Project:
    """Version 1 serves in a container with limits that options gave."""
    limitable.up(**LIMITS)
    assert settings(limitable) == LIMITS
    return limitable


def settings(project: Project) -> dict[str, object]:
    return {name: project.observed().settings[name] for name in LIMITS}


def write(project: Project, text: str) -> None:
    (project.directory / "deployer.toml").write_text(f"[docker]\n{text}\n")


def test_a_change_of_models_keeps_the_container_and_its_settings(limited):
    release = limited.observed().release
    changes = [limited.redeploy(2), limited.label(stable=2), limited.rollback(), limited.redeploy(3, dry_run=True)]
    assert [each.plan.change for each in changes] == [Change.RELOAD] * 4
    assert (limited.observed().release, settings(limited)) == (release, LIMITS)


@pytest.mark.parametrize("dry_run", [True, False])
def test_up_keeps_what_options_gave_and_says_so(limited, dry_run):
    result = limited.up(f"{NAME}:1", dry_run=dry_run)
    assert (result.plan.change, settings(limited)) == (Change.NOTHING, LIMITS)
    (said,) = [text for text in result.notices if "serving:1" in text]
    assert all(f"{name} {value}" in said for name, value in LIMITS.items())


def test_up_keeps_them_for_another_server_and_the_next_one(limited):
    (limited.directory / "deployer.toml").write_text("[server]\nflags = { rest_api_num_threads = 3 }\n")
    assert limited.up().plan.change is Change.REPLACE
    assert settings(limited) == LIMITS
    (limited.directory / "deployer.toml").unlink()
    limited.redeploy(2)
    assert settings(limited) == LIMITS
    assert limited.up(f"{NAME}:2").plan.change is Change.NOTHING


@pytest.mark.parametrize("command", ["up", "redeploy"])
def test_an_explicit_value_replaces_and_the_cause_has_both(limited, command):
    result = getattr(limited, command)(memory="2g")
    (start,) = [step for step in result.plan.steps if isinstance(step, StartCandidate)]
    assert (result.plan.change, start.cause) == (Change.REPLACE, "changed: memory (1g, now 2g)")
    assert settings(limited) == {**LIMITS, "memory": "2g"}


LIFTED = {"memory": None, "cpus": None}


@pytest.mark.parametrize("command", ["up", "redeploy"])
def test_zero_lifts_a_limit_for_this_command_and_the_next_ones(limited, command):
    result = getattr(limited, command)(memory="0", cpus=0.0)
    assert result.plan.change is Change.REPLACE
    assert result.plan.steps[0].cause == "changed: memory (1g, now none), cpus (1.5, now none)"
    assert settings(limited) == {**LIMITS, **LIFTED}
    assert getattr(limited, command)().plan.change is Change.NOTHING
    assert settings(limited) == {**LIMITS, **LIFTED}


@pytest.mark.parametrize("zero", ["0", "0m", "00"])
def test_zero_in_a_file_lifts_a_limit(limited, zero):
    write(limited, f'memory = "{zero}"\ncpus = 0')
    limited.up()
    assert settings(limited) == {**LIMITS, **LIFTED}


def test_a_notice_of_a_kept_limit_says_how_to_lift_it(limited):
    (said,) = [text for text in limited.up(f"{NAME}:1", dry_run=True).notices if "memory 1g" in text]
    assert "--memory (0: none)" in said


def test_a_replacement_is_noted_with_its_cause(limited):
    limited.platform.seamless = False
    said = limited.redeploy(2, memory="2g", dry_run=True).notices
    assert [text for text in said if "memory (1g, now 2g)" in text]


def test_a_variable_is_kept_like_an_option_and_sets_a_value_like_one(limited, monkeypatch):
    monkeypatch.setenv("DEPLOYER_DOCKER_MEMORY", "3g")
    assert limited.label(stable=1).plan.change is Change.REPLACE
    monkeypatch.delenv("DEPLOYER_DOCKER_MEMORY")
    assert limited.up(f"{NAME}:1").plan.change is not Change.REPLACE
    assert settings(limited) == {**LIMITS, "memory": "3g"}


def test_what_a_file_sets_wins_and_goes_with_the_file_at_the_next_up_alone(limited):
    write(limited, 'memory = "2g"\nuser = "7"')
    assert limited.redeploy(2).plan.change is Change.REPLACE
    assert settings(limited) == {**LIMITS, "memory": "2g", "user": "7"}
    write(limited, "")
    assert limited.redeploy(3).plan.change is Change.RELOAD
    result = limited.up(f"{NAME}:3")
    assert result.plan.steps[0].cause == "changed: memory (2g, now none), user (7, now 65534:65534)"
    assert settings(limited) == {**LIMITS, "memory": None, "user": "65534:65534"}


def test_settings_that_cannot_be_used_with_one_that_is_set_are_not_kept(limited):
    limited.up(image="tensorflow/serving:1-gpu", gpus=1)
    result = limited.redeploy(2, image="tensorflow/serving:1")
    assert (result.plan.change, limited.observed().settings["gpus"]) == (Change.REPLACE, None)
    assert settings(limited)["memory"] == "1g"


def test_gpus_go_with_the_image_that_the_deployment_keeps(limited):
    limited.up(image="tensorflow/serving:1-gpu")
    for dry_run in (True, False):
        assert limited.up(gpus=1, dry_run=dry_run).plan.change is Change.REPLACE
    assert [limited.observed().settings[name] for name in ("image", "gpus")] == ["tensorflow/serving:1-gpu", 1]


@pytest.mark.parametrize("dry_run", [True, False])
def test_gpus_without_an_image_that_has_support_for_them_are_refused(limitable, dry_run):
    with pytest.raises(ConfigError, match="computes on the CPU alone") as refused:
        limitable.up(gpus=1, dry_run=dry_run)
    assert "--gpus" in refused.value.message
    assert "-gpu" in refused.value.hint
    assert limitable.platform.all() == []


def test_a_server_of_an_older_version_records_nothing_and_nothing_is_kept(limited):
    (running,) = limited.platform.all()
    running.seen = dataclasses.replace(running.seen, settings={}, temporary_settings=())
    result = limited.up(f"{NAME}:1")
    assert result.plan.change is Change.REPLACE
    assert "settings" in result.plan.steps[0].cause


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_history_has_the_settings_of_a_container_that_is_gone(limited, dry_run):
    before = limited.observed()
    limited.redeploy(2)
    limited.lose_container()
    result = limited.up(f"{NAME}:1", dry_run=dry_run)
    assert result.plan.change is Change.CREATE
    said = [text for text in result.notices if "its container is gone" in text]
    assert all(any(f"{name} {value}" in text for text in said) for name, value in LIMITS.items())
    assert any(f"REST port {before.rest_port}" in text for text in said)
    if dry_run:
        return
    after = limited.observed()
    assert (settings(limited), after.rest_port, after.grpc_port) == (LIMITS, before.rest_port, before.grpc_port)
    assert limited.redeploy(2).plan.change is Change.RELOAD
    assert limited.up(f"{NAME}:2").plan.change is Change.NOTHING


@pytest.mark.parametrize("dry_run", [True, False])
def test_notices_about_the_engine_have_the_image_that_is_kept(limited, monkeypatch, dry_run):
    monkeypatch.setattr(engine_notices, "notices", lambda workspace, _: [f"chose {workspace.spec.docker.image}"])
    limited.lose_container()
    assert "chose serving:1" in limited.up(f"{NAME}:1", dry_run=dry_run).notices


def test_a_port_that_is_taken_is_not_kept_for_a_container_that_is_gone(limited):
    rest = limited.observed().rest_port
    limited.lose_container()
    with socket.create_server(("127.0.0.1", rest)):
        limited.up()
    assert limited.observed().rest_port != rest


@pytest.mark.parametrize("gone", [True, False])
def test_down_forgets(limited, gone):
    if gone:
        limited.lose_container()
    deployer.down(NAME, settings=limited.settings())
    result = limited.up()
    assert not any("keeps" in text for text in result.notices)
    assert settings(limited)["memory"] is None


@pytest.mark.parametrize("state", ["recorded", "damaged", "gone"])
def test_down_forgets_in_the_directory_that_a_deployment_came_from(limited, tmp_path, state):
    other = Ledger(tmp_path / "other" / ".deployer" / LEDGER_FILE, limited.engine.traits.project)
    (running,) = limited.platform.all()
    place = other.path.parent / "docker" / "local@unit" / NAME / running.seen.release
    running.seen = dataclasses.replace(running.seen, directory=place)
    key = (NAME, "local", limited.engine.traits.name)
    if state != "gone":
        with record_release(other, running.seen, Plan(Change.CREATE, NAME), key[2]) as release:
            release.keep_settings(running.seen)
        assert other.settings(*key) is not None
    if state == "damaged":
        other.path.write_bytes(b"no database" * 100)
    result = deployer.down(NAME, settings=limited.settings())
    assert result.state_dir == other.path.parent
    assert any("not recorded there" in text for text in result.notices) is (state == "damaged")
    assert limited.history()[0].change == Change.REMOVE.value
    assert other.path.exists() is (state != "gone")
    if state == "recorded":
        assert (other.releases(*key)[0].change, other.settings(*key)) == (Change.REMOVE.value, None)


def test_a_release_that_failed_does_not_change_what_is_kept(limited):
    limited.lose_container()
    with pytest.raises(ModelNotFound):
        limited.up(f"{NAME}:99", memory="3g")
    limited.up()
    assert settings(limited) == LIMITS


def test_every_setting_that_a_variable_gave_is_kept_and_said(limited, monkeypatch):
    given = {"shm_size": "128m", "restart": "no", "platform": "linux/amd64"}
    for name, value in given.items():
        monkeypatch.setenv(f"DEPLOYER_DOCKER_{name.upper()}", value)
    limited.up()
    for name in given:
        monkeypatch.delenv(f"DEPLOYER_DOCKER_{name.upper()}")
    for result in (limited.up(), limited.redeploy(2)):
        assert result.plan.change is not Change.REPLACE
        assert {name: limited.observed().settings[name] for name in given} == given
        (said,) = [text for text in result.notices if "memory 1g" in text]
        for name, value in given.items():
            assert f"{name} {value}" in said
            assert f"DEPLOYER_DOCKER_{name.upper()}" in said


def test_what_only_a_change_of_models_keeps_is_said_to_go_with_up(limited):
    write(limited, 'memory = "2g"')
    limited.up()
    write(limited, "")
    for result in (limited.redeploy(2), limited.label(stable=2), limited.rollback()):
        (said,) = [text for text in result.notices if "memory 2g" in text]
        assert "deployer up would go back to the default" in said
        (said,) = [text for text in result.notices if "user 1000:1000" in text]
        assert "up would" not in said


@pytest.mark.parametrize("command", ["up", "redeploy", "label"])
def test_an_option_over_a_value_of_the_file_is_said_to_last_for_one_command(limited, monkeypatch, command):
    path = limited.directory / "deployer.toml"
    path.write_text('[docker]\nmemory = "1g"\ncpus = 1\nuser = "5"\n[server]\nrest_port = 4\n')
    monkeypatch.setenv("DEPLOYER_DOCKER_USER", "6")
    options = {"memory": "800m", "cpus": 1.0}
    result = limited.label(stable=1) if command == "label" else getattr(limited, command)(**options, dry_run=True)
    (said,) = [text for text in result.notices if "the next command without" in text]
    assert "docker.user = 5" in said
    assert "server.rest_port = 4" in said
    assert "DEPLOYER_DOCKER_USER" in said
    assert "--rest-port" in said
    assert ("docker.memory = 1g" in said) is ("--memory" in said) is (command != "label")
    assert "cpus" not in said


RECORDED = {"enabled": True, "image": "proxy:1", "tls": True, "max_connections": 9}


@pytest.fixture
def gated(project: Project) -> Deployment:
    """Behind a gateway whose image and TLS variables set, and whose other settings a file set."""
    project.up()
    gateway = Gateway("", True, project.directory, settings=RECORDED, temporary_settings=("image", "tls"))
    return dataclasses.replace(project.observed(), gateway=gateway)


def docker_workspace(project: Project, gateway: str) -> Workspace:
    (project.directory / "deployer.toml").write_text(f"[gateway]\n{gateway}\n")
    return open_workspace(Settings(engine="docker", config=project.directory / "deployer.toml"))


def test_up_keeps_of_the_gateway_what_variables_gave_and_says_so(project, gated):
    kept = keep_settings(docker_workspace(project, "enabled = true"), gated, of_file=False)
    gateway = kept.spec.gateway
    assert (gateway.image, gateway.tls, gateway.max_connections) == ("proxy:1", True, 4096)
    assert kept.engine.host.gateway == gateway
    assert kept.engine.host.temporary_gateway == ("image", "tls")
    (said,) = kept.kept.notices
    assert all(text in said for text in ("gateway.image proxy:1", "gateway.tls true", "DEPLOYER_GATEWAY_IMAGE"))


def test_a_change_of_models_keeps_all_of_the_gateway(project, gated):
    gateway = keep_settings(docker_workspace(project, ""), gated, of_file=True).spec.gateway
    assert {name: getattr(gateway, name) for name in RECORDED} == RECORDED


def test_zero_lifts_a_limit_of_the_gateway(project, gated):
    recorded = {**RECORDED, "max_body": "2k", "requests_per_second": 5}
    names = ("max_body", "requests_per_second")
    limited = dataclasses.replace(gated.gateway, settings=recorded, temporary_settings=names)
    workspace = docker_workspace(project, 'enabled = true\nmax_body = "0"\nrequests_per_second = 0')
    gateway = keep_settings(workspace, dataclasses.replace(gated, gateway=limited), of_file=False).spec.gateway
    assert (gateway.max_body, gateway.requests_per_second) == (None, None)


def test_what_is_set_now_wins_over_what_the_gateway_has(project, gated, monkeypatch):
    monkeypatch.setenv("DEPLOYER_GATEWAY_TLS", "false")
    kept = keep_settings(docker_workspace(project, 'enabled = true\nimage = "proxy:2"'), gated, of_file=True)
    assert (kept.spec.gateway.image, kept.spec.gateway.tls) == ("proxy:2", False)
    assert kept.engine.host.temporary_gateway == ("tls",)


def test_a_gateway_that_is_disabled_keeps_nothing_and_nothing_is_said_to_be_kept(project, gated, monkeypatch):
    monkeypatch.setenv("DEPLOYER_GATEWAY_ENABLED", "false")
    for of_file in (True, False):
        kept = keep_settings(docker_workspace(project, ""), gated, of_file=of_file)
        assert (kept.spec.gateway.enabled, kept.spec.gateway.tls) == (False, False)
        assert not [text for text in kept.kept.notices if "gateway" in text]


def test_what_only_a_change_of_models_keeps_of_a_gateway_is_said_to_go_with_up(project, gated):
    notices = keep_settings(docker_workspace(project, ""), gated, of_file=True).kept.notices
    (said,) = [text for text in notices if "gateway.enabled true" in text]
    assert "deployer up would remove the gateway" in said
    assert "gateway.tls" not in said


@pytest.mark.parametrize("recorded", [True, False])
def test_the_history_has_the_settings_of_a_gateway_whose_container_is_gone(project, gated, recorded):
    gone = Gateway("", False, project.directory)
    workspace = docker_workspace(project, "")
    if recorded:
        workspace.ledger.path.parent.mkdir(exist_ok=True)
        number = workspace.ledger.begin(NAME, "local", "docker", "create", gated.models)
        settings = ReleaseSettings(gateway=RECORDED, temporary_gateway=("enabled", "image", "tls"))
        workspace.ledger.keep_settings(number, settings)
        workspace.ledger.end(number, Outcome.SUCCEEDED, 1.0)
    workspace = workspace.with_spec(dataclasses.replace(workspace.spec, name=NAME))
    kept = keep_settings(workspace, dataclasses.replace(gated, gateway=gone), of_file=False)
    gateway = kept.spec.gateway
    assert (gateway.enabled, gateway.image == "proxy:1", gateway.tls) == (recorded,) * 3
    assert kept.engine.host.gateway == gateway
    (said,) = [text for text in kept.kept.notices if "gateway" in text]
    assert ("gateway.tls true" in said, "is not known" in said) == (recorded, not recorded)


def record(workspace: Workspace, deployment: Deployment) -> None:
    with record_release(workspace.ledger, deployment, Plan(Change.REPLACE, NAME), "docker") as release:
        release.keep_settings(deployment)


def test_the_image_of_a_gateway_that_was_disabled_is_kept_for_the_next_one_and_nothing_else(project, gated):
    gated = dataclasses.replace(gated, engine="docker")
    without = dataclasses.replace(gated, gateway=None)
    workspace = docker_workspace(project, "enabled = true")
    workspace = workspace.with_spec(dataclasses.replace(workspace.spec, name=NAME))
    assert keep_settings(workspace, without, of_file=False).spec.gateway.image != "proxy:1"
    for deployment in (gated, without, without):
        record(workspace, deployment)
    for of_file in (True, False):
        kept = keep_settings(workspace, without, of_file=of_file)
        gateway = kept.spec.gateway
        assert (gateway.image, gateway.tls, gateway.max_connections) == ("proxy:1", False, 4096)
        assert kept.engine.host.temporary_gateway == ("image",)
        (said,) = kept.kept.notices
        assert "gateway.image proxy:1, as the history records: the gateway was disabled" in said
    disabled = docker_workspace(project, "enabled = false")
    disabled = disabled.with_spec(dataclasses.replace(disabled.spec, name=NAME))
    assert not keep_settings(disabled, without, of_file=True).kept.notices


@pytest.mark.parametrize(
    ("settings", "certificate", "goes"),
    [
        ({"tls": True, "tokens": "tokens", "requests_per_second": 40}, None, "TLS, tokens, requests_per_second 40 go "),
        ({"max_body": "2k", "requests_per_second": None}, None, "max_body 2k goes "),
        ({}, Path("certificate.pem"), "TLS goes "),
        ({"tls": False}, None, ""),
    ],
)
def test_what_goes_with_a_gateway_is_said(project, settings, certificate, goes):
    project.up()
    (running,) = project.platform.all()
    gateway = Gateway("g", True, project.directory / "token", certificate, settings=settings)
    running.seen = dataclasses.replace(running.seen, gateway=gateway)
    result = project.up(dry_run=True)
    assert result.plan.change is Change.REPLACE
    assert [text.partition("with the gateway")[0] for text in result.notices if "with the gateway" in text] == (
        [goes] if goes else []
    )


@pytest.mark.parametrize(("temporary", "said"), [(("image",), True), (("tls",), False)])
def test_the_image_that_outlives_a_disabled_gateway_is_said(project, temporary, said):
    project.up()
    (running,) = project.platform.all()
    gateway = Gateway("g", True, project.directory / "token", settings=RECORDED, temporary_settings=temporary)
    running.seen = dataclasses.replace(running.seen, gateway=gateway)
    notices = [text for text in project.up(dry_run=True).notices if "proxy:1" in text]
    assert [("DEPLOYER_GATEWAY_IMAGE" in text) for text in notices] == [True] * said
