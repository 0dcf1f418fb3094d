"""What `status` and `predict` say after a reload from version 1 of half_plus_two to version 2 that was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.cli import in_process
from support.dying import AFTER, killed_at

NOT_SERVING = 7
BOTH_LOADED, OLD_UNLOADED = "reload", "record_models"
"""The steps of a reload before which both versions are loaded, and only the new one."""


def check_killed_reload(project: Path, step: str, **environ: str) -> None:
    """Kill a reload at that step. Version 1 must serve, as the only one, before and after."""
    redeploy = ("redeploy", "--version", "2")
    kinds = [each["kind"] for each in _run(project, *redeploy, "--dry-run")["plan"]["steps"]]
    assert killed_at(kinds.index(step) + 2, AFTER, *redeploy, "-q", cwd=project, **environ) == "step"
    healthy, detail = _status(project)
    assert not healthy
    assert "half_plus_two:2, which was not accepted, answers requests without a version" in detail
    assert ("half_plus_two:1 is not available" in detail) is (step == OLD_UNLOADED)
    asked = in_process("predict", cwd=project)
    assert (asked.code, "was killed at" in asked.err) == (0, True), asked.err
    assert "half_plus_two:2 answers, which was not accepted" in asked.err
    assert "half_plus_two:2 is asked" in asked.err
    assert in_process("predict", "--version", "1", cwd=project).code == (0 if step == BOTH_LOADED else 2)
    _run(project, "up", "half_plus_two:1")
    assert _status(project) == (True, "all versions are available")
    assert "killed" not in in_process("predict", cwd=project).err


def _run(project: Path, *arguments: str) -> Any:
    ended = in_process(*arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err + ended.out
    return ended.json


def _status(project: Path) -> tuple[bool, str]:
    """Whether the only deployment is healthy, with the detail; the exit code must say the same."""
    ended = in_process("status", "--exit-code", "--json", cwd=project)
    (found,) = ended.json["deployments"]
    assert ended.code == (0 if found["healthy"] else NOT_SERVING)
    return found["healthy"], found["detail"]
