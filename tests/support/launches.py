"""A launch and a deployment of small models, for tests of pure functions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from deployer.results.deployment import Deployment, Endpoints, Launch, Rendered, ServedModel

ONE = ServedModel("digits", (1,), (), ("aa",))
TWO = ServedModel("digits", (2,), (), ("bb",))
BOTH = ServedModel("digits", (1, 2), (), ("aa", "bb"))


def launch_of(*models: ServedModel, **changes: object) -> Launch:
    launch = Launch("digits", "local", "127.0.0.1", None, None, (), models, "/models", Rendered({}))
    return dataclasses.replace(launch, **changes)


def serving(*models: ServedModel, **changes: object) -> Deployment:
    deployment = Deployment(
        "digits", "local", "embedded", "r1", "serving", models, Endpoints("", ""), 8501, 8500,
        launch_of(*models).server_digest, "2026-01-01", True, 1, Path(),
    )  # fmt: skip
    return dataclasses.replace(deployment, **changes)
