"""Images with the models inside that a deploy builds itself, for an engine whose servers have no store.

`up`, `redeploy` and `label` build the image of versions of the store and push it to `image.repository`; the change that
follows deploys it by its digest, as `up REPOSITORY@sha256:...` does. An image has the same id whenever it is built of
the same versions, flags and tables on the same base image: what the nodes run already is neither built nor pushed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from deployer import engines
from deployer.config.image import HOST
from deployer.engines.docker.model_image.assembly import ModelImage
from deployer.engines.docker.model_image.engine_images import ModelImages
from deployer.engines.swarm.api import SwarmApi
from deployer.errors import ConfigError
from deployer.results.checks import Finding
from deployer.results.deployment import Deployment
from deployer.results.progress import Phase, Progress
from deployer.results.steps import BuildImage, PushImage, Step
from deployer.rollout.model_image import ImagePlan, check_models, plan_of_stored
from deployer.rollout.workspace import Workspace

KEY = "image.repository"
WITH_REGISTRY = re.compile(rf"{HOST}/.+")
NO_STORE = "a server on a Swarm has no store"
PULLED = "each node pulls it from there"
SHOWN_DIGITS = 12
UNKNOWN_ID = "ID"


@dataclass(frozen=True)
class Made:
    """An image that a Swarm can run: by which reference, and its id."""

    reference: str
    id: str


@dataclass(frozen=True)
class BuiltImage:
    """The image of versions that the store has, and what is left to do before a Swarm can run it."""

    plan: ImagePlan
    observed: Deployment | None

    @property
    def images(self) -> ModelImages:
        """The images of the manager's engine."""
        return self.plan.engine.model_images

    @property
    def name(self) -> str:
        """The name that it gets, REPOSITORY:TAG, as far as it is known yet."""
        return own_name(self.plan.name(None), self.image.id if self.image else "")

    @cached_property
    def image(self) -> ModelImage | None:
        """The image as it will be; None if the engine does not have its base image."""
        if not self.images.has(self.plan.workspace.spec.docker.image):
            return None
        return self.images.assemble(self.plan.launch, self.plan.models)

    @property
    def repository(self) -> str:
        """The repository in a registry; empty if the settings name none, and the image stays on this engine."""
        return repository(self.plan.workspace)

    def reference(self) -> str:
        """Return by which reference the image can be deployed now; empty if it must be built or pushed first."""
        if self.image is None:
            return ""
        if reference := self._deployed(self.image.id):
            return reference
        return self._available(self.image.id) if self.images.has(self.image.id) else ""

    def steps(self) -> tuple[Step, ...]:
        """Return the steps that are left until it can be deployed."""
        if self.reference():
            return ()
        is_built = self.image is not None and self.images.has(self.image.id)
        build = () if is_built else build_steps(self.plan.workspace, self.name, missing=self.image is None)
        return (*build, *push_steps(self.plan.workspace, self.name))

    def make(self, progress: Progress) -> Made:
        """Build and push the image as far as that is left. Raises ModelError, VerificationFailed, EngineError."""
        check_models(self.plan, progress)
        self.plan.engine.images.pull(progress)
        image = self.images.assemble(self.plan.launch, self.plan.models)
        if reference := self._deployed(image.id):
            return Made(reference, image.id)
        name, loaded = own_name(self.plan.name(None), image.id), image.id
        if not self.images.has(image.id):
            progress(Phase(f"building {name}: {image.size / 1e6:,.1f} MB on {self.plan.workspace.spec.docker.image}"))
            loaded = self.images.load(image, progress)
        self.images.name(loaded, name)
        if reference := self._deployed(loaded) or self._available(loaded):
            return Made(reference, image.id)
        return Made(f"{self.repository}@{self.images.push(name, progress)}", image.id)

    def _deployed(self, image_id: str) -> str:
        """Return the reference that the servers of the deployment were started with, if they run this image."""
        observed = self.observed
        if observed is None or observed.image_id != image_id:
            return ""
        name, _, digest = observed.image_name.partition("@")
        is_there = name == self.repository and digest if self.repository else observed.image_name == image_id
        return observed.image_name if is_there else ""

    def _available(self, image_id: str) -> str:
        """Return the reference of an image of the engine: its id, or the digest by which the registry has it."""
        if not self.repository:
            return image_id
        digest = self.images.digest_in(self.repository, image_id)
        reference = f"{self.repository}@{digest}"
        return reference if digest and self.images.is_in_registry(reference) else ""


def of_stored(workspace: Workspace, observed: Deployment | None) -> BuiltImage:
    """Return the image of the versions of the spec, all of which the store has."""
    return BuiltImage(plan_of_stored(workspace), observed)


def own_name(name: str, image_id: str = "") -> str:
    """Return a name that no other image gets: registries may remove an image that has lost its last tag.

    Before it is built, the id may not be known yet.
    """
    return f"{name}-{image_id.partition(':')[2][:SHOWN_DIGITS] or UNKNOWN_ID}"


def build_steps(workspace: Workspace, name: str, *, missing: bool) -> tuple[Step, ...]:
    """Return the step that builds an image; its base image is pulled first if it is `missing`."""
    return (BuildImage(NO_STORE, name, workspace.spec.docker.image, missing),)


def push_steps(workspace: Workspace, name: str) -> tuple[Step, ...]:
    """Return the step that pushes an image; none without a registry."""
    return (PushImage(PULLED, name),) if repository(workspace) else ()


def repository(workspace: Workspace) -> str:
    """Return `image.repository` if it names a registry; otherwise an empty text."""
    name = workspace.spec.image.repository or ""
    return name if WITH_REGISTRY.fullmatch(name) else ""


def registry_finding(workspace: Workspace) -> Finding:
    """Check whether the manager's engine reaches the registry of `image.repository` with the user's credentials."""
    return engines.docker_engine(workspace.spec).model_images.registry_finding(repository(workspace))


def count_nodes(workspace: Workspace) -> int:
    """Return how many nodes the Swarm has. Raises EngineError."""
    return SwarmApi(engines.docker_engine(workspace.spec).host.client).info().nodes


def check_repository(workspace: Workspace) -> None:
    """Refuse an image that only one of several nodes would have. Raises ConfigError, EngineError."""
    if repository(workspace):
        return
    nodes = count_nodes(workspace)
    if nodes > 1:
        named = workspace.spec.image.repository
        what = f"{named} names no registry" if named else "no registry is named"
        raise ConfigError(
            f"{what}, and {nodes} nodes have to pull the image with the models from one",
            key=KEY,
            hint=f'{KEY} = "registry.example.com/team/{workspace.spec.deployment}" in deployer.toml; docker.io/... for '
            "Docker Hub",
        )
