"""Deployments of an image with the models inside, by its digest: what `up REPOSITORY@sha256:...` deploys.

The golden sets are needed here, so the models are copied out of the image: STATE_DIR/images/ID/models has the layout of
a store. The server itself uses the image alone, and no directory is mounted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deployer import engines
from deployer.config.fields import option_name
from deployer.config.flags import Value, parse_flags
from deployer.config.origins import Origins
from deployer.config.spec import SWARM, Gateway, ModelSpec, Spec
from deployer.engines.docker.model_image.labels import Contents
from deployer.engines.run_dir import IMAGES_DIR
from deployer.errors import BrokenModel, EngineError, InvalidValue, ModelError, SettingRefused, UsageError
from deployer.results.deployment import Deployment
from deployer.results.progress import Phase, Progress, no_progress
from deployer.rollout import image_copies
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.targets import STORED
from deployer.rollout.workspace import Workspace
from deployer.store.integrity import find_damage
from deployer.store.manifest import compute_digest
from deployer.store.store import Store
from deployer.system.locks import directory_lock

if TYPE_CHECKING:
    from deployer.engines.docker.engine import DockerEngine

MODELS = "models"
STAGE_PREFIX = ".stage-"
LOCK_WAIT_SECONDS = 600.0
BUILT_IN = ("batching", "monitoring")
"""Tables that an image has in its configuration."""


@contextmanager
def opened(
    workspace: Workspace, reference: str, progress: Progress, options: ExportOptions | None = None
) -> Iterator[Workspace]:
    """Hold the copy of an image's models, and yield the workspace that deploys the image.

    The image is pulled if the engine lacks it. Raises EngineError for one without usable labels, BrokenModel for models
    that differ from them, SettingRefused and UsageError for settings that an image has inside.
    """
    options = options or ExportOptions()
    check_options(workspace, reference, options)
    with held(workspace, reference, progress, options.name, linked=False) as image:
        yield image


@contextmanager
def held(
    workspace: Workspace, reference: str, progress: Progress, name: str | None = None, *, linked: bool = True
) -> Iterator[Workspace]:
    """Do as `opened` does for an image that the options and settings of the command have made or may have made.

    With `linked`, what the store has is linked from there: of an image from elsewhere, that would compare nothing.
    """
    try:
        with _held(workspace, reference, progress, name, linked=linked) as image:
            yield image
    finally:
        image_copies.remove_unused(workspace)


@contextmanager
def _held(
    workspace: Workspace, reference: str, progress: Progress, name: str | None, *, linked: bool
) -> Iterator[Workspace]:
    spec = _with_image(workspace.spec, reference)
    store = workspace.spec.models_dir
    engine = engines.docker_engine(_for_images(spec), store_dir=store)
    engine.images.pull(progress)
    contents = engine.model_images.contents(reference)
    _check_settings(workspace, reference, contents)
    flags = _flags(reference, contents)
    directory = _copy_dir(spec, engine.model_images.id(reference))
    with directory_lock(directory, f"the copy of {reference}", LOCK_WAIT_SECONDS):
        trusted = workspace.store if linked else None
        spec = _ensure_copy(engine, spec, reference, contents, directory, progress, trusted)
        models = {
            model.name: ModelSpec(versions=model.versions, labels=dict(model.labels)) for model in contents.models
        }
        server = dataclasses.replace(spec.server, flags=flags)
        spec = dataclasses.replace(spec, name=name or contents.name, models=models, server=server)
        yield dataclasses.replace(
            workspace,
            spec=spec,
            engines=(engines.image_engine(spec, store),),
            origins=with_target(workspace.origins),
            image_tables=contents.tables,
        )


def serving(workspace: Workspace, deployment: Deployment) -> Workspace:
    """Return the workspace with the models that a deployment serves: those of its image, if it has them inside.

    Copies them again if the copy is lost. Raises EngineError, BrokenModel.
    """
    if not deployment.in_image or deployment.store is None:
        return workspace
    if not deployment.store.is_dir():
        reference = deployment.image_name if deployment.nodes else deployment.image_id
        spec = dataclasses.replace(_with_image(workspace.spec, reference), state_dir=_state_dir(deployment))
        engine = engines.docker_engine(_for_images(spec), store_dir=workspace.spec.models_dir)
        engine.images.pull(no_progress)
        contents = engine.model_images.contents(reference)
        with directory_lock(deployment.store.parent, f"the copy of {deployment.image_name}", LOCK_WAIT_SECONDS):
            _ensure_copy(engine, spec, reference, contents, deployment.store.parent, no_progress, workspace.store)
    return workspace.with_spec(dataclasses.replace(workspace.spec, models_dir=deployment.store))


def serving_model(workspace: Workspace, target: str) -> Workspace:
    """Return the workspace with the models of an image where NAME[:VERSION] is served from one, not from the store."""
    match = STORED.fullmatch(target)
    if match is None or match["name"] in workspace.store.names():
        return workspace
    for engine in workspace.engines:
        with contextlib.suppress(EngineError):
            for deployment in engine.inventory.observe_all():
                names = {model.name for model in deployment.models if deployment.in_image}
                if deployment.env == workspace.spec.env and match["name"] in names:
                    return serving(workspace, deployment)
    return workspace


def refuse_change(deployment: Deployment, command: str) -> None:
    """Refuse to change the versions or labels of a deployment that has them in its image. Raises UsageError."""
    if deployment.in_image:
        raise UsageError(
            f"{command}: {deployment.name} [{deployment.env}] runs {deployment.image_reference}, which has its "
            "versions and labels inside",
            hint="deployer image build and image push make another image; deployer up REPOSITORY@sha256:... deploys it",
        )


def check_options(workspace: Workspace, reference: str, options: ExportOptions) -> None:
    """Refuse options that an image leaves no choice of. Raises UsageError, SettingRefused."""
    defaults = dataclasses.replace(ExportOptions(), name=options.name)
    given = [
        option_name(ExportOptions, each.name)
        for each in dataclasses.fields(options)
        if getattr(options, each.name) != getattr(defaults, each.name)
    ]
    settings = workspace.settings
    given += ["--image"] * (settings.image is not None) + ["--models-dir"] * (settings.models_dir is not None)
    if given:
        raise UsageError(f"{given[0]} does not go with an image, {reference}", hint="the image has the models inside")
    if workspace.spec.engine == "embedded":
        raise SettingRefused(
            "engine: the embedded engine runs no containers, and so no image", hint="--engine docker deploys it"
        )


def _check_settings(workspace: Workspace, reference: str, contents: Contents) -> None:
    """Refuse settings of the server that an image has inside, unless they are the same. Raises SettingRefused."""
    hint = "deployer image build makes an image with it; or deploy with an --env that does not set it"
    built = dict(contents.flags)
    for name, value in workspace.spec.server.flags.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if built.get(name) != text:
            raise SettingRefused(f"server.flags.{name} = {value}: {reference} was built without it", hint=hint)
    for table in BUILT_IN:
        wanted = getattr(workspace.spec, table)
        if wanted is not None and table not in contents.tables:
            raise SettingRefused(f"{table}: {reference} was built without it", hint=hint)


def _flags(reference: str, contents: Contents) -> dict[str, Value]:
    """Return the flags of the labels. Raises EngineError for flags that no server has."""
    try:
        return parse_flags(dict(contents.flags))
    except InvalidValue as error:
        raise EngineError(
            f"the labels of {reference} have a flag that cannot be: {error.message}",
            hint="deployer image build makes the image again",
        ) from error


def _with_image(spec: Spec, reference: str) -> Spec:
    """Return the spec of a deployment of an image; batching and monitoring are in its configuration."""
    docker = dataclasses.replace(spec.docker, image=reference)
    engine = spec.engine if spec.engine == SWARM else "docker"
    return dataclasses.replace(spec, engine=engine, docker=docker, batching=None, monitoring=None)


def _for_images(spec: Spec) -> Spec:
    """Return the spec of the engine that the image is pulled to: on a Swarm, the nodes pull that of the gateway."""
    return dataclasses.replace(spec, gateway=Gateway()) if spec.engine == SWARM else spec


def with_target(origins: Origins) -> Origins:
    """Return the origins with the image set by the target: the deployment's own image is not kept."""
    return dataclasses.replace(origins, targets={**origins.targets, "docker.image": "the target"})


def _state_dir(deployment: Deployment) -> Path:
    return Path(deployment.store or "").parents[2]


def _copy_dir(spec: Spec, image_id: str) -> Path:
    return (spec.state_dir / IMAGES_DIR / image_id.partition(":")[2]).resolve()


def _ensure_copy(  # noqa: PLR0913, PLR0917
    engine: DockerEngine,
    spec: Spec,
    reference: str,
    contents: Contents,
    directory: Path,
    progress: Progress,
    store: Store | None,
) -> Spec:
    """Return the spec with the copy of the image's models as its store; make the copy if there is none.

    What `store` has is linked from there, if there is one.
    """
    spec = dataclasses.replace(spec, models_dir=directory / MODELS)
    if spec.models_dir.is_dir():
        return spec
    for leftover in directory.glob(f"{STAGE_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    stage = Path(tempfile.mkdtemp(prefix=STAGE_PREFIX, dir=directory))
    try:
        versions = [each for each in _versions(contents) if store is None or not _link(store, each, stage)]
        if versions:
            progress(Phase("copying the models out of the image, to verify its answers"))
            names = [f"{name}/{version}" for name, version, _ in versions]
            engine.model_images.copy_models(reference, names, stage)
        _check_models(reference, contents, Store(stage))
        stage.chmod(0o755)
        stage.rename(spec.models_dir)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return spec


def _versions(contents: Contents) -> Iterator[tuple[str, int, str]]:
    """Yield the name, the number and the digest of each version of an image."""
    for model in contents.models:
        for version in model.versions:
            yield model.name, version, model.digest_of(version)


def _link(store: Store, version: tuple[str, int, str], stage: Path) -> bool:
    """Link the files of a version that a store has, too, into a stage; return whether it has it."""
    name, number, digest = version
    try:
        stored = store.get(name, number)
        if stored.digest != digest or find_damage(stored.path):
            return False
        shutil.copytree(stored.path, stage / name / str(number), copy_function=_link_or_copy)
    except (ModelError, OSError, shutil.Error):
        shutil.rmtree(stage / name / str(number), ignore_errors=True)
        return False
    return True


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _check_models(reference: str, contents: Contents, store: Store) -> None:
    """Refuse models that are not those of the labels. Raises BrokenModel."""
    for model in contents.models:
        for version in model.versions:
            path = store.root / model.name / str(version)
            if not path.is_dir() or compute_digest(path) != model.digest_of(version):
                raise BrokenModel(
                    f"{model.name}:{version} in {reference} is not what its labels say",
                    hint="deployer image build makes the image again",
                )
            stored = store.get(model.name, version)
            if stored.digest != model.digest_of(version):
                raise BrokenModel(f"the manifest of {model.name}:{version} in {reference} is of another version")
