"""The embedded engine has no containers: it needs no secrets of them, and keeps none."""

from __future__ import annotations

from support.cli import ANY_PORTS, deployer
from support.leaks import files_with, outputs_with

CANARY = "c4n4ry"
COMMANDS = ("up --json", "inspect half_plus_two --json", "history --json", "status", "logs", "down")
DOCUMENT = """
env_file = "secret.env"
[models.half_plus_two]
versions = [1]
[docker.environment]
API_KEY = "${API_KEY}"
"""


def test_what_is_for_containers_is_nowhere(project, monkeypatch):
    (project / "deployer.toml").write_text(DOCUMENT)
    (project / "secret.env").write_text(f"API_KEY={CANARY}\n")
    done = [deployer("up", "-v", *ANY_PORTS, cwd=project)]
    (project / "secret.env").write_text("")
    done += [deployer(*command.split(), cwd=project) for command in COMMANDS]
    assert [ended.code for ended in done] == [0] * len(done), [ended.err for ended in done]
    assert outputs_with(done, [CANARY]) == []
    assert files_with(project, [CANARY]) == []
