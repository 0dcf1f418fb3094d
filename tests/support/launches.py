"""A launch and a deployment of small models, for tests of pure functions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from deployer.results.deployment import Deployment, Endpoints
from deployer.results.launch import Launch, Rendered
from deployer.results.plan import Plan
from deployer.results.served import ServedModel
from deployer.results.steps import Promote

ONE = ServedModel("digits", (1,), (), ("aa",))
TWO = ServedModel("digits", (2,), (), ("bb",))
BOTH = ServedModel("digits", (1, 2), (), ("aa", "bb"))

APART = ["StartCandidate", "VerifyCandidate", "DiscardCandidate"]
RELOAD = ["LoadVersions", "Reload"]
ACCEPTED = ["VerifyServing", "RecordModels"]
"""Steps of a plan, by kind."""


def launch_of(*models: ServedModel, **changes: object) -> Launch:
    launch = Launch("digits", "local", "127.0.0.1", None, None, (), models, "/models", Rendered({}))
    return dataclasses.replace(launch, **changes)


def serving(*models: ServedModel, **changes: object) -> Deployment:
    deployment = Deployment(
        "digits", "local", "embedded", "r1", "serving", models, Endpoints("", ""), 8501, 8500,
        launch_of(*models).server_digest, "2026-01-01", True, 1, Path(),
    )  # fmt: skip
    return dataclasses.replace(deployment, **changes)


def kinds(decided: Plan) -> list[str]:
    """The kinds of all steps, in their order."""
    return [type(step).__name__ for step in decided.all_steps]


def promotion(decided: Plan) -> Promote:
    """The only promotion of a plan."""
    (found,) = [step for step in decided.steps if isinstance(step, Promote)]
    return found
