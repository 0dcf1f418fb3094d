"""A sample of every result, for the tests of what is printed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from deployer.results.bench import (
    BenchChange,
    BenchResult,
    BenchStage,
    FailureCount,
    LatencyBucket,
    LatencyFigures,
)
from deployer.results.changes import DownResult, TokenResult, UnlockResult, UpResult
from deployer.results.checks import Check, DoctorResult, Finding, MissingPackages, Report
from deployer.results.deployment import Deployment, Endpoints
from deployer.results.differences import DiffResult, Numbers, OutputDistance, SignatureChange, VersionFigures
from deployer.results.history import HistoryResult, Outcome, Release
from deployer.results.images import ImageBuilt, ImagePushed
from deployer.results.logs import LogLine
from deployer.results.model import GoldenSummary, Model, SavedModelInfo, Signature, Source, TensorSpec
from deployer.results.plan import Change, Plan
from deployer.results.running import DeploymentStatus, ModelState, SmokeResult
from deployer.results.served import ServedModel
from deployer.results.steps import StartCandidate
from deployer.results.traffic import PhaseFigures, TrafficFigures
from deployer.results.versions import ExportResult, InspectResult, PruneResult, VersionsResult

SIGNATURE = Signature("s", "predict", (TensorSpec("x", "float32", (None, 3)),), (TensorSpec("y", "string", None),))
MODEL = Model(
    name="m",
    version=2**63 - 1,
    path=Path("models/m/1"),
    digest="d",
    info=SavedModelInfo((SIGNATURE,), ("serve",), "2.21.0", None, None, 3 * 2**20),
    source=Source("keras", "m.keras", None),
    golden=GoldenSummary(3, "made", ("s/y",), ("t: no examples",)),
    created="2026-01-01T00:00:00Z",
)
SERVED = (ServedModel("m", (1, 2), (("stable", 1),), ("a", "b")), ServedModel("n", (7,)))
ENDPOINTS = Endpoints("http://127.0.0.1:8501", "127.0.0.1:8500")
DEPLOYMENT = Deployment(
    "m", "local", "embedded", "r", "serving", SERVED, ENDPOINTS, 8501, 8500, "d", "now", True, None, Path("run")
)
PROOF = Report((Check("status", "m:1", True, "AVAILABLE", 1.5), Check("parity REST", "m:1", False, "off", 2.0, 0.5)))
PLAN = Plan(Change.CREATE, "m [local]", (StartCandidate("nothing is deployed", ()),))
CHANGE = SignatureChange("s", "input x", breaking=True, detail="float32[?] is gone")
APART = OutputDistance("s", "y", None, None, 1, 2, "dtype string, not float32")
FIGURES = VersionFigures(1, 2**20, "2.21.0", None)
RELEASE = Release(
    7, "m", "local", "embedded", "create", SERVED, "me@here", "2026-01-01T00:00:00Z", 1.25, Outcome.FAILED, "why"
)
TRAFFIC = TrafficFigures(
    100.0,
    30,
    1,
    62.4,
    PhaseFigures(20, 0, 1.0, 2.0),
    PhaseFigures(9, 1, 1.5, 9.0),
    PhaseFigures(1, 0, None, None),
    "cut",
)
UP = UpResult("m", "local", "embedded", SERVED, ENDPOINTS, PLAN, PROOF)
DRY_RUN = UpResult("m", "local", "embedded", SERVED, None, PLAN, None)
STATUS = DeploymentStatus(DEPLOYMENT, (ModelState("m", 1, "AVAILABLE"),), True, "")
VERSIONS = VersionsResult((MODEL, MODEL))
INSPECT = InspectResult(MODEL, ("curl -d '{}'",))
BUILT = ImageBuilt("r.io/m:1", "sha256:1", "base:1", SERVED, 2**20, True, ("r.io/m@sha256:2",), PROOF, ("a note",))
PUSHED = ImagePushed("r.io/m:1", "sha256:1", "sha256:2", "r.io/m@sha256:2")
LATENCY = LatencyFigures(1.25, 2.0, 12.5, 20.0, 123.4, 1500.0, 3.0)
BUCKETS = (LatencyBucket(1.3, 60), LatencyBucket(21.0, 37))
REFUSED = FailureCount("HTTP 503", 3, "<b>busy</b>")
STAGE = BenchStage(
    "REST", 100.0, 64, 1.0, 100, 100.0, 97.0, 3, (REFUSED,), 2, 1, "y: off", LATENCY, BUCKETS, 0.2, 0.05, ""
)
CLOSED = dataclasses.replace(STAGE, api="gRPC", rate=None, clients=8, failed=0, failures=(), wrong=0, first_wrong="")
SLOWER = BenchChange("REST at 100/s", 1.0, 1.25, 10.0, 2.0, 98.0, 0.99, 0)
BENCH = BenchResult(
    "m", "local", "embedded", "m", 2, ENDPOINTS, 4, "golden set of m:2", "2026-01-01T00:00:00+00:00", 1.0,
    (STAGE, CLOSED), (SLOWER,), "before.json", Path("out.html")
)  # fmt: skip
RESULTS = [
    BENCH,
    SLOWER,
    REFUSED,
    STAGE,
    BUCKETS[0],
    LATENCY,
    BUILT,
    PUSHED,
    PROOF.checks[1],
    PROOF,
    Finding("docker engine", "error", "it does not answer", "start it"),
    MissingPackages("embedded engine", "error", "it needs h5py", "pip install h5py"),
    DoctorResult((Finding("disk", "ok", "enough"),)),
    ModelState("m", 1, "END", "no file"),
    ExportResult(MODEL, True),
    UP,
    DRY_RUN,
    DownResult("m", "local", "embedded", PLAN),
    STATUS,
    LogLine("a line", "2026-01-01T00:00:00Z"),
    SmokeResult("m", "local", ENDPOINTS, PROOF),
    VERSIONS,
    INSPECT,
    CHANGE,
    APART,
    FIGURES,
    Numbers(1, (APART,), (), 0.1, 0.2),
    DiffResult("m", FIGURES, FIGURES, True, (CHANGE,), (APART,), ("s: refused",)),
    RELEASE,
    HistoryResult((RELEASE,)),
    TRAFFIC.during,
    PruneResult((MODEL,), (MODEL,), True, ("the newest version",), Path("models")),
    TRAFFIC,
    UnlockResult("m", "local", "process 7 of me on here, since then", taken=False),
    TokenResult("alice", "secret", Path("tokens")),
]
