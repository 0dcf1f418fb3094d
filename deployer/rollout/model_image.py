"""An image with models inside: what it is built of, its name, and the verification of a server that runs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from deployer import engines
from deployer.config.spec import Gateway, Spec
from deployer.engines import compatibility
from deployer.engines.docker.engine import DockerEngine
from deployer.engines.docker.model_image.names import image_name
from deployer.errors import BrokenModel
from deployer.results.checks import Report
from deployer.results.deployment import LOOPBACK
from deployer.results.launch import Launch
from deployer.results.model import Model
from deployer.results.progress import Phase, Progress
from deployer.results.served import ServedModel
from deployer.rollout import lost_versions
from deployer.rollout.desired import desired_spec
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.gate import Gate
from deployer.rollout.launch import build_launch, resolve_models
from deployer.rollout.memory import MemoryReading
from deployer.rollout.readiness import attach_server_logs
from deployer.rollout.render_target import stored_versions, suggest_export
from deployer.rollout.targets import TO_RENDER
from deployer.rollout.workspace import Workspace
from deployer.system.files import chmod_command, first_unreadable

TRIAL_ENV = "image"
"""The environment of the server that verifies an image; its lock keeps two builds of one name apart."""


@dataclass(frozen=True)
class ImagePlan:
    """What an image is built of: versions of the store, in the launch that `up` would start."""

    workspace: Workspace
    engine: DockerEngine
    launch: Launch
    models: tuple[Model, ...]
    notices: tuple[str, ...] = ()

    @property
    def served(self) -> tuple[ServedModel, ...]:
        """The models as the server will serve them."""
        return self.launch.models

    def name(self, requested: str | None) -> str:
        """Return the name of the image, by default that of the settings. Raises InvalidValue."""
        spec = self.workspace.spec
        return image_name(requested or spec.image.repository, self.engine.traits.project, spec.deployment, self.served)

    def gate(self, progress: Progress) -> Gate:
        """Return the gate for a server of the image."""
        return Gate(self.workspace, self.launch, self.models, progress, MemoryReading(self.engine, None))


def plan_image(workspace: Workspace, target: str | None) -> ImagePlan:
    """Return what an image of NAME[:VERSION], or of all models of `deployer.toml`, is built of.

    What is deployed does not matter. Raises ModelNotFound, ConfigError, SettingRefused, TemplateError.
    """
    command = f"deployer {workspace.command} {{}}{workspace.up_options}"
    with lost_versions.suggest_recovery(workspace, target, command):
        desired = desired_spec(workspace, target, ExportOptions(), TO_RENDER)
        spec, notices = stored_versions(workspace, desired)
        with suggest_export(workspace.with_spec(spec), desired):
            plan = plan_of_stored(workspace.with_spec(spec))
    return dataclasses.replace(plan, notices=(*filter(None, notices), *_left_out(spec)))


def plan_of_stored(workspace: Workspace) -> ImagePlan:
    """Return what an image of the spec's versions, which the store has, is built of.

    Raises ModelNotFound, ConfigError, SettingRefused, TemplateError.
    """
    spec = workspace.spec
    engine = engines.docker_engine(dataclasses.replace(spec, gateway=Gateway()))
    workspace = dataclasses.replace(workspace, engines=(engine,))
    resolved = resolve_models(spec, workspace.store)
    launch = build_launch(spec, engine, tuple(each.served for each in resolved))
    return ImagePlan(workspace, engine, launch, tuple(model for each in resolved for model in each.models))


def check_models(plan: ImagePlan, progress: Progress) -> None:
    """Refuse versions that no server of the image could serve. Raises ModelError, VerificationFailed."""
    compatibility.check(plan.models, plan.engine.traits.tensorflow, plan.workspace.spec.server.flags)
    gate = plan.gate(progress)
    gate.check_files()
    gate.check_golden()
    for model in plan.models:
        if closed := first_unreadable(model.path, model.path.parent):
            raise BrokenModel(
                f"not every user may read {closed}: in an image, every user could",
                hint=f"{chmod_command(closed, model.path)}, if it may be in an image",
            )


def _left_out(spec: Spec) -> Sequence[str]:
    names = ", ".join(sorted(spec.docker.environment))
    return [f"the variables of docker.environment are not in the image: docker run --env sets {names}"] if names else []


def verify_image(plan: ImagePlan, image: str, progress: Progress) -> Report:
    """Start a server of the image, as it is, and verify it as a deploy does; then remove the server.

    Call it with the lock of TRIAL_ENV held. Raises NotReady, VerificationFailed, EngineError.
    """
    settings = dataclasses.replace(plan.workspace.spec.docker, image=image)
    engine = plan.engine.with_settings(settings, Gateway(), ())
    launch = dataclasses.replace(
        plan.launch, env=TRIAL_ENV, host=LOOPBACK, rest_port=0, grpc_port=0, in_image=True, traits=None
    )
    workspace = dataclasses.replace(plan.workspace, engines=(engine,))
    gate = dataclasses.replace(plan, workspace=workspace, engine=engine, launch=launch).gate(progress)
    progress(Phase("starting a server of the image"))
    try:
        candidate = engine.stage(launch)
        with attach_server_logs(engine, candidate):
            return gate.verify(candidate)
    finally:
        engine.remove(launch.name, TRIAL_ENV)
