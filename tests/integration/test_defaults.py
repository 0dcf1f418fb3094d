"""What `up` chooses by itself is said, and what options said is kept."""

from __future__ import annotations

import os
import shutil
import socket

import numpy
import pytest
from support.cli import ANY_PORTS, deployer, in_process
from support.deploying import up
from support.world import free_port, servers


def test_a_taken_port_is_said_with_the_process_that_has_it_and_once(project, monkeypatch):
    usual = free_port()
    monkeypatch.setattr("deployer.rollout.notices.defaults.REST_PORT", usual)
    monkeypatch.setattr("deployer.engines.embedded.launcher.REST_PORT", usual)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", usual))
        taken.listen()
        planned = in_process("plan", "half_plus_two:1", "--grpc-port", "0", "--json", cwd=project).json
        made = up(project, "half_plus_two:1", "--grpc-port", "0")
        again = up(project, "half_plus_two:1", "--grpc-port", "0")
    port = made["endpoints"]["rest"].rpartition(":")[2]
    (said,) = made["notices"]
    assert all(text in said for text in (f"port {usual} ", f"process {os.getpid()} ", port)), said
    assert str(usual) in planned["notices"][0]
    taken_again = [text for text in again["notices"] if f"port {usual} " in text]
    assert (again["endpoints"], taken_again) == (made["endpoints"], [])


@pytest.mark.parametrize("document", [False, True], ids=["without a document", "with that of init"])
def test_an_address_that_an_option_opened_stays_until_a_setting_closes_it(project, document):
    if document:
        assert in_process("init", "--name", "half_plus_two", cwd=project).code == 0
    opened = up(project, "half_plus_two:1", "--host", "0.0.0.0", *ANY_PORTS)
    assert any("other machines" in said for said in opened["notices"])
    assert up(project, "half_plus_two:1")["plan"]["change"] == "nothing"
    moved = in_process("redeploy", "half_plus_two", "--version", "2", "--json", cwd=project).json
    assert (moved["plan"]["change"], moved["endpoints"]) == ("reload", opened["endpoints"])
    assert any("other machines" in said for said in moved["notices"])
    (status,) = in_process("status", "--json", cwd=project).json["deployments"]
    assert (status["deployment"]["host"], "other machines" in status["warning"]) == ("0.0.0.0", True)
    closed = up(project, "half_plus_two:2", "--host", "localhost")
    assert (closed["plan"]["change"], closed["endpoints"]) == ("replace", opened["endpoints"])
    assert not any("reachable" in said for said in closed["notices"])
    assert up(project, "half_plus_two:2")["plan"]["change"] == "nothing"


def test_notices_are_the_last_lines_of_a_plan_and_of_a_deploy(project):
    for verb in ("plan", "up"):
        ended = deployer(verb, "half_plus_two:1", "--host", "::", *ANY_PORTS, cwd=project)
        assert ended.code == 0, ended.err
        assert "note: reachable from other machines" in ended.err


def test_a_server_that_was_killed_is_said_to_be_down_by_every_verb(project):
    up(project, "half_plus_two:1", *ANY_PORTS)
    healthy = in_process("status", "--exit-code", cwd=project)
    for server in servers(project):
        server.kill()
        server.wait(60)
    assert healthy.code == 0
    body = '{"instances": [1.0]}'
    for verb, code in ((("predict",), 7), (("predict", "--input", body), 7), (("smoke",), 7), (("logs",), 0)):
        ended = in_process(verb[0], "half_plus_two", *verb[1:], cwd=project)
        assert (ended.code, ended.err.count("is not running")) == (code, 1), ended.err
        assert "deployer up half_plus_two" in ended.err
        assert "refused" not in ended.err
    for arguments, code in (((), 0), (("--exit-code",), 7), (("half_plus_two", "--exit-code", "--json"), 7)):
        assert in_process("status", *arguments, cwd=project).code == code
    again = in_process("redeploy", "half_plus_two", "--version", "2", "--json", "-q", cwd=project)
    assert again.code == 0, again.err
    assert any("was not running" in said for said in again.json["notices"])
    assert in_process("status", "--exit-code", cwd=project).code == 0
    assert in_process("down", "half_plus_two", cwd=project).code == 0
    assert in_process("status", "--exit-code", cwd=project).code == 10


@pytest.mark.parametrize("harm", ["variables", "graph", "weights"])
def test_nothing_to_do_looks_at_the_files(project, harm):
    up(project, "text:1", *ANY_PORTS)
    version = project / "models" / "text" / "1"
    if harm == "variables":
        shutil.rmtree(version / "variables")
        damaged = "variables"
    elif harm == "graph":
        (version / "saved_model.pb").write_bytes(b"\0" + (version / "saved_model.pb").read_bytes())
        damaged = "saved_model.pb"
    else:
        file = next((version / "variables").glob("variables.data*"))
        before = file.stat()
        file.write_bytes(bytes(before.st_size))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        damaged = file.name
    ended = in_process("up", "text:1", cwd=project)
    assert ended.code == 4, ended.err
    assert damaged in ended.err
    assert "--force" in ended.err


def test_nothing_to_do_asks_the_server_a_question(project, monkeypatch):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    assert "answer" not in {check["name"] for check in first["report"]["checks"]}
    same = up(project, "half_plus_two:1")
    assert [(check["name"], check["ok"]) for check in same["report"]["checks"]] == [("status", True), ("answer", True)]
    monkeypatch.setattr("deployer.verification.parity.ask_rest", lambda *_: {"y": numpy.zeros(1)})
    ended = in_process("up", "half_plus_two:1", cwd=project)
    assert ended.code == 8, ended.err
    assert "deployer down half_plus_two" in ended.err
