"""What a change says of requests without a version, and of versions that lose a label."""

from __future__ import annotations

import pytest
from support.memory.project import NAME, Project

from deployer.results.history import LABEL, REDEPLOY, ROLLBACK
from deployer.results.served import ServedModel
from deployer.rollout.notices import routing

UP = ""


def served(*versions: int, **labels: int) -> ServedModel:
    return ServedModel(NAME, versions, tuple(sorted(labels.items())))


@pytest.mark.parametrize("reason", [UP, ROLLBACK])
def test_a_model_that_is_no_longer_served_is_named(reason):
    other = ServedModel("other", (1,))
    (text,) = [text for text in routing.notices((served(1), other), (other,), reason) if "404" in text]
    assert NAME in text
    assert not [text for text in routing.notices((served(1), other), (served(2), other), reason) if "404" in text]


def moves(before: ServedModel, after: ServedModel, reason: str) -> list[str]:
    """What is said of requests without a version."""
    return [text for text in routing.notices((before,), (after,), reason) if "without a version" in text]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (served(1), served(1, 2, canary=2), LABEL),
        (served(1), served(1, 2, stable=2), LABEL),
        (served(1, 2, canary=2), served(1), LABEL),
        (served(1, stable=1), served(1, 2, stable=1, canary=2), UP),
        (served(1, stable=1), served(1, 2, stable=1, canary=2), ROLLBACK),
        (served(2, 3, canary=2, stable=3), served(1, 2, canary=2, stable=1), REDEPLOY),
        (served(1, 2, stable=1, canary=2), served(2, 3, stable=3, canary=2), REDEPLOY),
        (served(1, 2, stable=1), served(1, stable=1), REDEPLOY),
    ],
)
def test_what_requests_without_a_version_get_otherwise_is_said(before, after, reason):
    (text,) = moves(before, after, reason)
    assert all(f"{NAME}:{max(model.versions)}" in text for model in (before, after))


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (served(1), served(2), UP),
        (served(1), served(1, 2), UP),
        (served(2), served(1), ROLLBACK),
        (served(1), served(2), REDEPLOY),
        (served(1, 2, stable=1, canary=2), served(2, stable=2, canary=2), REDEPLOY),
        (served(2), served(1, 2, canary=1), LABEL),
    ],
)
def test_where_the_version_is_what_was_asked_for_or_the_same_nothing_is_said(before, after, reason):
    assert moves(before, after, reason) == []


def test_models_that_come_and_go_move_no_request():
    other = ServedModel("other", (9,))
    assert not [text for text in routing.notices((served(1),), (other,), UP) if "without" in text]


@pytest.mark.parametrize(
    ("before", "after", "version", "word"),
    [
        (served(1, 2, canary=2), served(1), 2, "not served any more"),
        (served(1, 2, stable=1, canary=2), served(1, 3, stable=1, canary=3), 2, "not served any more"),
        (served(1, 2, stable=1, canary=1), served(1, stable=1), 1, "stable"),
        (served(1, stable=1), served(1), 1, "without a label"),
    ],
)
def test_what_becomes_of_a_version_that_a_label_leaves_is_said(before, after, version, word):
    (text,) = [text for text in routing.notices((before,), (after,), LABEL) if "without a version" not in text]
    assert text.startswith(f"{NAME}:{version} ")
    assert word in text


def test_the_results_of_commands_have_the_notes(serving: Project):
    assert any("without a version" in text for text in serving.label(canary=2).notices)
    assert serving.answer() == 4.0
    taken = serving.label(canary=None).notices
    assert any("without a version" in text for text in taken)
    assert any(text.startswith(f"{NAME}:2 is not served any more") for text in taken)
    serving.check(1)
    serving.label(stable=1)
    for dry_run in (True, False):
        (text,) = [text for text in serving.redeploy(2, dry_run=dry_run).notices if "label stable" in text]
        assert all(word in text for word in (f"{NAME}:1", f"{NAME}:2", "not served any more"))


@pytest.mark.parametrize(
    ("before", "after", "unloaded"),
    [
        (served(1, 2, stable=1), served(1, 3, stable=3), [2]),
        (served(1, 2, stable=1), served(3, stable=3), [2]),
        (served(1, 2), served(2, 3), [1]),
        (served(1, 2, 3, stable=2), served(2, 4, stable=4), [1, 3]),
        (served(1, 2, stable=1, canary=2), served(1, 2, 3, stable=3, canary=2), []),
        (served(1), served(2), []),
        (served(1, stable=1), served(2, stable=2), []),
    ],
)
def test_a_version_that_redeploy_unloads_besides_the_one_that_it_replaces_is_said(before, after, unloaded):
    found = [text for text in routing.notices((before,), (after,), REDEPLOY) if text.startswith(f"{NAME}:")]
    assert [text.partition(" ")[0] for text in found] == [f"{NAME}:{version}" for version in unloaded]
    assert all("not served any more" in text for text in found)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (served(1, 2, stable=1, prod=1), served(3, stable=3, prod=3), "the version labelled stable"),
        (served(1, 2, prod=2), served(3, prod=3), "the highest version"),
    ],
)
def test_why_a_redeploy_moves_labels_is_said(before, after, reason):
    found = [text for text in routing.notices((before,), (after,), REDEPLOY) if text.startswith("label ")]
    assert [reason in text for text in found] == [True] * len(after.labels)


@pytest.mark.parametrize("dry_run", [True, False])
def test_redeploy_that_keeps_the_previous_version_says_which_one_it_unloads(serving: Project, dry_run):
    serving.redeploy(2)
    serving.label(stable=1)
    done = serving.redeploy(3, keep=True, dry_run=dry_run)
    (text,) = [text for text in done.notices if text.startswith(f"{NAME}:2 ")]
    assert "not served any more" in text
    assert [model.versions for model in done.models] == [(1, 3)]
