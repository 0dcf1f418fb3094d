"""Ten thousand requests through good and bad changes: none fails, none is answered by a version that was not proven."""

from __future__ import annotations

import time
from pathlib import Path

from support.cli import ANY_PORTS, deployer, in_process
from support.load import load
from support.stores import record_files

from deployer.verification.traffic import WORKERS, Traffic

REQUESTS = 10_000
FLAGS = "[server.flags]\nrest_api_num_threads = {}\n"


def faults(traffic: Traffic) -> list[str]:
    return [sample.fault for sample in traffic.samples if sample.fault]


def code(project: Path, *arguments: str) -> int:
    return deployer(*arguments, "-q", cwd=project).code


def spoil(project: Path) -> None:
    """Version 4 answers otherwise than at export, 5 cannot be loaded, 6 breaks clients."""
    (project / "other.py").write_text(OTHER)
    for _ in range(3):
        assert in_process("export", "other.py:half_plus_two", "--force", "-q", cwd=project).code == 0
    model = project / "models" / "half_plus_two"
    golden = "assets.extra/golden.tfrecord"
    (model / "4" / golden).write_bytes((model / "1" / golden).read_bytes())
    (model / "5" / "variables" / "variables.index").write_bytes(b"broken")
    record_files(model / "4")
    record_files(model / "5")


OTHER = """
import tensorflow as tf

class Other(tf.Module):
    def __init__(self):
        self.factor = tf.Variable(7.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        return {"z": x * self.factor}

half_plus_two = Other()
"""


def test_ten_thousand_requests_through_good_and_bad_changes(project):
    spoil(project)
    up = deployer("up", "half_plus_two:1", *ANY_PORTS, "--json", "-q", cwd=project)
    with load(project, up.json["endpoints"], "half_plus_two", 1, 2, 3) as traffic:
        changes = {
            ("redeploy", "--version", "2"): 0,
            ("redeploy", "--version", "4", "--allow-breaking"): 8,
            ("redeploy", "--version", "5", "--allow-breaking"): 7,
            ("redeploy", "--version", "6"): 8,
            ("redeploy", "--version", "3", "--keep-previous"): 0,
            ("rollback",): 0,
            ("label", "half_plus_two", "canary=1"): 0,
        }
        assert {change: code(project, *change) for change in changes} == changes
        assert faults(traffic) == []
        for threads in (3, 5):
            (project / "deployer.toml").write_text(FLAGS.format(threads))
            assert code(project, "up", "half_plus_two:2") == 0
        interrupted = faults(traffic)
        while len(traffic.samples) < REQUESTS:
            for version in (1, 3):
                assert code(project, "redeploy", "--version", str(version)) == 0
                time.sleep(0.2)
    seen = traffic.figures()
    assert faults(traffic) == interrupted
    assert all(fault.startswith("gRPC ") for fault in interrupted)  # calls of a client that does not retry
    assert len(interrupted) <= 2 * WORKERS
    assert seen.requests >= REQUESTS
    assert sum(1 for release in deployer("history", "--json", cwd=project).json["releases"] if release) > len(changes)
