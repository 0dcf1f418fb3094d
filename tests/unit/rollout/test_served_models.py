"""How versions and labels move: which version takes whose place, what stays loaded."""

from __future__ import annotations

import pytest

from deployer.results.served import ServedModel
from deployer.rollout import served_models


def served(*versions: int, **labels: int) -> ServedModel:
    return ServedModel("m", versions, tuple(sorted(labels.items())))


@pytest.mark.parametrize(
    ("there", "current"),
    [(served(1), 1), (served(1, 3), 3), (served(1, 3, canary=3), 3), (served(1, 3, stable=1, canary=3), 1)],
)
def test_the_current_version_is_the_stable_one_or_the_highest(there, current):
    assert served_models.current_version(there) == current


@pytest.mark.parametrize(
    ("there", "to", "becomes"),
    [
        (served(1), 2, served(2)),
        (served(2), 1, served(1)),
        (served(1, 2), 3, served(3)),
        (served(1, stable=1), 2, served(2, stable=2)),
        (served(1, 3, stable=1, canary=3), 2, served(2, 3, stable=2, canary=3)),
        (served(1, 3, stable=1, canary=3), 3, served(3, stable=3, canary=3)),
    ],
)
def test_a_version_takes_the_place_and_the_labels_of_the_current_one(there, to, becomes):
    assert served_models.replace_version(there, to) == becomes


def test_the_previous_one_is_kept_below_the_new_one_and_only_it():
    assert served_models.replace_version(served(1), 2, keep=True) == served(1, 2)
    assert served_models.replace_version(served(1, 2), 3, keep=True) == served(2, 3)
    assert served_models.replace_version(served(2), 1, keep=True) == served(1)
    assert served_models.replace_version(served(1, stable=1), 2, keep=True) == served(1, 2, stable=2)


def test_a_label_brings_its_version_and_takes_it_away_again():
    canary = served_models.set_labels(served(6, stable=6), {"canary": 7})
    assert canary == served(6, 7, stable=6, canary=7)
    assert served_models.set_labels(canary, {"canary": None}) == served(6, stable=6)
    assert served_models.set_labels(canary, {"canary": 8}) == served(6, 8, stable=6, canary=8)
    assert served_models.set_labels(canary, {"stable": 7, "canary": None}) == served(7, stable=7)


@pytest.mark.parametrize(
    ("there", "gone", "becomes"),
    [
        (served(6, stable=6), ("stable",), served(6)),
        (served(1, 2, canary=2), ("canary",), served(1)),
        (served(6, 7, stable=6, canary=7), ("stable",), served(7, canary=7)),
        (served(6, 7, stable=6, canary=7), ("stable", "canary"), served(6)),
        (served(6, 7, stable=6, canary=7, other=7), ("canary",), served(6, 7, stable=6, other=7)),
    ],
)
def test_a_version_goes_with_its_last_label_unless_no_version_would_be_left(there, gone, becomes):
    assert served_models.set_labels(there, dict.fromkeys(gone)) == becomes


def test_other_models_stay_as_they_are():
    other = ServedModel("other", (1,))
    assert served_models.replace_model((served(1), other), served(2)) == (served(2), other)
