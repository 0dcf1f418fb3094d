"""What a deploy shows while it runs: its phases, for people and for programs."""

from __future__ import annotations

import json
from itertools import pairwise

from support.cli import in_process

PHASES = [
    "checking files, signatures and memory",
    "starting a candidate on the memory engine",
    "verifying its answers over REST and gRPC",
]


def test_the_phases_of_a_deploy_are_json_lines_for_programs(project):
    ended = in_process("up", "m:1", "--progress", "json", "--json", cwd=project.directory)
    rows = [json.loads(line) for line in ended.err.splitlines()]
    assert (ended.code, json.loads(ended.out)["served_before"]) == (0, [])
    assert [row["action"] for row in rows if row["event"] == "phase"][:3] == PHASES
    assert all(before["seconds"] <= after["seconds"] for before, after in pairwise(rows))


def test_the_phases_of_a_deploy_are_lines_for_people_and_quiet_shows_none(project):
    ended = in_process("up", "m:1", cwd=project.directory)
    assert [f"… {phase}" for phase in PHASES] == [line for line in ended.err.splitlines() if line[2:] in PHASES]
    quiet = in_process("redeploy", "m", "--version", "2", "--quiet", cwd=project.directory)
    assert (quiet.code, "…" in quiet.err) == (0, False)


def test_a_format_that_is_unknown_is_refused(project):
    ended = in_process("up", "m:1", "--progress", "xml", cwd=project.directory)
    assert (ended.code, "json" in ended.err) == (2, True)


def test_the_last_line_but_the_endpoint_tells_what_served_before(project):
    in_process("up", "m:1", cwd=project.directory)
    ended = in_process("redeploy", "m", "--version", "2", cwd=project.directory)
    *_, summary, rest, grpc = ended.out.splitlines()
    assert summary.startswith("serving m:2 on memory after ")
    assert summary.endswith("; before: m:1")
    assert (rest.split()[0], grpc.split()[0]) == ("REST", "gRPC")
