"""The labels of a service with servers, and one of its tasks."""

from __future__ import annotations

import dataclasses
from typing import Any

from deployer.engines.swarm.inspection import Task

LABELS = {
    "project": "shop", "name": "digits", "env": "local", "role": "server", "release": "r1", "host": "0.0.0.0",
    "models": '[["digits", [1], [], ["d"]]]', "digest": "d", "rest_port": "8501", "grpc_port": "8500",
    "image": "sha256:1", "image_digest": "registry.example.com/digits@sha256:2", "image_name": "digits:1",
    "settings": '{"in_image": true}', "temporary": "[]", "flags": '[["a", "1"]]', "environment": '["A"]',
    "created": "1", "replicas": "3",
}  # fmt: skip
NAME = "deployer-shop-local-digits"


def task(state: str, desired: str = "running", **changes: Any) -> Task:
    return dataclasses.replace(Task("t", 1, "n1", state, desired), **changes)
