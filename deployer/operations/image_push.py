"""`image push`: send an image with models inside to its registry."""

from __future__ import annotations

import dataclasses
import shlex

from deployer import engines
from deployer.config.options import Settings
from deployer.config.spec import Gateway
from deployer.engines.docker.model_image.engine_images import ModelImages
from deployer.engines.docker.model_image.names import check_name, with_tag
from deployer.errors import EngineError, UsageError
from deployer.results.images import ImagePushed
from deployer.results.progress import Progress, no_progress
from deployer.rollout.model_image import plan_image
from deployer.rollout.targets import STORED
from deployer.rollout.workspace import Workspace, open_workspace


def image_push(
    target: str | None = None,
    *,
    tag: str | None = None,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> ImagePushed:
    """Push the image that `image build` made of NAME[:VERSION] or of `deployer.toml`, or an image by its name.

    `tag` is the name to push it under, REPOSITORY[:TAG]. Credentials are those of `docker login`. What may be over a
    moment later is tried again, within `docker.pull_seconds`.

    Raises InvalidValue, UsageError, ModelNotFound, EngineError.
    """
    workspace = open_workspace(settings or Settings(), "image push")
    images = engines.docker_engine(dataclasses.replace(workspace.spec, gateway=Gateway())).model_images
    if target is None or _is_stored(workspace, target):
        source, name = _built_name(workspace, images, target, tag)
    else:
        source = _image_name(target)
        name = check_name(with_tag(tag, source.rpartition(":")[2])) if tag else source
    images.contents(source)
    if name != source:
        images.name(source, name)
    digest = images.push(name, progress)
    return ImagePushed(name, images.id(name), digest, f"{name.rpartition(':')[0]}@{digest}")


def _is_stored(workspace: Workspace, target: str) -> bool:
    """Return whether a target is a model of the store, which has precedence over an image of that name."""
    match = STORED.fullmatch(target)
    return match is not None and match["name"] in workspace.store.names()


def _image_name(target: str) -> str:
    """Return the name of an image with its tag. Raises UsageError for a digest, InvalidValue for a malformed name."""
    if "@" in target:
        raise UsageError(
            f"{target[:100]} names an image by its digest, and a push needs a name",
            hint="deployer image push REPOSITORY:TAG, or --tag REPOSITORY:TAG with the image's name",
        )
    return check_name(with_tag(target, "latest"))


def _built_name(workspace: Workspace, images: ModelImages, target: str | None, tag: str | None) -> tuple[str, str]:
    """Return the name that a built image has on the engine, and the one to push it under. Raises EngineError."""
    plan = plan_image(workspace, target)
    default, name = plan.name(None), plan.name(tag)
    for built in (name, default):
        if images.has(built):
            return built, name
    arguments = f"{target or ''}{f' --tag {shlex.quote(tag)}' if tag else ''}{workspace.up_options}"
    raise EngineError(f"the engine has no image {default}", hint=f"deployer image build {arguments.strip()} builds it")
