"""Which release `rollback` means."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from deployer.errors import NoSuchRelease
from deployer.operations.rollback import select_release
from deployer.results.deployment import Deployment, Endpoints
from deployer.results.history import ROLLBACK, Outcome, Release
from deployer.results.served import ServedModel


def served(version: int) -> tuple[ServedModel, ...]:
    return (ServedModel("m", (version,), (), ("digest",)),)


def deployed(version: int) -> Deployment:
    return Deployment(
        "m", "local", "embedded", "r", "serving", served(version), Endpoints("", ""), 1, 2, "", "", True, 1, Path()
    )


def release(number: int, version: int, outcome: Outcome = Outcome.SUCCEEDED, detail: str = "") -> Release:
    return Release(number, "m", "local", "embedded", "reload", served(version), "me@here", "2026", 1.0, outcome, detail)


GOOD = (release(3, 3), release(2, 2), release(1, 1))


def test_the_last_good_release_that_served_others_is_meant():
    failed = release(4, 4, Outcome.FAILED, "not ready")
    assert select_release((failed, *GOOD), deployed(3), None) == release(2, 2)
    assert select_release((failed, *GOOD), deployed(2), None) == release(3, 3)


@pytest.mark.parametrize("serving", [3, 2])
def test_after_a_killed_rollback_the_next_one_means_what_it_meant(serving):
    killed = release(4, 2, Outcome.UNDER_WAY, ROLLBACK)
    assert select_release((killed, *GOOD), deployed(serving), None) == release(2, 2)


def test_one_that_was_told_of_and_mended_is_history():
    killed = release(4, 2, Outcome.INTERRUPTED, "its command was killed at: prove")
    assert select_release((killed, *GOOD), deployed(2), None) == release(3, 3)


def test_another_change_that_was_killed_is_none_of_its_business():
    killed = release(4, 1, Outcome.UNDER_WAY)
    assert select_release((killed, *GOOD), deployed(3), None) == release(2, 2)


def test_a_number_means_that_release_whatever_was_killed():
    killed = release(4, 2, Outcome.UNDER_WAY, ROLLBACK)
    assert select_release((killed, *GOOD), deployed(3), 1) == release(1, 1)
    with pytest.raises(NoSuchRelease, match="no successful release 4"):
        select_release((killed, *GOOD), deployed(3), 4)


def test_removals_are_nothing_to_go_back_to():
    removed = dataclasses.replace(release(4, 4), change="remove")
    assert select_release((removed, *GOOD), deployed(3), None) == release(2, 2)


def test_a_reload_that_was_killed_and_may_serve_is_undone_and_nothing_more():
    killed = dataclasses.replace(deployed(3), reloading_to=served(4))
    assert select_release((release(4, 4, Outcome.UNDER_WAY), *GOOD), killed, None) == release(3, 3)
    assert select_release((release(4, 4, Outcome.UNDER_WAY), *GOOD), killed, 1) == release(1, 1)
