"""The plan for an image with the models inside that the engine lacks: a plan pulls nothing."""

from __future__ import annotations

import dataclasses

from deployer import engines
from deployer.config.spec import SWARM, Gateway
from deployer.results.changes import UpResult
from deployer.results.plan import Change, Plan
from deployer.results.steps import PullImage
from deployer.rollout import image_source
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.workspace import Workspace

CAUSE = "the engine does not have it"
UNKNOWN = (
    "what else changes is not known until the engine has the image, which has the models, labels and flags inside; "
    "docker pull on that engine fetches it alone"
)


def preview(workspace: Workspace, reference: str, options: ExportOptions) -> UpResult | None:
    """Return the plan that pulls an image; None if the engine has it, and its models can be planned.

    Raises what `image_source.opened` raises for options and settings that do not go with an image, and EngineError.
    """
    image_source.check_options(workspace, reference, options)
    spec = workspace.spec
    docker = dataclasses.replace(spec.docker, image=reference)
    engine = engines.docker_engine(dataclasses.replace(spec, docker=docker, gateway=Gateway()))
    if engine.model_images.has(reference):
        return None
    name = SWARM if spec.engine == SWARM else engine.traits.name
    steps = (PullImage(CAUSE, reference),)
    plan = Plan(Change.PULL, options.name or reference, steps, engine=name)
    return UpResult(options.name or "", spec.env, name, (), None, plan, None, notices=(UNKNOWN,))
