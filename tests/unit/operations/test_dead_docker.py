"""A Docker Engine that was asked for and does not answer: the hint leads back to one that has the deployment."""

from __future__ import annotations

import hashlib
import json
import os
import re

import pytest
from support.cli import in_process
from support.fake_engine import fake_engine

from deployer.engines.docker import api, context, host

NOTHING_THERE = {"/containers/json": [], "/networks": [], "/volumes": {"Volumes": []}}
VERBS = ("down", "logs", "status", "predict", "smoke", "redeploy", "rollback")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose deployment `net` is on Docker; the usual engine answers, and has nothing."""
    for name in [*filter(lambda name: name.startswith(("DOCKER_", "DEPLOYER_")), os.environ)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    home = tmp_path / "shop"
    (home / ".deployer" / "docker" / "local@shop" / "net").mkdir(parents=True)
    (home / "deployer.toml").write_text("")
    with fake_engine(answers=NOTHING_THERE) as address:
        monkeypatch.setattr(context, "DEFAULT_ADDRESS", address)
        yield home


def make_context(project, address):
    config = project.parent / "config"
    meta = config / "contexts" / "meta" / hashlib.sha256(b"lab").hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": "lab", "Endpoints": {"docker": {"Host": address}}}))
    return config / "config.json"


def ask_for(how, project, monkeypatch, address):
    """Ask for the engine at that address."""
    if how == "docker.host":
        (project / "deployer.toml").write_text(f'docker.host = "{address}"\n')
    elif how == "DOCKER_HOST":
        monkeypatch.setenv("DOCKER_HOST", address)
    elif how == "DOCKER_CONTEXT":
        make_context(project, address)
        monkeypatch.setenv("DOCKER_CONTEXT", "lab")
    else:
        make_context(project, address).write_text('{"currentContext": "lab"}')


def follow(hint, project, monkeypatch):
    """Do what the hint says, short of starting an engine."""
    found = re.search(r"start it, or (.*?); docker context ls", hint)
    assert found, hint
    match found[1].split():
        case ["unset", variable]:
            monkeypatch.delenv(variable)
        case ["take", "docker.host", "out"]:
            (project / "deployer.toml").write_text("")
        case ["docker", "context", "use", "default"]:
            (project.parent / "config" / "config.json").write_text('{"currentContext": "default"}')
        case other:
            pytest.fail(f"no command: {other}")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("how", ["DOCKER_HOST", "DOCKER_CONTEXT", "docker context use", "docker.host"])
def test_the_hint_leads_to_an_engine_that_answers(project, monkeypatch, how, verb):
    ask_for(how, project, monkeypatch, f"unix://{project}/gone.sock")
    ended = in_process(verb, "net", cwd=project)
    assert (ended.code, "gone.sock" in ended.err) == (6, True), ended.err
    assert "embedded" not in ended.err
    follow(ended.err, project, monkeypatch)
    after = in_process(verb, "net", cwd=project)
    assert "gone.sock" not in after.err
    assert after.code == 10 or verb == "down"  # which takes a lock on the engine, more than this one can


@pytest.mark.parametrize("verb", ["down", "logs", "redeploy"])
def test_the_embedded_engine_is_offered_for_what_is_not_on_docker(project, monkeypatch, verb):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{project}/gone.sock")
    ended = in_process(verb, "other", cwd=project)
    assert (ended.code, "--engine embedded" in ended.err) == (6, True)
    assert in_process(verb, "other", "--engine", "embedded", cwd=project).code == 10


def test_the_usual_engine_that_has_gone_is_to_be_started(project, monkeypatch):
    monkeypatch.setattr(context, "DEFAULT_ADDRESS", f"unix://{project}/gone.sock")
    ended = in_process("down", "net", cwd=project)
    assert (ended.code, "systemctl start docker" in ended.err, "embedded" in ended.err) == (6, True, False)


def test_doctor_asks_an_engine_that_does_not_answer_once_and_reports_that_once(project, monkeypatch):
    attempts = []

    def connect(address, *more):
        attempts.append(address)
        return api.connect(address, *more)

    monkeypatch.setattr(host, "connect", connect)
    ask_for("docker.host", project, monkeypatch, f"unix://{project}/gone.sock")
    ended = in_process("doctor", "--engine", "docker", "--json", cwd=project)
    failed = [each["check"] for each in ended.json["findings"] if "gone.sock" in each["message"]]
    assert (ended.code, failed, len(attempts)) == (6, ["docker engine"], 1), ended.out
