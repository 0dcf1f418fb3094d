"""Requests for the load generator, and its run in this process."""

from __future__ import annotations

import asyncio
import time

from deployer.benchmark.generator import generate
from deployer.benchmark.job import Job, Measured

BODY = b'{"instances": [1.0]}'
REQUEST = (
    b"POST /v1/models/m:predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
) + BODY
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def measure(job: Job) -> Measured:
    """Send the load of a job from this process."""
    return asyncio.run(generate(job, time.perf_counter(), []))
