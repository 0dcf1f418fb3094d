"""`render`: the files that `up` would give the server, or a file that starts its container without deployer."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from pathlib import Path

from deployer.config.options import Settings
from deployer.config.spec import Spec
from deployer.engines import ENGINES, RENDERED_BY
from deployer.errors import SettingRefused, UsageError
from deployer.results.deployment import Rendered, ServedModel
from deployer.rollout.desired import desired_spec
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.launch import build_launch, resolve_models
from deployer.rollout.render_target import RenderTarget, inherited_address, render_target
from deployer.rollout.targets import TO_RENDER
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.system.files import write_atomically

CONFIG = "config"
FORMS = (CONFIG, *RENDERED_BY)


def render(target: str | None = None, *, form: str = CONFIG, settings: Settings | None = None) -> Rendered:
    """For NAME[:VERSION] from the store, or for what `deployer.toml` says: what `up` would start now.

    `compose` and `docker-run` are what the Docker engine would start, whichever engine has the deployment. Its address
    and ports stay as with `up`; where no engine answers, the settings alone count, and a notice says so.
    Raises EngineConflict, ModelNotFound, TemplateError, SettingRefused.
    """
    if form not in FORMS:
        near = difflib.get_close_matches(form, FORMS, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{form!r} is not a form to render", hint=f"{meant}there are {', '.join(FORMS)}")
    settings = settings or Settings()
    if form == CONFIG:
        _refuse_addresses(target, settings)
    workspace = open_workspace(settings)
    wanted = desired_spec(workspace, target, ExportOptions(), TO_RENDER)
    if form in RENDERED_BY and wanted.gateway.enabled:
        raise SettingRefused(
            f"a file of the form {form} has no gateway", hint="render it for an --env without [gateway]"
        )
    found = render_target(workspace.with_spec(wanted))
    spec = found.workspace.spec
    models = tuple(each.served for each in resolve_models(spec, workspace.store))
    if form in RENDERED_BY:
        engine = ENGINES[RENDERED_BY[form]](spec)
        rendered, own = engine.render(form, build_launch(spec, engine, models)), _address(found, wanted)
    else:
        rendered = build_launch(spec, found.workspace.engine, models).rendered
        own = _engine_chosen(found.workspace)
    return dataclasses.replace(rendered, notices=(*found.notices, *own, *_versions(found, models, form, target)))


def _address(found: RenderTarget, wanted: Spec) -> Iterator[str]:
    """What of the address was taken from the deployment; its image, and a gateway in front of it, where the files have
    another one or none.
    """
    if found.deployed is None:
        return
    running, rendered = found.deployed.image_name, wanted.docker.image
    if running not in ("", rendered):
        way = "docker.image in deployer.toml, or DEPLOYER_DOCKER_IMAGE, changes that"
        yield f"{rendered} is rendered, as docker.image says; {found.deployed.name} runs {running}: {way}"
    typed = found.workspace.cli_target(found.deployed.name)
    yield from inherited_address(wanted.server, found.workspace.spec.server, found.deployed, typed)
    if found.deployed.gateway is not None:
        yield f"{found.deployed.name} is deployed with a gateway; the settings have none, and so up would remove it"


def _versions(found: RenderTarget, models: tuple[ServedModel, ...], form: str, target: str | None) -> Iterator[str]:
    """Which versions are rendered, where that is a choice: others are deployed, or newer."""
    workspace, deployed = found.workspace, {each.name: each for each in found.deployed.models} if found.deployed else {}
    for model in models:
        there, newest = deployed.get(model.name, model), workspace.store.versions(model.name)[-1]
        if (there.versions, there.labels) != (model.versions, model.labels):
            how = f": {_how(workspace, form, model.name, there.versions[0])}" if len(there.versions) == 1 else ""
            yield f"{model} is rendered, which up would verify and serve; deployed is {there}{how}"
        if newest not in model.versions and target != f"{model.name}:{model.versions[-1]}":
            how = _how(workspace, form, model.name, newest)
            yield f"{model} is rendered, and the newest version is {newest}: {how}"


def _how(workspace: Workspace, form: str, name: str, version: int) -> str:
    """What renders another version: a command, unless labels of the document point elsewhere."""
    if set(workspace.spec.models[name].labels.values()) - {version}:
        return f"list it under models.{name}.versions in deployer.toml"
    return f"deployer render {form} {workspace.cli_target(f'{name}:{version}')} renders that"


def _engine_chosen(workspace: Workspace) -> Iterator[str]:
    """Whose paths the files have, where nobody named an engine."""
    if workspace.spec.engine != "auto":
        return
    name = workspace.engine.traits.name
    other = next(engine for engine in ENGINES if engine != name)
    yield f"the paths are those of the {name} engine, which auto chose; DEPLOYER_ENGINE={other} renders the other's"


def _refuse_addresses(target: str | None, settings: Settings) -> None:
    """The server's own files have no address in them. Raises UsageError."""
    given = {"--host": settings.host, "--rest-port": settings.rest_port, "--grpc-port": settings.grpc_port}
    unused = [option for option, value in given.items() if value is not None]
    starters = [" ".join(filter(None, ("deployer render", form, target))) for form in RENDERED_BY]
    if unused:
        raise UsageError(
            f"{' and '.join(unused)}: the files of the form {CONFIG} have no address in them",
            hint=f"deployer render {target or CONFIG} needs none; {' and '.join(starters)} take one",
        )


def write(rendered: Rendered, folder: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Put the files into a folder, where the server's user can read them. Raises UsageError, and then writes nothing.

    A file that is there with another text may be its owner's work: only `force` overwrites it.
    """
    paths = {folder / name: text for name, text in rendered.files.items()}
    if not force:
        _refuse_other_texts(paths)
    try:
        for path, text in paths.items():
            write_atomically(path, text)
            path.chmod(0o755 if path.suffix == ".sh" else 0o644)
        if (folder / CONFIG).is_dir():
            (folder / CONFIG).chmod(0o755)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written to: {error}") from error
    return tuple(paths)


def _refuse_other_texts(paths: dict[Path, str]) -> None:
    for path, text in paths.items():
        try:
            there = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is there and cannot be read: {error}", hint="choose another --out") from error
        if there != text:
            raise UsageError(
                f"{path} is there with another text", hint="--force overwrites it, or choose another --out"
            )
