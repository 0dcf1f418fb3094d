"""What every command prints with `--json` follows its schema, and so do its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import schemas
from support.cli import ANY_PORTS, deployer
from support.world import MODELS

from deployer.cli.app import ALIASES, names

ELSEWHERE = {"image build", "image push", "scale"}
"""Commands that need Docker: their results are checked in tests/docker."""
GUARDED = '[env.guarded]\nengine = "docker"\n[env.guarded.gateway]\nenabled = true\ntokens = "tokens"\n'


def printed(project: Path, command: str, *arguments: str, code: int = 0) -> Any:
    ended = deployer(*command.split(), *arguments, "--json", cwd=project)
    assert ended.code == code, ended.err + ended.out
    schemas.check(command, ended.json)
    assert next(iter(ended.json)) == "schema"
    return ended.json


def test_every_command_prints_an_object_of_its_schema(empty_project: Path) -> None:
    run = [
        ("init", "--name", "half_plus_two"),
        ("export", str(MODELS / "half_plus_two" / "1"), "--name", "half_plus_two"),
        ("export", str(MODELS / "half_plus_two" / "2"), "--name", "half_plus_two"),
        ("versions",),
        ("inspect", "half_plus_two"),
        ("diff", "half_plus_two", "1", "2", "--signatures"),
        ("plan", "half_plus_two:1", *ANY_PORTS),
        ("render", "half_plus_two:1"),
        ("up", "half_plus_two:1", *ANY_PORTS, "--measure", "20"),
        ("redeploy", "half_plus_two", "--version", "2", "--keep-previous"),
        ("label", "half_plus_two", "canary=1"),
        ("rollback", "half_plus_two", "--dry-run"),
        ("status",),
        ("history",),
        ("logs", "--tail", "2"),
        ("smoke",),
        ("predict",),
        ("bench", "--duration", "0.2", "--warmup", "0"),
        ("unlock",),
        ("prune", "--dry-run"),
        ("token", "alice", "--env", "guarded"),
        ("token", "alice", "--env", "guarded", "--revoke"),
        ("doctor",),
        ("down", "half_plus_two"),
        ("down", "--all"),
    ]
    assert {command for command, *_ in run} | ELSEWHERE == {*names()} - {*ALIASES}
    for command, *arguments in run:
        code = 10 if (command, *arguments) == ("down", "--all") else 0
        printed(empty_project, command, *arguments, code=code)
        if command == "init":
            with (empty_project / "deployer.toml").open("a") as file:
                file.write(GUARDED)


@pytest.mark.parametrize("command", [name for name in names() if name not in ALIASES])
def test_wrong_usage_of_every_command_is_an_object_of_its_schema(tmp_path: Path, command: str) -> None:
    assert printed(tmp_path, command, "--no-such-option", code=2)["error"]["code"] == 2
