"""`render`: the files that `up` would give the server, or a file that starts its container without deployer."""

from __future__ import annotations

import dataclasses
import difflib
from pathlib import Path

from deployer.config import render as rendering
from deployer.config.spec import Spec
from deployer.engines import ENGINES
from deployer.engines.docker import blueprint
from deployer.errors import SettingRefused, UsageError
from deployer.results.deployment import Launch, Rendered
from deployer.rollout.desired import aim
from deployer.rollout.exporting import ExportOptions
from deployer.rollout.launch import launch, wanted_models
from deployer.rollout.workspace import Settings, Workspace, open_workspace
from deployer.system.files import write_atomically

CONFIG = "config"
STARTERS = {"compose": "compose.yaml", "docker-run": "docker-run.sh"}
"""What starts a container: the form's name, and the file's."""
FORMS = (CONFIG, *STARTERS)


def render(target: str | None = None, *, form: str = CONFIG, settings: Settings | None = None) -> Rendered:
    """For NAME[:VERSION] from the store, or for what `deployer.toml` says.

    `compose` and `docker-run` are what the Docker engine would start, and no engine is asked for them.
    Raises NoSuchModel, TemplateError, SettingRefused.
    """
    if form not in FORMS:
        near = difflib.get_close_matches(form, FORMS, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{form!r} is not a form to render", hint=f"{meant}there are {', '.join(FORMS)}")
    settings = settings or Settings()
    if form == CONFIG:
        _refuse_addresses(target, settings)
    workspace = open_workspace(dataclasses.replace(settings, engine="docker") if form in STARTERS else settings)
    spec = aim(workspace, target, ExportOptions())
    if form in STARTERS and spec.gateway.enabled:
        raise SettingRefused(
            f"a file of the form {form} has no gateway", hint="render it for an --env without [gateway]"
        )
    workspace = workspace.with_spec(spec).narrowed(spec.deployment)
    models = tuple(found.served for found in wanted_models(spec, workspace.store))
    request = launch(spec, workspace.engine, models)
    if form in STARTERS:
        return _starter(STARTERS[form], request, spec)
    return dataclasses.replace(request.rendered, notices=_engine_chosen(workspace))


def _engine_chosen(workspace: Workspace) -> tuple[str, ...]:
    """Whose paths the files have, where nobody named an engine."""
    if workspace.spec.engine != "auto":
        return ()
    name = workspace.engine.name
    other = next(engine for engine in ENGINES if engine != name)
    return (f"the paths are those of the {name} engine, which auto chose; DEPLOYER_ENGINE={other} renders the other's",)


def _refuse_addresses(target: str | None, settings: Settings) -> None:
    """The server's own files have no address in them. Raises UsageError."""
    given = {"--host": settings.host, "--rest-port": settings.rest_port, "--grpc-port": settings.grpc_port}
    unused = [option for option, value in given.items() if value is not None]
    starters = [" ".join(filter(None, ("deployer render", form, target))) for form in STARTERS]
    if unused:
        raise UsageError(
            f"{' and '.join(unused)}: the files of the form {CONFIG} have no address in them",
            hint=f"deployer render {target or CONFIG} needs none; {' and '.join(starters)} take one",
        )


def _starter(file: str, request: Launch, spec: Spec) -> Rendered:
    """The file, with the server's own in a folder beside it."""
    container = blueprint.owned(request, spec.docker, spec.models_dir.resolve(), f"./{CONFIG}")
    text = rendering.text(file, spec.templates_dir, container=container)
    return Rendered({file: text, **{f"{CONFIG}/{name}": text for name, text in request.rendered.files.items()}})


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
