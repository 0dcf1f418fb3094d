"""Renders manifests: of the chosen environment, or of all environments for kustomize. It asks no engine."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployer.config import capabilities, loader
from deployer.config.options import Settings
from deployer.config.spec import Spec
from deployer.engines.base import Traits
from deployer.engines.docker.names import MODELS_MOUNT
from deployer.errors import DeployerError, SettingRefused, UsageError
from deployer.manifests import kserve, layout
from deployer.manifests.objects import Manifest, objects
from deployer.manifests.workload import Workload, workload
from deployer.results.deployment import DEFAULT_ENV, ENV_VARIABLE
from deployer.results.launch import Rendered
from deployer.results.served import ResolvedModel
from deployer.rollout import lost_versions
from deployer.rollout.desired import desired_spec
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.launch import check_gpus, launch_with, resolve_models
from deployer.rollout.notices import overrides
from deployer.rollout.notices.overrides import Override
from deployer.rollout.render_target import stored_versions, suggest_export
from deployer.rollout.setting_errors import name_origin
from deployer.rollout.targets import TO_RENDER
from deployer.rollout.workspace import Workspace, open_workspace


@dataclass(frozen=True)
class Environment:
    """The manifests of an environment, with their namespace and the notices about them."""

    spec: Spec
    workload: Workload
    manifests: tuple[Manifest, ...]
    notices: tuple[str, ...]
    overrides: tuple[Override, ...]
    """The keys of the file that variables and options override."""

    @property
    def namespace(self) -> str | None:
        """The namespace of the objects; None if `kubectl` chooses it."""
        return self.spec.kubernetes.namespace


def render_manifests(form: str, target: str | None, settings: Settings, *, directory: bool) -> Rendered:
    """Return one document of the chosen environment, or a `directory` with a base and overlays.

    The base has the settings above the tables `[env.NAME]`; there is an overlay for each of these tables but
    `[env.local]`, which is for this machine. Raises ModelNotFound, SettingRefused, TemplateError, UsageError.
    """
    if not directory:
        rendered = _render(form, target, open_workspace(settings))
        overridden = overrides.rendered_notices(rendered.overrides)
        text = layout.document(rendered.manifests, rendered.namespace)
        return Rendered({f"{form}.yaml": text}, (*overridden, *rendered.notices))
    _refuse_environment(settings)
    base = _render(form, target, open_workspace(dataclasses.replace(settings, env=DEFAULT_ENV), with_overlay=False))
    overlays = {env: _overlay(form, target, settings, env) for env in _overlay_names(settings)}
    files = layout.directory(
        base.manifests,
        base.namespace,
        {env: (each.manifests, each.namespace) for env, each in overlays.items()},
    )
    everywhere = (base, *overlays.values())
    of_all = tuple(override for each in everywhere for override in each.overrides)
    where = "the base and all overlays" if overlays else ""
    notices = dict.fromkeys(note for each in everywhere for note in each.notices)
    return Rendered(files, (*overrides.rendered_notices(of_all, where), *notices, *_collisions(overlays)))


def _overlay_names(settings: Settings) -> tuple[str, ...]:
    return tuple(env for env in loader.environments(settings.config) if env != DEFAULT_ENV)


def _overlay(form: str, target: str | None, settings: Settings, env: str) -> Environment:
    try:
        return _render(form, target, open_workspace(dataclasses.replace(settings, env=env)))
    except DeployerError as error:
        error.message = f"[env.{env}]: {error.message}"
        error.args = (error.message,)
        raise


def _refuse_environment(settings: Settings) -> None:
    origin = "--env" if settings.env else ENV_VARIABLE if os.environ.get(ENV_VARIABLE) else ""
    if origin:
        raise UsageError(
            f"{origin} chooses one environment, and --out writes an overlay for each",
            hint="without --out, the manifests of one environment are printed",
        )


def _render(form: str, target: str | None, workspace: Workspace) -> Environment:
    with lost_versions.suggest_recovery(workspace, target, f"deployer render {form} {{}}{workspace.up_options}"):
        desired = desired_spec(workspace, target, ExportOptions(), TO_RENDER)
    workspace = workspace.with_spec(desired)
    capabilities.check(form, desired, workspace.origins)
    spec, exports = stored_versions(workspace, desired)
    with lost_versions.suggest_recovery(workspace), suggest_export(workspace, desired), name_origin(workspace):
        models = resolve_models(spec, workspace.store)
    if form == capabilities.KSERVE and not spec.kubernetes.image:
        _check_newest(workspace, models)
    with name_origin(workspace):
        check_gpus(spec)
    launch = launch_with(spec, _traits(spec, form), tuple(each.served for each in models))
    server = workload(spec, launch, models)
    manifests = tuple(objects(server)) if form == capabilities.K8S else (kserve.inference_service(server, spec),)
    variables = capabilities.unused_variables(form, workspace.origins)
    notices = (*exports, *variables, *_notices(form, spec, workspace, models))
    overridden = tuple(overrides.rendered(form, desired, workspace.origins))
    return Environment(spec, server, manifests, notices, overridden)


def _traits(spec: Spec, form: str) -> Traits:
    """Return the traits of a cluster: servers see the store where the manifests mount it."""
    return Traits(
        name=form,
        id="",
        project=spec.project or "",
        state_dir=spec.state_dir,
        zero_downtime=True,
        can_restart=True,
        models_mount=MODELS_MOUNT,
        image=spec.docker.image,
    )


def _notices(form: str, spec: Spec, workspace: Workspace, models: Sequence[ResolvedModel]) -> Iterator[str]:
    """Yield what a reader of the manifests would not expect."""
    settings, env = spec.kubernetes, spec.env
    for model in models:
        newest = workspace.store.versions(model.served.name)[-1]
        if newest not in model.served.versions:
            yield f"{model.served} is rendered, and the newest version is {newest}"
        if form == capabilities.KSERVE:
            yield f"KServe serves the highest version of {model.served.name} that it finds where the model is"
    if form == capabilities.KSERVE:
        return
    if settings.host is not None:
        yield _exposure(spec)
    if settings.smoke_image is None:
        yield "no Job verifies the Service: kubernetes.smoke_image is not set"
    if settings.replicas == 1:
        yield f"[{env}] has one server, and so no PodDisruptionBudget: a drain of its node interrupts service"


def _exposure(spec: Spec) -> str:
    """Return the notice that clients outside of the cluster reach the server, and what protects it."""
    settings = spec.kubernetes
    reached = f"[{spec.env}] clients reach the server at {settings.host}"
    if settings.gateway is not None:
        return f"{reached}: no token; TLS is that of the Gateway {settings.gateway}"
    return f"{reached}: {'' if settings.tls_secret else 'no TLS (kubernetes.tls_secret gives it), '}no token"


def _collisions(overlays: dict[str, Environment]) -> Iterator[str]:
    """Yield a notice for environments that would replace each other in one cluster."""
    first: dict[tuple[str | None, str], str] = {}
    for env, each in overlays.items():
        key = each.namespace, each.workload.name
        if key in first:
            yield (
                f"{first[key]} and {env} have the same name and namespace: in one cluster they would replace each "
                f"other; env.{env}.kubernetes.namespace tells them apart"
            )
        first.setdefault(key, env)


def _check_newest(workspace: Workspace, models: Sequence[ResolvedModel]) -> None:
    """Refuse a version that KServe would not choose. Raises SettingRefused."""
    for model in models:
        name, newest = model.served.name, workspace.store.versions(model.served.name)[-1]
        if newest not in model.served.versions:
            raise SettingRefused(
                f"models.{name}.versions: KServe serves the highest version in a directory, which is {newest}",
                hint=f"deployer render kserve {name}:{newest}, or kubernetes.image with that version alone",
            )
