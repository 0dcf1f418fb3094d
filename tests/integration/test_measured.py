"""`--measure`, `--max-failures`, `--max-gap`: what clients notice of a change is told, kept, and judged."""

from __future__ import annotations

import json
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, Ended, deployer, in_process
from support.stores import record_files
from support.world import MODELS, eventually, servers

from deployer.savedmodel.layout import GOLDEN_FILE, MANIFEST_FILE
from deployer.verification import golden

RATE = 150
FLAGS = "[server.flags]\nrest_api_num_threads = 4\n[models.half_plus_two]\nversions = [2]\n"


def change(project: Path, *arguments: str) -> Ended:
    return deployer(*arguments, "--measure", str(RATE), "--json", "-q", cwd=project)


def traffic(project: Path, number: int = 0) -> dict:
    return deployer("history", "--json", cwd=project).json["releases"][number]["traffic"]


def spoil(project: Path, version: int, name: str) -> None:
    """That file of a version is version 1's."""
    model = project / "models" / "half_plus_two"
    (model / str(version) / name).write_bytes((model / "1" / name).read_bytes())
    record_files(model / str(version))


@pytest.fixture
def served(project):
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err
    return project


def test_good_changes_cost_no_request(served):
    """A change of flags, the last one here, may cost gRPC calls that clients do not retry; the plan says so."""
    done = [
        change(served, "redeploy", "--version", "2"),
        change(served, "redeploy", "--version", "3", "--keep-previous"),
        change(served, "rollback"),
    ]
    (served / "deployer.toml").write_text(FLAGS)
    done.append(change(served, "up"))
    assert [ended.code for ended in done] == [0, 0, 0, 0], [ended.err for ended in done]
    kinds = [ended.json["plan"]["change"] for ended in done]
    assert kinds == ["reload", "reload", "reload", "replace"]
    assert done[-1].json["traffic"]["first_failure"][:5] in ("", "gRPC ")
    for number, ended in enumerate(reversed(done)):
        seen = ended.json["traffic"]
        assert seen == traffic(served, number)
        assert number == 0 or (seen["failures"], seen["first_failure"]) == (0, "")
        assert min(seen[phase]["requests"] for phase in ("before", "after")) > 10
        assert seen["requests"] == sum(seen[phase]["requests"] for phase in ("before", "during", "after"))
    assert sum(ended.json["traffic"]["during"]["requests"] for ended in done) > 0


def only_examples(version: Path) -> None:
    """Leave of a golden set what is asked by classify and regress, as in an Estimator's."""
    cases = [case for case in golden.read(version) if case.method != "predict"]
    assert {case.method for case in cases} == {"classify", "regress"}
    records = [golden.to_record(case) for case in cases]
    framed = b"".join(struct.pack("<QI", len(record), 0) + record + bytes(4) for record in records)
    (version / GOLDEN_FILE).write_bytes(framed)
    manifest = version / MANIFEST_FILE
    said = json.loads(manifest.read_text())
    said["golden"]["cases"] = len(cases)
    manifest.write_text(json.dumps(said))
    record_files(version)


def test_models_that_classify_and_regress_are_measured_too(project):
    for version in ("1", "2"):
        exported = in_process("export", str(MODELS / "examples" / "1"), "--name", "rows", "--force", "-q", cwd=project)
        assert exported.code == 0, exported.err
        only_examples(project / "models" / "rows" / version)
    assert deployer("up", "rows:1", *ANY_PORTS, "-q", cwd=project).code == 0
    ended = change(project, "redeploy", "rows")
    assert ended.code == 0, ended.err
    seen = ended.json["traffic"]
    assert (seen["failures"], seen["first_failure"]) == (0, "")
    assert min(seen[phase]["requests"] for phase in ("before", "during", "after")) > 10


def test_bad_changes_cost_no_request_and_leave_what_served(served):
    spoil(served, 2, "assets.extra/golden.tfrecord")
    broken = served / "models" / "half_plus_two" / "3"
    (broken / "variables" / "variables.index").write_bytes(b"broken")
    record_files(broken)
    for version, code in ((2, 8), (3, 7)):
        ended = change(served, "redeploy", "--version", str(version))
        assert ended.code == code, ended.err
        seen = traffic(served)
        assert (seen["failures"], seen["first_failure"], seen["during"]["requests"]) == (0, "", 0)
        assert seen["requests"] > RATE / 2
    assert deployer("status", "--json", cwd=served).json["deployments"][0]["deployment"]["models"][0]["versions"] == [1]


def test_nothing_is_taken_back_to_a_server_that_has_died_meanwhile(served):
    """Clients notice that, more than they were allowed to; but what was proven serves, and nothing else could."""
    (served / "deployer.toml").write_text(FLAGS)
    (first,) = servers(served)
    wanted = ("up", "--measure", str(RATE), "--max-failures", "0", "--json")
    with ThreadPoolExecutor(1) as aside:
        changing = aside.submit(deployer, *wanted, cwd=served)
        eventually(lambda: len(servers(served)) == 2, "a candidate is there")
        first.kill()
        ended = changing.result()
    assert ended.code == 0, ended.err
    assert any("there is no rollback: the old server has exited" in said for said in ended.json["notices"])
    assert ended.json["traffic"]["failures"] > 0
    (second,) = servers(served)
    assert second.pid != first.pid
    assert deployer("smoke", cwd=served).code == 0


def test_a_change_that_clients_notice_is_taken_back(served):
    ended = change(served, "redeploy", "--version", "2", "--max-gap", "0.001")
    assert ended.code == 1
    assert "the models were rolled back: no answer came for" in ended.json["error"]["message"]
    assert deployer("status", "--json", cwd=served).json["deployments"][0]["deployment"]["models"][0]["versions"] == [1]
    assert traffic(served)["failures"] == 0
    kept = change(served, "redeploy", "--version", "2", "--max-failures", "0")
    assert (kept.code, kept.json["models"][0]["versions"]) == (0, [2])
