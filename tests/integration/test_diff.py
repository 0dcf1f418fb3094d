"""`diff` of versions that real exports made."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS

from deployer.errors import ModelNotFound
from deployer.operations.diff import diff


def test_the_distance_of_two_models_is_measured_on_the_golden_questions(project: Path) -> None:
    ended = in_process("diff", "half_plus_two", "1", "2", "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err
    found = ended.json
    assert (found["breaking"], found["changes"], found["refused"]) == (False, [], [])
    (apart,) = found["distances"]
    assert (apart["signature"], apart["output"]) == ("serving_default", "y")
    assert apart["worst"] == pytest.approx(1.0, abs=1e-5)
    assert apart["mean"] == pytest.approx(1.0, abs=1e-5)
    assert apart["differing"] == apart["values"] > 0
    for side in ("before", "after"):
        assert found[side]["size_bytes"] > 0
        assert found[side]["milliseconds"] > 0
    same = in_process("diff", "half_plus_two", "1", "1", "--json", "-q", cwd=project).json["distances"][0]
    assert (same["worst"], same["differing"], same["detail"]) == (0.0, 0, "")


def test_a_breaking_version_ends_with_20_and_says_what_breaks(project: Path) -> None:
    source = MODELS / "text" / "1"
    assert in_process("export", str(source), "--name", "half_plus_two", "-q", cwd=project).code == 0
    ended = in_process("diff", "half_plus_two", "1", "4", cwd=project)
    assert ended.code == 20
    assert "serving_default  input x: float32[?] is gone" in ended.out
    found = in_process("diff", "half_plus_two", "1", "4", "--json", "-q", cwd=project).json
    gone = [each["breaking"] for each in found["changes"] if each["place"] == "input x"]
    assert (found["breaking"], gone, found["distances"]) == (True, [True], [])
    assert [refused.partition(":")[0] for refused in found["refused"]] == ["serving_default"]
    quick = in_process("diff", "half_plus_two", "1", "4", "--signatures", "--json", cwd=project)
    assert quick.code == 20
    assert quick.json["distances"] == []
    assert quick.json["before"]["milliseconds"] is None


def test_versions_that_are_not_there_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    for before, after in ((1, 9), (9, 1)):
        assert in_process("diff", "half_plus_two", str(before), str(after), cwd=project).code == 4
        with pytest.raises(ModelNotFound, match=r"\b9\b"):
            diff("half_plus_two", before, after)
