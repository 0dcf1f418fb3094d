"""`render`: write the files that `up` gives the server, or a file that starts its container without deployer."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from pathlib import Path

from deployer.config import capabilities
from deployer.config.interpolation import variable_names
from deployer.config.options import LOCATION, Settings
from deployer.config.spec import Spec
from deployer.engines import ENGINES, RENDERED_BY
from deployer.errors import UsageError
from deployer.results.launch import Rendered
from deployer.results.served import ServedModel
from deployer.rollout import left_files, lost_versions
from deployer.rollout.desired import desired_spec
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.launch import build_launch, check_gpus, resolve_models
from deployer.rollout.notices import overrides
from deployer.rollout.render_target import RenderTarget, inherited_address, render_target, suggest_export
from deployer.rollout.setting_errors import name_origin
from deployer.rollout.targets import TO_RENDER
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.system.files import write_atomically

CONFIG = "config"
FORMS = (CONFIG, *RENDERED_BY, *capabilities.MANIFESTS)
DOCKERFILE = "dockerfile"
STARTING = tuple(form for form in RENDERED_BY if form != DOCKERFILE)
"""The forms that start a container, at an address."""


def render(
    target: str | None = None, *, form: str = CONFIG, settings: Settings | None = None, directory: bool = False
) -> Rendered:
    """Render the files for NAME[:VERSION] from the store, or for what `deployer.toml` lists.

    The forms `compose` and `docker-run` describe a container, also if another engine has the deployment. Host and ports
    are those of the deployment, as with `up`; if no engine answers, those of the settings, with a notice. `dockerfile`
    describes an image with the models inside. The forms `k8s` and `kserve` describe objects of a cluster, for a
    `directory` with an overlay of each environment.

    Raises EngineConflict, ModelNotFound, TemplateError, SettingRefused.
    """
    if form not in FORMS:
        near = difflib.get_close_matches(form, FORMS, n=1)
        suggestion = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{form!r} is not a form to render", hint=f"{suggestion}there are {', '.join(FORMS)}")
    settings = settings or Settings()
    if form in capabilities.MANIFESTS:
        from deployer.rollout.render_manifests import render_manifests

        return render_manifests(form, target, settings, directory=directory)
    if form not in STARTING:
        _refuse_addresses(target, settings, form)
    workspace = open_workspace(settings)
    with lost_versions.suggest_recovery(workspace, target, _command(form, "{}", workspace.up_options)):
        desired = desired_spec(workspace, target, ExportOptions(), TO_RENDER)
    if form in RENDERED_BY:
        capabilities.check(form, desired, workspace.origins)
    rendering = render_target(workspace.with_spec(desired))
    spec = rendering.workspace.spec
    with lost_versions.suggest_recovery(workspace), suggest_export(workspace, desired), name_origin(workspace):
        models = tuple(each.served for each in resolve_models(spec, workspace.store))
    if form in RENDERED_BY:
        with name_origin(rendering.workspace):
            check_gpus(spec)
        engine = ENGINES[RENDERED_BY[form]](spec)
        rendered = engine.render(form, build_launch(spec, engine, models))
        unused = capabilities.unused_variables(form, workspace.origins)
        of_start = (*_deployed_settings(rendering, desired), *_variables(spec, form)) if form in STARTING else ()
        notices = (*unused, *of_start)
    else:
        rendered = build_launch(spec, rendering.workspace.engine, models).rendered
        notices = tuple(_engine_choice(rendering.workspace))
    overridden = overrides.rendered_notices(tuple(overrides.rendered(form, desired, workspace.origins)))
    others = _other_versions(rendering, models, form, target)
    return dataclasses.replace(rendered, notices=(*overridden, *rendering.notices, *notices, *others))


def _deployed_settings(rendering: RenderTarget, desired: Spec) -> Iterator[str]:
    """Yield notices about the deployment: its address is rendered, and its image or gateway are not."""
    yield from rendering.workspace.kept.notices
    deployed = rendering.deployed
    if deployed is None:
        return
    running, rendered = deployed.image_name, rendering.workspace.spec.docker.image
    if running not in ("", rendered):
        origin = rendering.workspace.origins.of("docker.image")
        reason = f"as {origin} says" if origin else "the default"
        way = "docker.image in deployer.toml, or DEPLOYER_DOCKER_IMAGE, changes that"
        yield f"{rendered} is rendered, {reason}; {deployed.name} runs {running}: {way}"
    target = rendering.workspace.cli_target(deployed.name)
    yield from inherited_address(desired.server, rendering.workspace.spec.server, deployed, target)
    if deployed.gateway is not None and not rendering.workspace.spec.gateway.enabled:
        yield f"{deployed.name} is deployed with a gateway; the settings have none, and so up would remove it"


def _variables(spec: Spec, form: str) -> Iterator[str]:
    """Yield the notice about variables that a rendered file takes from the environment of its user."""
    if names := variable_names(spec.docker.environment.values()):
        way = "or docker compose --env-file FILE has values" if form == "compose" else "before you run it"
        yield f"the file has no value of {', '.join(names)}: export {' '.join(names)}, {way}"


def _other_versions(
    rendering: RenderTarget, models: tuple[ServedModel, ...], form: str, target: str | None
) -> Iterator[str]:
    """Yield a notice for each model of which another version is deployed, or a newer one is stored."""
    workspace = rendering.workspace
    deployed = {each.name: each for each in rendering.deployed.models} if rendering.deployed else {}
    for model in models:
        served, newest = deployed.get(model.name, model), workspace.store.versions(model.name)[-1]
        if (served.versions, served.labels) != (model.versions, model.labels):
            hint = _deployed_hint(workspace, form, served)
            yield f"{model} is rendered, which up would verify and serve; deployed is {served}: {hint}"
        if newest not in model.versions and target != f"{model.name}:{model.versions[-1]}":
            hint = _render_hint(workspace, form, model.name, newest)
            yield f"{model} is rendered, and the newest version is {newest}: {hint}"


def _deployed_hint(workspace: Workspace, form: str, served: ServedModel) -> str:
    """Return how to render what is deployed; labels and several versions can only be listed in `deployer.toml`."""
    if served.labels or len(served.versions) > 1:
        return f"models.{served.name}.versions and models.{served.name}.labels in deployer.toml render that"
    return _render_hint(workspace, form, served.name, served.versions[0])


def _render_hint(workspace: Workspace, form: str, name: str, version: int) -> str:
    """Return how to render another version: by a command, or in `deployer.toml` if it has labels for others."""
    if set(workspace.spec.models[name].labels.values()) - {version}:
        return f"list it under models.{name}.versions in deployer.toml"
    arguments = f"{workspace.cli_target(f'{name}:{version}')}{workspace.store_option}"
    return f"deployer render {form} {arguments} renders that"


def _engine_choice(workspace: Workspace) -> Iterator[str]:
    """Yield the notice about the engine whose paths the files have, if `auto` chose it."""
    if workspace.spec.engine != "auto":
        return
    name = workspace.engine.traits.name
    other = next(engine for engine in ENGINES if engine != name)
    yield f"the paths are those of the {name} engine, which auto chose; DEPLOYER_ENGINE={other} renders the other's"


def _refuse_addresses(target: str | None, settings: Settings, form: str) -> None:
    """Refuse options for an address, which neither the server's own files nor an image contain. Raises UsageError."""
    given = {"--host": settings.host, "--rest-port": settings.rest_port, "--grpc-port": settings.grpc_port}
    unused = [option for option, value in given.items() if value is not None]
    options = settings.typed("env", *LOCATION, "models_dir")
    starters = [_command(each, target, options) for each in STARTING]
    if unused:
        raise UsageError(
            f"{' and '.join(unused)}: the files of the form {form} have no address in them",
            hint=f"{_command(form, target, options)} needs none; {' and '.join(starters)} take one",
        )


def _command(form: str, target: str | None, options: str) -> str:
    words = (target or CONFIG,) if form == CONFIG else (form, target)
    return f"{' '.join(filter(None, ('deployer render', *words)))}{options}"


def write(rendered: Rendered, directory: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write the files into a directory, readable for the server's user, and return their paths.

    Raises UsageError, before anything is written, for a file that exists with another text, unless `force` is set.
    """
    paths = {directory / name: text for name, text in rendered.files.items()}
    if not force:
        _refuse_other_texts(paths)
    try:
        for path, text in paths.items():
            write_atomically(path, text)
            path.chmod(0o755 if path.suffix == ".sh" else 0o644)
        if (directory / CONFIG).is_dir():
            (directory / CONFIG).chmod(0o755)
    except OSError as error:
        raise UsageError(f"{directory} cannot be written to: {error}") from error
    return tuple(paths)


def with_files_left(rendered: Rendered, directory: Path) -> Rendered:
    """Return the files with a notice about those that an earlier render left in the directory."""
    left = left_files.notices(rendered.files, directory)
    return dataclasses.replace(rendered, notices=(*rendered.notices, *left))


def _refuse_other_texts(paths: dict[Path, str]) -> None:
    for path, text in paths.items():
        try:
            existing = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} exists and cannot be read: {error}", hint="choose another --out") from error
        if existing != text:
            raise UsageError(
                f"{path} exists with other contents", hint="--force overwrites it, or choose another --out"
            )
