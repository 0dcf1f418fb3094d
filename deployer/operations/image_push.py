"""`image push`: send an image with models inside to its registry."""

from __future__ import annotations

import dataclasses
import shlex

from deployer import engines
from deployer.config.options import Settings
from deployer.config.spec import Gateway
from deployer.engines.docker.model_image.names import check_name, with_tag
from deployer.errors import UsageError
from deployer.results.images import ImagePushed
from deployer.results.progress import Progress, no_progress
from deployer.rollout import image_names
from deployer.rollout.model_image import plan_image
from deployer.rollout.notices.collect import collect_notices
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

    An image that has other contents than the versions of the store is not pushed, whatever its name. `tag` is the name
    to push it under, REPOSITORY[:TAG]; a notice tells that it moves from another image. Credentials are those of
    `docker login`. What may be over a moment later is tried again, within `docker.pull_seconds`.

    Raises InvalidValue, UsageError, ModelNotFound, EngineError.
    """
    workspace = open_workspace(settings or Settings(), "image push")
    images = engines.docker_engine(dataclasses.replace(workspace.spec, gateway=Gateway())).model_images
    if target is None or _is_stored(workspace, target):
        plan = plan_image(workspace, target)
        name, image = plan.name(tag), image_names.built_image(plan, tag, _build_command(workspace, target, tag))
    else:
        source = _image_name(target)
        name = check_name(with_tag(tag, source.rpartition(":")[2])) if tag else source
        images.contents(source)
        image = images.id(source)
    with collect_notices() as notices:
        notices.extend(image_names.give(images, image, name))
        digest = images.push(name, progress)
    return ImagePushed(name, image, digest, f"{name.rpartition(':')[0]}@{digest}", tuple(notices))


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


def _build_command(workspace: Workspace, target: str | None, tag: str | None) -> str:
    """Return the command that builds the image."""
    named = [target] if target else []
    tagged = ["--tag", tag] if tag else []
    return f"{shlex.join(['deployer', 'image', 'build', *named, *tagged])}{workspace.up_options}"
