"""Changes of deployments whose servers have no store: the image is built of versions of the store first.

Without an image to build these are the changes of `rollout.change`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer import engines
from deployer.engines.docker.model_image.names import image_name
from deployer.results.changes import UpResult
from deployer.results.deployment import Deployment
from deployer.results.model import Model
from deployer.results.plan import Plan
from deployer.results.progress import Progress, no_progress
from deployer.results.steps import Step
from deployer.rollout import change as changing
from deployer.rollout import image_copies, image_source, lost_versions
from deployer.rollout.change import DesiredState
from deployer.rollout.damage import refuse_damaged
from deployer.rollout.expectation import Expectation
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import ONLY_RUNNING_TELLS
from deployer.rollout.kept_settings import keep_settings
from deployer.rollout.launch import check_settings
from deployer.rollout.notices import targets
from deployer.rollout.notices.collect import collect_notices
from deployer.rollout.preflight import check_platform
from deployer.rollout.preview import preview_models
from deployer.rollout.serving_note import note_what_serves
from deployer.rollout.workspace import Workspace

if TYPE_CHECKING:
    from deployer.rollout.built_image import Made

BASE = "docker.image"

# `built_image` imports Docker's SDK, which takes time: the functions that build import it.


def change(  # noqa: PLR0913
    workspace: Workspace,
    deployed: Deployment,
    desired: DesiredState,
    *,
    dry_run: bool,
    progress: Progress,
    reason: str = "",
) -> UpResult:
    """Bring a deployment to its desired state as `rollout.change.change` does, with an image where it needs one."""
    workspace = workspace.with_spec(desired(deployed)).for_deployment(deployed.name)
    if not workspace.engine.traits.in_image:
        return changing.change(workspace, deployed, desired, dry_run=dry_run, progress=progress, reason=reason)
    check_settings(workspace.spec, workspace.engine, workspace.origins)
    if dry_run:
        return preview(workspace, ExportOptions(), reason)
    with note_what_serves(workspace):
        made = _make(workspace, progress, reason)
        with image_source.held(workspace, made.reference, progress, deployed.name) as image:
            spec = image.spec
            result = changing.change(image, deployed, lambda _: spec, dry_run=False, progress=progress, reason=reason)
    image_copies.remove_unused(workspace)
    return dataclasses.replace(result, notices=(*_base_notices(workspace), *result.notices))


def builds(workspace: Workspace, deployed: Deployment) -> bool:
    """Return whether a change of a deployment builds another image: the store has all models that it serves."""
    names = set(workspace.store.names())
    in_image = workspace.for_deployment(deployed.name).engine.traits.in_image
    return in_image and {model.name for model in deployed.models} <= names


def preview(workspace: Workspace, options: ExportOptions, reason: str = "") -> UpResult:
    """Return the plan without executing it: nothing is exported, built or pushed."""
    from deployer.rollout import built_image

    built_image.check_repository(workspace)
    coming = _foresee(workspace, options, _observe(workspace))
    if not coming.reference:
        result = changing.preview(coming.workspace, options, reason)
        return dataclasses.replace(result, notices=(*_base_notices(workspace), *result.notices))
    with image_source.held(coming.workspace, coming.reference, no_progress, workspace.spec.deployment) as image:
        result = changing.preview(image, ExportOptions(), reason)
    return dataclasses.replace(result, notices=(*_base_notices(workspace), *result.notices))


def up(workspace: Workspace, options: ExportOptions, progress: Progress, *, expect: str | None = None) -> UpResult:
    """Export the sources of the spec, build and push the image of the versions, and deploy it.

    `expect` is the digest of the plan that may be executed. The digest of an image that is still to be built is not
    part of it: the name of the image, its versions and all settings are.
    """
    from deployer.rollout import built_image

    observed = _observe(workspace)
    expected = None if expect is None else _expect(workspace, options, observed, expect)
    before = workspace
    with note_what_serves(workspace), collect_notices() as notices, changing.exports_stay() as exported:
        built_image.check_repository(workspace)
        lost = lost_versions.served_without_files(workspace) if workspace.has_source else ()
        workspace = workspace.with_spec(changing.export_sources(workspace, options, progress, notices, exported))
        notices.extend(lost_versions.unload_notices(lost, [(model.name, model.version) for model in exported]))
        if expected is not None:
            expected.check_exports(exported)
        made = _make(workspace, progress)
        with image_source.held(workspace, made.reference, progress, workspace.spec.deployment) as image:
            expectation = None if expected is None else expected.of_image(image, made)
            result = changing.deploy(image, ExportOptions(), progress, expected=expectation)
    image_copies.remove_unused(workspace)
    new = {model.name: model.version for model in exported}
    notices.extend(targets.notices(before, result.models, observed, options.name, new))
    notices.extend(_base_notices(workspace))
    return dataclasses.replace(result, notices=(*notices, *result.notices))


def _base_notices(workspace: Workspace) -> tuple[str, ...]:
    """Return the notice about a base image that a variable or an option chooses: no deployment records it."""
    origins = workspace.origins
    if not origins.is_temporary(BASE):
        return ()
    image = workspace.spec.docker.image
    return (f"the image is built on {image}, as {origins.of(BASE)} says: a later command without it builds on another",)


def _make(workspace: Workspace, progress: Progress, reason: str = "") -> Made:
    """Build and push the image of the spec's versions, once it is known that the engine could run it."""
    from deployer.rollout import built_image

    built_image.check_repository(workspace)
    observed = _observe(workspace)
    check_platform(keep_settings(workspace, observed, of_file=bool(reason)))
    return built_image.of_stored(workspace, observed).make(progress)


def _observe(workspace: Workspace) -> Deployment | None:
    """Return the deployment as the change will find it."""
    return workspace.engine.foresee(workspace.spec.deployment, workspace.spec.env)


@dataclass(frozen=True)
class _Coming:
    """The image that a deploy would make: by which reference it can be deployed already, or the steps to that."""

    workspace: Workspace
    reference: str = ""
    image_id: str = ""
    """Empty if it is not known yet."""


def _foresee(workspace: Workspace, options: ExportOptions, observed: Deployment | None) -> _Coming:
    from deployer.rollout import built_image

    exports, resolved = preview_models(workspace, options)
    refuse_damaged(workspace, (model for each in resolved for model in each.models), every_file=True)
    served = tuple(each.served for each in resolved)
    if exports:
        engine, spec = engines.docker_engine(workspace.spec), workspace.spec
        name = built_image.own_name(image_name(spec.image.repository, engine.traits.project, spec.deployment, served))
        build = built_image.build_steps(workspace, name, missing=not engine.images.current().id)
        return _Coming(_unbuilt(workspace, name, (*build, *built_image.push_steps(workspace, name))))
    versions = {each.name: each.versions for each in served}
    models = {name: dataclasses.replace(each, versions=versions[name]) for name, each in workspace.spec.models.items()}
    built = built_image.of_stored(workspace.with_spec(dataclasses.replace(workspace.spec, models=models)), observed)
    if reference := built.reference():
        return _Coming(workspace, reference, built.image.id if built.image else "")
    return _Coming(_unbuilt(workspace, built.name, built.steps()), "", built.image.id if built.image else "")


def _unbuilt(workspace: Workspace, name: str, steps: tuple[Step, ...]) -> Workspace:
    """Return the workspace that deploys an image by the name that it will have."""
    docker = dataclasses.replace(workspace.spec.docker, image=name)
    named = workspace.with_container_settings(docker, workspace.spec.gateway, ())
    return dataclasses.replace(named, origins=image_source.with_target(workspace.origins), image_steps=steps)


@dataclass(frozen=True)
class _Expected:
    """A plan that was shown, before its sources are exported and its image is built."""

    coming: _Coming
    found: Expectation

    @property
    def plan(self) -> Plan:
        """The plan as it was shown."""
        return self.found.preview.plan_with_exports

    def check_exports(self, exported: Iterable[Model]) -> None:
        """Refuse exports that made other versions than were shown. Raises PlanOutdated."""
        exported = tuple(exported)
        new = {model.name: model.version for model in exported}
        self.found.check_sources(exported)
        for step in self.found.preview.exports:
            accepted = (step.version, None) if step.cause == ONLY_RUNNING_TELLS else (step.version,)
            if new.get(step.model) not in accepted:
                raise changing.outdated(self.plan)

    def of_image(self, image: Workspace, made: Made) -> Expectation:
        """Return the plan that follows, decided from the deployment as it was then. Raises PlanOutdated."""
        if self.coming.image_id not in ("", made.id) or self.coming.reference not in ("", made.reference):
            raise changing.outdated(self.plan)
        return changing.foresee(image, ExportOptions(), self.found.observed)


def _expect(workspace: Workspace, options: ExportOptions, observed: Deployment | None, digest: str) -> _Expected:
    """Return the plan that has this digest. Raises PlanOutdated if the plan is another."""
    coming = _foresee(workspace, options, observed)
    if coming.reference:
        with image_source.held(workspace, coming.reference, no_progress, workspace.spec.deployment) as image:
            expected = _Expected(coming, changing.foresee(image, ExportOptions(), observed))
    else:
        expected = _Expected(coming, changing.foresee(coming.workspace, options, observed))
    if expected.plan.digest != digest:
        raise changing.outdated(expected.plan)
    return expected
