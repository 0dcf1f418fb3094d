"""Each command works on the store of the chosen environment, however that is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import in_process
from support.memory.linear import Linear, publish

from deployer.engines import run_dir
from deployer.engines.run_dir import Release
from deployer.results.served import ServedModel
from deployer.rollout.ledger import LEDGER_FILE, Ledger
from deployer.store.store import Store

LOCAL, STAGING = (1, 2, 3), (9017, 9018, 9019)
CONFIG = """
project = "shop"
engine = "embedded"
[env.staging]
models_dir = "apart"
"""
VERBS = (
    ("versions",), ("prune", "--keep", "1", "--dry-run"), ("inspect", "m"), ("render", "m"), ("doctor",), ("plan", "m"),
    ("up", "m", "--dry-run"), ("diff", "m", "9018", "9019", "--signatures"),
)  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "deployer.toml").write_text(CONFIG)
    for store, versions in (("models", LOCAL), ("apart", STAGING)):
        for version in versions:
            publish(Store(tmp_path / store), "m", Linear(0.5, 2.0), version)
    return tmp_path


def versions(directory: Path, store: str) -> tuple[int, ...]:
    return tuple(Store(directory / store).versions("m"))


@pytest.fixture(params=["option", "variable"])
def staging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The arguments that choose the environment."""
    if request.param == "option":
        return ("--env", "staging")
    monkeypatch.setenv("DEPLOYER_ENV", "staging")
    return ()


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_command_reads_the_store_of_the_environment(directory, staging, verb):
    ended = in_process(*verb, *staging, cwd=directory)
    assert (ended.code, "9019" in ended.out) == (0, True), ended.err


def test_prune_removes_from_the_store_of_the_environment_alone(directory, staging):
    ended = in_process("prune", "--keep", "1", *staging, cwd=directory)
    assert (ended.code, versions(directory, "models"), versions(directory, "apart")) == (0, LOCAL, STAGING[-1:])
    assert "apart: 1 version stays" in ended.out.splitlines()[-1]
    assert in_process("prune", "--keep", "1", "--env", "local", cwd=directory).code == 0
    assert versions(directory, "models") == LOCAL[-1:]


def test_prune_keeps_what_is_deployed_from_this_store_or_from_one_that_was_moved(directory, staging):
    def deployed(name: str, version: int, store: Path) -> None:
        served = ServedModel("m", (version,), (), ("d",))
        labels = Release(
            name, "local", "1", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", (served,), 0, "shop", store=str(store)
        )
        state_dir = directory / ".deployer"
        run_dir.write_labels(state_dir / "run" / run_dir.env_dir_name("shop", "local") / name / "1", labels)
        ledger = Ledger(state_dir / LEDGER_FILE, "shop")
        ledger.begin(name, "local", "embedded", "create", (served,), store=str(store))

    deployed("one", 9017, directory / "models")
    deployed("two", 9018, directory / "moved")
    ended = in_process("prune", "--keep", "1", "--json", *staging, cwd=directory)
    assert ended.code == 0, ended.err
    kept = {model["version"]: reason for model, reason in zip(ended.json["kept"], ended.json["reasons"], strict=True)}
    assert kept == {9018: "deployed as two [local]", 9019: "the newest version"}
