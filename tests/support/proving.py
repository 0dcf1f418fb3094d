"""A version in a store and a server that is asked about it, for tests of the proof."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deployer.client.client import Client
from deployer.results.checks import Report
from deployer.results.model import GoldenSummary, Model, SavedModelInfo, Signature, Source
from deployer.verification import golden, smoke
from deployer.verification.golden import GoldenCase, Tolerance
from support.fake_model import Outputs, Served, half_plus_two, signature
from support.fake_server import FakeServer

REST = ["parity REST", "concurrent REST", "repeated REST"]
GRPC = ["parity gRPC", "concurrent gRPC", "repeated gRPC"]
ALL = ["status", "signatures", "source", *REST, *GRPC]


X = {"x": np.float32([1.0, 4.0])}
CASE = GoldenCase("serving_default", X, half_plus_two(X))


@dataclass
class World:
    """The version in the store, and the server that is asked about it."""

    directory: Path
    server: FakeServer
    client: Client

    def model(self, exported: Signature, summary: GoldenSummary, cases: list[GoldenCase]) -> Model:
        path = self.directory / golden.GOLDEN_FILE
        path.parent.mkdir(exist_ok=True)
        records = [golden.to_record(case) for case in cases]
        path.write_bytes(b"".join(struct.pack("<QI", len(data), 0) + data + bytes(4) for data in records))
        info = SavedModelInfo((exported,), ("serve",), "2.21.0", None, None, 1)
        return Model("m", 1, self.directory, "d", info, Source("keras", "m", None), summary, "now")

    def proof(self, served: Served, model: Model | None = None, tolerance: Tolerance | None = None) -> Report:
        self.server.rest, self.server.call = served.rest, served.call
        model = model or self.model(signature(), GoldenSummary(1, "made"), [CASE])
        return smoke.verify(self.client, [model], tolerance or Tolerance())


def failed(report: Report) -> list[str]:
    assert report.ok == (not report.failed)
    return [check.name for check in report.failed]


def another_model(inputs: Outputs) -> Outputs:
    return {"y": half_plus_two(inputs)["y"] + np.float32(1)}
