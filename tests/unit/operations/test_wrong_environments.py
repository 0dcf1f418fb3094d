"""An environment whose settings are wrong hides no other one from the commands that look at all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import in_process
from support.world import only_servers_below

from deployer.engines import run_dir
from deployer.engines.run_dir import Release
from deployer.results.history import Outcome
from deployer.results.served import ServedModel
from deployer.rollout.ledger import LEDGER_FILE, Ledger

MODELS = (ServedModel("m", (1,), (), ("d",)),)
GOOD = "[env.staging]\n[env.production.server]\nrest_port = 9501\n"
WRONG = {
    "wrong": '[env.wrong.docker]\nhost = "tpc://x:1"\n',
    "typo": "[env.typo.server]\nrest_prot = 1\n",
    "unset": '[env.unset]\nstate_dir = "${NONE}"\n',
    "local": "[env.local.server]\nrest_port = 99999\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Servers that have ended, in two environments, each with a release in the history."""
    only_servers_below(monkeypatch, tmp_path)
    made = tmp_path / "shop"
    for env in ("staging", "production"):
        release = made / ".deployer/run" / run_dir.env_dir_name("shop", env) / "m" / f"1-{env}"
        labels = Release("m", env, release.name, "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", MODELS, 0, "shop")
        run_dir.write_labels(release, labels)
        ledger = Ledger(made / ".deployer" / LEDGER_FILE, "shop")
        ledger.end(ledger.begin("m", env, "embedded", "create", MODELS), Outcome.SUCCEEDED, 1.0)
    return made


@pytest.mark.parametrize("env", WRONG)
@pytest.mark.parametrize("command", ["status --all", "history --all", "down --all", "status --all-projects"])
def test_the_others_are_shown_and_the_wrong_one_is_reported(project, command, env):
    (project / "deployer.toml").write_text(GOOD + WRONG[env])
    ended = in_process(*command.split(), cwd=project)
    assert ended.code == 3
    assert f"[{env}]: " in ended.err
    assert all(f"m [{each}]" in ended.out or each in ended.out.split() for each in ("staging", "production")), ended.out


@pytest.mark.parametrize(("command", "key"), [("status", "deployments"), ("history", "releases")])
def test_json_is_one_object_with_the_others_and_the_error(project, command, key):
    (project / "deployer.toml").write_text(GOOD + WRONG["wrong"] + WRONG["typo"])
    shown = in_process(command, "--all", "--json", cwd=project).json
    envs = {each["deployment"]["env"] if command == "status" else each["env"] for each in shown[key]}
    assert envs == {"staging", "production"}
    assert shown["error"]["code"] == 3
    assert all(f"[{env}]: " in shown["error"]["message"] for env in ("wrong", "typo"))


def test_down_removes_the_others(project):
    (project / "deployer.toml").write_text(GOOD + WRONG["wrong"])
    assert in_process("down", "--all", cwd=project).code == 3
    assert not list((project / ".deployer/run").rglob("1-*"))


def test_the_history_of_a_wrong_environment_is_not_ended(project):
    """Its server may run on an engine that only its settings name."""
    ledger = Ledger(project / ".deployer" / LEDGER_FILE, "shop")
    ledger.end(ledger.begin("n", "wrong", "embedded", "create", MODELS), Outcome.SUCCEEDED, 1.0)
    (project / "deployer.toml").write_text(GOOD + WRONG["wrong"])
    assert in_process("down", "--all", cwd=project).code == 3
    assert [each.change for each in ledger.releases("n", "wrong")] == ["create"]
    assert "n [wrong] is gone" not in in_process("status", "--all", cwd=project).err


@pytest.mark.parametrize("command", ["status --all", "history --all", "down --all"])
def test_settings_that_are_wrong_in_each_environment_are_reported_once(project, command):
    (project / "deployer.toml").write_text(f"[server]\ngrpc_port = 99999\n{GOOD}")
    ended = in_process(*command.split(), cwd=project)
    assert (ended.code, ended.err.count("99999")) == (3, 1)


def test_a_chosen_environment_that_does_not_exist_is_refused(project):
    (project / "deployer.toml").write_text(GOOD)
    assert in_process("down", "--all", "--env", "nosuch", cwd=project).code == 3
    assert len(list((project / ".deployer/run").rglob("1-*"))) == 2


def test_prune_needs_all_environments(project):
    (project / "deployer.toml").write_text(GOOD + WRONG["wrong"])
    assert in_process("prune", cwd=project).code == 3
