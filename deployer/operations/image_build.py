"""`image build`: an image with models inside, verified before it gets its name."""

from __future__ import annotations

from deployer.config.options import Settings
from deployer.results.checks import Report
from deployer.results.images import ImageBuilt
from deployer.results.progress import Phase, Progress, no_progress
from deployer.rollout import image_names
from deployer.rollout.model_image import TRIAL_ENV, ImagePlan, check_models, plan_image, verify_image
from deployer.rollout.notices import unverified
from deployer.rollout.workspace import open_workspace


def image_build(
    target: str | None = None,
    *,
    tag: str | None = None,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> ImageBuilt:
    """Build an image with NAME[:VERSION] from the store, or with all models of `deployer.toml`, on the Docker Engine.

    The image has the models with their golden sets, the server's configuration and its flags. It gets its name once a
    server of it has passed the gate. Equal inputs give an image of the same id: what is deployed, the time and the
    engine do not matter. `tag` is its name, REPOSITORY[:TAG]; a notice tells that it moves from another image.

    Raises ModelError, ConfigError, InvalidValue, TemplateError, EngineError, NotReady, VerificationFailed, LockHeld.
    """
    workspace = open_workspace(settings or Settings(), "image build")
    plan = plan_image(workspace, target)
    name = plan.name(tag)
    check_models(plan, progress)
    plan.engine.images.pull(progress)
    images = plan.engine.model_images
    image = images.assemble(plan.launch, plan.models)
    with plan.workspace.lock(plan.engine, plan.launch.name, TRIAL_ENV):
        plan.engine.recover(plan.launch.name, TRIAL_ENV)
        created = not images.has(image.id)
        if created:
            progress(Phase(f"adding {image.size / 1e6:,.1f} MB to {plan.workspace.spec.docker.image}"))
        loaded = images.load(image, progress) if created else image.id
        report = _verify(plan, loaded, progress)
        moved = image_names.give(images, loaded, name)
    return ImageBuilt(
        image=name,
        id=image.id,
        base=plan.workspace.spec.docker.image,
        models=plan.served,
        size_bytes=image.size,
        created=created,
        digests=images.digests(loaded),
        report=report,
        notices=(*plan.notices, *unverified.notices(plan.workspace), *moved),
    )


def _verify(plan: ImagePlan, image: str, progress: Progress) -> Report | None:
    """Verify a server of the image; an image that does not pass is removed. None if the gate is skipped."""
    if plan.workspace.spec.gate.skip:
        return None
    try:
        return verify_image(plan, image, progress)
    except BaseException:
        plan.engine.model_images.remove_unnamed(image)
        raise
