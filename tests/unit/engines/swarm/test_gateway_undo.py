"""What becomes of a change of a gateway that was not accepted, and what an undo leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployer.engines.swarm.gateway import undo
from deployer.engines.swarm.gateway.undo import DIGEST, SETTINGS, TRIAL, Fate
from deployer.engines.swarm.inspection import Service

OLD, NEW = "i1.t1.k1.c1.a1", "i2.t2.k2.c2.a2"


def spec(digest: str, tokens: str = "", **labels: str) -> dict[str, Any]:
    number = digest[1]
    secrets = [mount("server.pem", f"pem{number}"), *([mount("tokens", tokens)] if tokens else [])]
    settings = json.dumps({"answer_seconds": number, "tokens": tokens or None})
    return {
        "Name": "gateway",
        "Labels": {DIGEST: digest, SETTINGS: settings, **labels},
        "TaskTemplate": {"ContainerSpec": {"Secrets": secrets}, "ForceUpdate": 0},
    }


def mount(file: str, name: str) -> dict[str, Any]:
    return {"SecretID": f"id-{name}", "SecretName": name, "File": {"Name": f"/gateway/{file}"}}


def changed(newer: str, older: str) -> Service:
    return Service("g", 1, spec(NEW, newer, **{TRIAL: "true"}), spec(OLD, older))


def test_an_undo_leaves_the_newer_tokens_and_the_older_rest():
    service = changed("alice", "alice-and-bob")
    left = undo.former(service)
    assert left is not None
    assert undo.keeps_tokens(service)
    assert left["TaskTemplate"]["ContainerSpec"]["Secrets"] == [mount("server.pem", "pem1"), mount("tokens", "alice")]
    assert left["TaskTemplate"]["ForceUpdate"] == 0
    assert left["Labels"][DIGEST] == "i1.t1.k2.c1.a1"
    assert json.loads(left["Labels"][SETTINGS]) == {"answer_seconds": "1", "tokens": "alice"}
    assert TRIAL not in left["Labels"]


@pytest.mark.parametrize(("newer", "older"), [("alice", "alice"), ("alice", ""), ("", "alice"), ("", "")])
def test_without_two_files_of_tokens_that_differ_an_undo_leaves_what_was_before(newer: str, older: str):
    service = changed(newer, older)
    assert undo.former(service) == service.previous
    assert not undo.keeps_tokens(service)


FATES = {
    "accepted": (Service("g", 1, spec(NEW), spec(OLD)), OLD, None),
    "desired": (changed("a", "b"), NEW, Fate.COMPLETE),
    "another is desired": (changed("a", "b"), OLD, Fate.UNDO),
    "unknown what is desired": (changed("a", "b"), None, Fate.UNDO),
    "a first gateway": (Service("g", 1, spec(NEW, **{TRIAL: "true"})), OLD, Fate.KEEP),
    "updated by another program": (
        Service("g", 1, spec(NEW, **{TRIAL: "true"}), spec(NEW, **{TRIAL: "true"})), OLD, Fate.KEEP,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FATES)
def test_a_change_that_is_wanted_or_cannot_be_undone_stays(case: str):
    service, desired, fate = FATES[case]
    assert undo.fate(service, desired) is fate
