"""An embedded server that a signal has paused: it holds its ports and answers nothing, and `up` resumes it."""

from __future__ import annotations

import pytest
from support.cli import ANY_PORTS, deployer
from support.deploying import ask, refused, up
from support.world import servers

COMMANDS = {
    "nothing": ("up", "half_plus_two:1"),
    "reload": ("redeploy", "half_plus_two", "--version", "2"),
    "replace": ("up", "half_plus_two:1"),
}


@pytest.mark.parametrize("change", COMMANDS)
def test_a_paused_server_is_resumed_and_keeps_its_ports(project, change):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    if change == "replace":
        (project / "deployer.toml").write_text("[server.flags]\nrest_api_num_threads = 4\n")
    (server,) = servers(project)
    server.suspend()
    planned = deployer(*COMMANDS[change], "--dry-run", "--json", cwd=project).json
    assert any("its server is paused" in notice for notice in planned["notices"])
    changed = deployer(*COMMANDS[change], "--json", "-q", cwd=project)
    assert changed.code == 0, changed.err
    assert changed.json["plan"]["digest"] == planned["plan"]["digest"]
    assert (changed.json["plan"]["change"], changed.json["endpoints"]) == (change, first["endpoints"])
    assert any("paused, and is resumed" in notice for notice in changed.json["notices"])
    assert ask(first["endpoints"], 2.0) == (4.0 if change == "reload" else 3.0)
    assert len(servers(project)) == 1


def test_status_and_questions_say_that_a_server_is_paused_and_down_ends_it(project):
    up(project, "half_plus_two:1", *ANY_PORTS)
    (server,) = servers(project)
    server.suspend()
    shown = deployer("status", "--exit-code", cwd=project)
    assert (shown.code, "paused" in shown.out, "resumes it" in shown.err) == (7, True, True), shown.out + shown.err
    (seen,) = deployer("status", "--json", cwd=project).json["deployments"]
    assert (seen["healthy"], seen["deployment"]["running"], seen["deployment"]["paused"]) == (False, True, True)
    for command in ("smoke", "predict"):
        refused(deployer(command, "half_plus_two", cwd=project), 7, "its server is paused", "resumes it")
    assert deployer("down", "half_plus_two", "-q", cwd=project).code == 0
    assert servers(project) == []
