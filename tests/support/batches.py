"""Requests for a batch, in the tests of the server's batching."""

from __future__ import annotations

import numpy as np

from deployer.server.batching.queue import Task


def task(*values: float) -> Task:
    return Task({"x": np.array(values, np.float32)}, len(values))
