"""The ledger: what was begun is written before it is done, and how it ended is written once it is known."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from deployer.errors import LedgerError
from deployer.results.history import Outcome
from deployer.results.served import ServedModel
from deployer.rollout.ledger import ADDED_COLUMNS, LEDGER_FILE, Ledger

MODELS = (ServedModel("a", (1, 3), (("stable", 1),), ("x", "y")), ServedModel("b", (7,), (), ("z",)))


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "state" / LEDGER_FILE)


def begin(ledger, name="a", env="local", models=MODELS):
    return ledger.begin(name, env, "embedded", "create", models)


def test_reading_makes_no_file(ledger):
    assert ledger.releases() == ()
    assert not ledger.path.parent.exists()


def test_a_release_is_there_before_it_has_ended(ledger):
    number = begin(ledger)
    (release,) = ledger.releases()
    assert (release.number, release.outcome, release.seconds) == (number, Outcome.UNDER_WAY, None)
    assert (release.models, release.change, release.engine) == (MODELS, "create", "embedded")
    assert "@" in release.who


def test_how_it_ended_is_kept(ledger):
    ledger.end(begin(ledger), Outcome.SUCCEEDED, 1.23456)
    ledger.end(begin(ledger), Outcome.FAILED, 2.0, "not within 3 s")
    newest, oldest = ledger.releases()
    assert (newest.outcome, newest.detail) == (Outcome.FAILED, "not within 3 s")
    assert (oldest.outcome, oldest.seconds, oldest.detail) == (Outcome.SUCCEEDED, 1.235, "")


def test_one_whose_command_was_killed_is_known_for_that_with_its_last_step(ledger):
    for step in ("stage", "prove"):
        ledger.step(begin(ledger) if step == "stage" else 1, step)
    begin(ledger, env="staging")
    assert ledger.mark_interrupted("a", "local", "embedded") == ("release 1 (create) was killed at: prove",)
    assert ledger.mark_interrupted("a", "local", "embedded") == ()
    staging, local = ledger.releases()
    assert (staging.outcome, local.outcome) == (Outcome.UNDER_WAY, Outcome.INTERRUPTED)
    assert local.detail == "its command was killed at: prove"


def test_engines_have_their_own_releases_of_one_name(ledger):
    begin(ledger)
    ledger.begin("a", "local", "docker", "create", MODELS)
    assert [found.engine for found in ledger.releases("a", "local")] == ["docker", "embedded"]
    assert [found.number for found in ledger.releases("a", "local", "embedded")] == [1]
    assert len(ledger.mark_interrupted("a", "local", "embedded")) == 1
    assert [found.outcome for found in ledger.releases()] == [Outcome.UNDER_WAY, Outcome.INTERRUPTED]


def test_steps_are_kept_in_their_order_and_apart(ledger):
    first, second = begin(ledger), begin(ledger)
    for step in ("one", "two", "three"):
        ledger.step(first, step)
        ledger.step(second, step.upper())
    assert (ledger.steps(first), ledger.steps(second)) == (("one", "two", "three"), ("ONE", "TWO", "THREE"))


@pytest.mark.parametrize(("private", "expected"), [([], False), ([True, True], False), ([True, False, True], True)])
def test_a_release_may_take_requests_once_a_step_was_not_private(ledger, private, expected):
    number = begin(ledger)
    for is_private in private:
        ledger.step(number, "a step", is_private=is_private)
    assert ledger.may_take_requests(ledger.releases()[0]) is expected


def test_what_ended_was_not_interrupted(ledger):
    ledger.end(begin(ledger), Outcome.SUCCEEDED, 1.0)
    assert ledger.mark_interrupted("a", "local", "embedded") == ()


def test_releases_are_those_of_a_deployment_and_environment(ledger):
    for name, env in (("a", "local"), ("b", "local"), ("a", "staging")):
        begin(ledger, name, env)
    assert [(found.name, found.env) for found in ledger.releases("a")] == [("a", "staging"), ("a", "local")]
    assert [found.name for found in ledger.releases(env="local")] == ["b", "a"]
    assert ledger.releases("a' or 1=1 --") == ()


def test_a_file_that_is_no_ledger_is_refused_with_what_to_do(ledger):
    ledger.path.parent.mkdir()
    ledger.path.write_bytes(b"not a database, but long enough to be taken for one" * 50)
    with pytest.raises(LedgerError, match=LEDGER_FILE) as caught:
        ledger.releases()
    assert "move it away" in str(caught.value.hint)


def test_models_that_cannot_be_read_are_a_damaged_ledger(ledger):
    begin(ledger)
    with closing(sqlite3.connect(ledger.path)) as db, db:
        db.execute("update releases set models = '[[1]]'")
    with pytest.raises(LedgerError):
        ledger.releases()


@pytest.mark.parametrize("table", ADDED_COLUMNS)
def test_a_ledger_of_an_older_release_is_read_and_written(ledger, table):
    ledger.step(begin(ledger), "start")
    with closing(sqlite3.connect(ledger.path)) as db, db:
        for column in ADDED_COLUMNS[table]:
            db.execute(f"alter table {table} drop column {column}")
    ledger.step(ledger.begin("a", "local", "embedded", "reload", MODELS, store="/models"), "verify", is_private=True)
    newest, oldest = ledger.releases()
    assert newest.store == "/models"
    assert (ledger.may_take_requests(newest), ledger.may_take_requests(oldest)) == (False, True)
