"""`history` and `rollback`: every change is written down, and what was good can be had again, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from support.cli import ANY_PORTS, deployer, start
from support.stores import record_files
from support.world import eventually, servers

from deployer.errors import BrokenModel, NoSuchRelease
from deployer.operations.rollback import rollback

ANSWERS = {1: 3.0, 2: 4.0, 3: 2.0}
"""What each version of half_plus_two makes of 2.0."""


def ok(project: Path, *arguments: str) -> Any:
    ended = deployer(*arguments, "--json", cwd=project)
    assert ended.code == 0, ended.err + ended.out
    return ended.json


def answer(endpoints: dict[str, str]) -> float:
    url = f"{endpoints['rest']}/v1/models/half_plus_two:predict"
    return requests.post(url, json={"instances": [2.0]}, timeout=60).json()["predictions"][0]


def history(project: Path) -> list[tuple[str, list[int], str]]:
    """Change, versions and outcome, the oldest first."""
    found = ok(project, "history")["releases"]
    return [(one["change"], one["models"][0]["versions"], one["outcome"]) for one in reversed(found)]


def test_rollback_goes_back_to_the_last_good_release_that_served_others(project):
    ok(project, "up", "half_plus_two:1", *ANY_PORTS)
    served = ok(project, "up", "half_plus_two:2")
    ok(project, "up", "half_plus_two:2")
    broken = project / "models" / "half_plus_two" / "3"
    (broken / "variables" / "variables.index").write_bytes(b"garbage")
    record_files(broken)
    assert deployer("up", "half_plus_two:3", cwd=project).code == 7
    assert answer(served["endpoints"]) == ANSWERS[2]

    planned = ok(project, "rollback", "--dry-run")
    assert (planned["plan"]["change"], planned["models"][0]["versions"]) == ("reload", [1])
    assert answer(served["endpoints"]) == ANSWERS[2]
    back = ok(project, "rollback")
    assert (back["models"][0]["versions"], back["report"]["ok"]) == ([1], True)
    assert back["endpoints"] == served["endpoints"]
    assert answer(back["endpoints"]) == ANSWERS[1]
    assert answer(ok(project, "rollback", "half_plus_two", "--to", "2")["endpoints"]) == ANSWERS[2]
    assert history(project) == [
        ("create", [1], "succeeded"), ("reload", [2], "succeeded"), ("reload", [3], "failed"),
        ("reload", [1], "succeeded"), ("reload", [2], "succeeded"),
    ]  # fmt: skip
    assert len(servers(project)) == 1


@pytest.mark.parametrize("gate", [(), ("--skip-gate",)], ids=["proven", "skipped"])
def test_going_forward_after_a_rollback_is_said(project, gate):
    def said(*arguments: str) -> list[str]:
        return [text for text in ok(project, *arguments)["notices"] if "rollback" in text]

    ok(project, "up", "half_plus_two:1", *ANY_PORTS)
    assert said("up", "half_plus_two:2") == []
    assert said("rollback", *gate) == []
    newest = ok(project, "history")["releases"][0]
    assert newest["detail"].split("; ")[0] == "rollback"
    for way in (("plan", "half_plus_two"), ("up", "half_plus_two:2", "--dry-run"), ("redeploy", "--dry-run")):
        (text,) = said(*way)
        assert f"release {newest['number']} " in text
        assert "half_plus_two:1" in text
    assert said("plan", "half_plus_two:1") == said("rollback", "--dry-run") == []
    (text,) = said("up", "half_plus_two")
    assert "half_plus_two:3" in text
    assert said("up", "half_plus_two") == said("redeploy", "--version", "2") == []


def test_labels_come_back_with_the_versions(project):
    config = project / "deployer.toml"
    config.write_text("[models.half_plus_two]\nversions = [1, 2]\nlabels = { stable = 1 }\n")
    ok(project, "up", *ANY_PORTS)
    config.write_text("[models.half_plus_two]\nversions = [2, 3]\nlabels = { stable = 3 }\n")
    ok(project, "up")
    back = ok(project, "rollback")["models"][0]
    assert (back["versions"], back["labels"]) == ([1, 2], [["stable", 1]])


def test_what_cannot_be_had_again_is_refused_and_the_rest_serves_on(project, monkeypatch):
    monkeypatch.chdir(project)
    assert deployer("rollback", "half_plus_two", cwd=project).code == 10
    served = ok(project, "up", "half_plus_two:1", *ANY_PORTS)
    with pytest.raises(NoSuchRelease):
        rollback()
    assert deployer("rollback", cwd=project).code == NoSuchRelease.exit_code == 10
    ok(project, "up", "half_plus_two:2")
    unknown = deployer("rollback", "--to", "99", cwd=project)
    assert unknown.code == 10
    assert "deployer rollback half_plus_two --to 1" in unknown.err
    assert "2 (half_plus_two:2), 1 (half_plus_two:1)" in unknown.err
    read = project / "models/half_plus_two/1/fingerprint.pb"
    bytes_then = read.read_bytes()
    for others in (bytes_then[:-1], b""):
        assert_changed(read, others)
    read.write_bytes(bytes_then)
    manifest = project / "models/half_plus_two/1/assets.extra/manifest.json"
    assert_changed(manifest, manifest.read_bytes().replace(b'"digest": "', b'"digest": "0'))
    assert answer(served["endpoints"]) == ANSWERS[2]


def assert_changed(path, others):
    path.unlink()  # it may be one file with what it was exported from
    path.write_bytes(others)
    with pytest.raises(BrokenModel, match="half_plus_two:1 "):
        rollback()


def test_a_killed_command_and_a_down_are_in_the_history_and_outlive_the_servers(project):
    child = start("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    eventually(lambda: len(servers(project)) == 1, "the candidate started")
    child.kill()
    child.wait(60)
    ok(project, "up", "half_plus_two:2", *ANY_PORTS)
    ok(project, "down")
    assert history(project) == [
        ("create", [1], "interrupted"), ("create", [2], "succeeded"), ("remove", [2], "succeeded"),
    ]  # fmt: skip
    assert deployer("rollback", "half_plus_two", cwd=project).code == 10
