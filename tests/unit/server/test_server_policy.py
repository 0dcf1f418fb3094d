"""Which versions are wanted, and what happens next: the tables of TF_SERVING.md 2.2."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.server.config import ModelConfig
from deployer.server.policy import Action, Choice, Snapshot, State, VersionPolicy, next_action
from deployer.server.source import Source, aspired_versions, list_versions
from deployer.server.status import ServingError
from deployer.server.version_names import version_number

LATEST_TWO = VersionPolicy(Choice.LATEST, 2)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("1", 1),
        ("007", 7),
        (" 5", 5),
        ("+5", 5),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("v1", None),
        ("1.0", None),
        ("1_tmp", None),
        (".1", None),
        ("\u0661", None),
        ("0", 0),
        ("-1", -1),
        ("1 ", 1),
        ("0x1", None),
        ("1_000", None),
        ("2020-01-15", None),
        ("+ 1", None),
        ("\u00a01", None),
        ("1\x1c", None),
        ("", None),
    ],
)
def test_directory_names_are_numbers_by_the_rules_of_int64(name: str, number: int | None) -> None:
    assert version_number(name) == number


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (VersionPolicy(), [3]),
        (LATEST_TWO, [3, 2]),
        (VersionPolicy(Choice.LATEST, 0), [3]),
        (VersionPolicy(Choice.LATEST, 9), [3, 2, 1]),
        (VersionPolicy(Choice.ALL), [3, 2, 1]),
        (VersionPolicy(Choice.SPECIFIC, versions=frozenset((1, 7))), [1]),
        (VersionPolicy(Choice.SPECIFIC), []),
    ],
)
def test_policies_choose_among_what_is_there(policy: VersionPolicy, wanted: list[int]) -> None:
    assert policy.aspired([1, 3, 2]) == wanted


def _after(*snapshots: tuple[int, State, bool]) -> Action | None:
    return next_action(Snapshot(*each) for each in snapshots)


def test_a_new_version_loads_beside_the_old_one() -> None:
    assert _after((1, State.AVAILABLE, False), (2, State.START, True)) == Action(load=True, version=2)


def test_the_old_version_stays_while_the_new_one_loads() -> None:
    assert _after((1, State.AVAILABLE, False), (2, State.LOADING, True)) is None


def test_the_old_version_stays_when_the_new_one_failed() -> None:
    assert _after((1, State.AVAILABLE, False), (2, State.END, True)) is None


def test_the_old_version_goes_once_the_new_one_serves() -> None:
    assert _after((1, State.AVAILABLE, False), (2, State.AVAILABLE, True)) == Action(load=False, version=1)


def test_with_two_configured_the_lowest_goes_before_the_new_one_loads() -> None:
    held = ((1, State.AVAILABLE, False), (2, State.AVAILABLE, True), (3, State.START, True))
    assert _after(*held) == Action(load=False, version=1)


def test_of_two_unwanted_versions_one_can_be_spared_at_once() -> None:
    held = ((1, State.AVAILABLE, False), (2, State.AVAILABLE, False), (3, State.START, True))
    assert _after(*held) == Action(load=False, version=1)


def test_all_go_when_nothing_is_configured() -> None:
    assert _after((1, State.AVAILABLE, False)) == Action(load=False, version=1)


def test_the_highest_new_version_loads_first() -> None:
    assert _after((1, State.START, True), (2, State.START, True)) == Action(load=True, version=2)


def _model(directory: Path, policy: VersionPolicy | None = None) -> ModelConfig:
    return ModelConfig("m", str(directory), policy or VersionPolicy())


def test_the_disk_is_read_as_numbers_and_the_later_of_two_names_wins(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("1", "01", "2", "tmp"):
        (tmp_path / name).mkdir()
    assert list_versions(_model(tmp_path)) == {1: str(tmp_path / "1"), 2: str(tmp_path / "2")}
    assert caplog.messages == [
        "Duplicate version directories detected. Version 1 will be loaded from 1, 01 will be ignored."
    ]
    assert aspired_versions(_model(tmp_path)) == {2: str(tmp_path / "2")}


def test_a_policy_that_leaves_something_out_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "1").mkdir()
    aspired_versions(_model(tmp_path, VersionPolicy(Choice.SPECIFIC, versions=frozenset((1, 7)))))
    aspired_versions(_model(tmp_path, VersionPolicy(Choice.SPECIFIC)))
    assert caplog.messages == [
        "Version 7 of servable m, which was requested to be served as a 'specific' version in the servable's version "
        "policy, was not found in the file system",
        "No specific versions requested for servable m.",
    ]


def test_a_base_path_that_cannot_be_listed_says_why(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ServingError, match=f"{file}; Not a directory"):
        list_versions(_model(file))


def test_a_missing_base_path_is_not_found(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(ServingError, match=f"Could not find base path {missing} for servable m with error NOT_FOUND"):
        list_versions(_model(missing))


def test_one_missing_base_path_holds_back_every_model(tmp_path: Path) -> None:
    (tmp_path / "good" / "1").mkdir(parents=True)
    asked: list[str] = []
    source = Source(lambda name, _: asked.append(name), poll_seconds=0)
    good = ModelConfig("good", str(tmp_path / "good"))
    source.set_models({"good": good, "bad": ModelConfig("bad", str(tmp_path / "bad"))})
    source.poll()
    assert asked == []
    source.set_models({"good": good})
    source.poll()
    assert asked == ["bad", "good"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("0",), {0: "0"}),
        (("1", "0001"), {1: "1"}),
        (("00000123", "123", "+123"), {123: "123"}),
        (("1 ", "2"), {1: "1 ", 2: "2"}),
        (("7", "9223372036854775808"), {7: "7"}),
        (("9223372036854775808",), {}),
        (("-1", "1.0", "v1", "1_000", "\u0661", "2020-01-15"), {-1: "-1"}),
        (("1700000000123456789",), {1700000000123456789: "1700000000123456789"}),
    ],
)
def test_version_directories_as_people_write_them(
    tmp_path: Path, names: tuple[str, ...], found: dict[int, str]
) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    there = list_versions(ModelConfig("m", str(tmp_path)))
    assert {number: Path(path).name for number, path in there.items()} == found
