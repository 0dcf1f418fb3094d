"""The names of images with models inside: which image has the versions of the store, and which names move."""

from __future__ import annotations

from deployer.engines.docker.model_image.description import contents_of
from deployer.engines.docker.model_image.engine_images import ModelImages
from deployer.engines.docker.model_image.labels import Contents
from deployer.errors import EngineError
from deployer.results.served import format_models
from deployer.rollout.model_image import ImagePlan

SHOWN_CHARACTERS = len("sha256:") + 12


def built_image(plan: ImagePlan, tag: str | None, build: str) -> str:
    """Return the id of the image that has what the store has, under its default name or under `tag`.

    A name says little: it may be that of another version, or of another store's. If both names have such an image, it
    is the one that would be built now. Raises EngineError, with the command to `build` it, if neither has.
    """
    images, names = plan.engine.model_images, dict.fromkeys((plan.name(None), plan.name(tag)))
    reasons = {name: _problem(images, name, contents_of(plan.launch)) for name in names}
    built = list(dict.fromkeys(images.id(name) for name, reason in reasons.items() if not reason))
    if not built:
        raise EngineError(
            f"the engine has no image of {format_models(plan.served)} as the store has it: "
            f"{'; '.join(reasons.values())}",
            hint=f"{build} builds it",
        )
    if len(built) > 1 and images.has(plan.workspace.spec.docker.image):
        built.sort(key=lambda image: image != images.assemble(plan.launch, plan.models).id)
    return built[0]


def give(images: ModelImages, image: str, name: str) -> tuple[str, ...]:
    """Give an image a name, and return a notice if that moves from another image. Raises EngineError."""
    before = images.name(image, name)
    return (f"{name} named another image until now, {_shown(images, before)}",) if before else ()


def _problem(images: ModelImages, name: str, expected: Contents) -> str:
    """Return why an image of that name is not what is expected, in words; empty if it is."""
    if not images.has(name):
        return f"there is no {name}"
    try:
        found = images.contents(name)
    except EngineError as error:
        return error.message
    return "" if found == expected else f"{name} {_difference(found, expected)}"


def _difference(found: Contents, expected: Contents) -> str:
    shown, wanted = format_models(found.models), format_models(expected.models)
    if shown != wanted:
        return f"has {shown}"
    if found.models != expected.models:
        return f"has other files of {shown}"
    if found.name != expected.name:
        return f"was built for the deployment {found.name}"
    changed = "server.flags" if found.flags != expected.flags else "[batching] or [monitoring]"
    return f"was built before {changed} changed"


def _shown(images: ModelImages, image: str) -> str:
    """Return an image in words: its id, and what it has inside."""
    try:
        return f"{image[:SHOWN_CHARACTERS]} with {format_models(images.contents(image).models)}"
    except EngineError:
        return image[:SHOWN_CHARACTERS]
