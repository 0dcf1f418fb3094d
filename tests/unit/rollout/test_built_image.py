"""Images that a deploy builds: what is left to do, and by which reference the image is deployed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support.launches import ONE, serving

from deployer.config.image import Image
from deployer.config.origins import Origins
from deployer.config.spec import Docker, Spec
from deployer.errors import ConfigError
from deployer.rollout import built_image, image_change
from deployer.rollout.built_image import BuiltImage

ID, DIGEST, OTHER = (f"sha256:{letter * 64}" for letter in "abc")
REPOSITORY = "registry.example.com/team/digits"
REFERENCE = f"{REPOSITORY}@{DIGEST}"
BASE = "serving:1"


def workspace(repository: str | None) -> Any:
    return SimpleNamespace(spec=Spec(name="digits", image=Image(repository), docker=Docker(image=BASE)))


class Images:
    """The images of an engine and its registry, and what was done with them."""

    def __init__(self, *has: str, pushed: bool = False, in_registry: bool = True) -> None:
        self.local, self.pushed, self.in_registry = {BASE, *has}, pushed, in_registry
        self.done: list[str] = []

    def has(self, image: str) -> bool:
        return image in self.local

    def assemble(self, launch: object, models: object) -> Any:
        return SimpleNamespace(id=ID, size=7)

    def load(self, image: Any, progress: object) -> str:
        self.done.append("load")
        return str(image.id)

    def name(self, image: str, name: str) -> None:
        self.done.append(f"name {name}")

    def push(self, name: str, progress: object) -> str:
        self.done.append(f"push {name}")
        return DIGEST

    def digest_in(self, repository: str, image: str) -> str:
        return DIGEST if self.pushed else ""

    def is_in_registry(self, reference: str) -> bool:
        return self.in_registry and reference == REFERENCE


def built(images: Images, repository: str | None = REPOSITORY, observed: Any = None) -> BuiltImage:
    plan: Any = SimpleNamespace(
        workspace=workspace(repository),
        engine=SimpleNamespace(model_images=images, images=SimpleNamespace(pull=lambda _: images.local.add(BASE))),
        launch=None, models=(), name=lambda _: f"{repository or 'unit/digits'}:1",
    )  # fmt: skip
    return BuiltImage(plan, observed)


@pytest.fixture(autouse=True)
def _models_are_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built_image, "check_models", lambda plan, progress: None)


def make(found: BuiltImage) -> str:
    return found.make(lambda _: None).reference


def kinds(found: BuiltImage) -> list[str]:
    return [step.kind for step in found.steps()]


def test_a_new_image_is_built_named_and_pushed():
    images = Images()
    found = built(images)
    assert (found.reference(), kinds(found)) == ("", ["build_image", "push_image"])
    assert make(found) == REFERENCE
    name = f"{REPOSITORY}:1-{'a' * 12}"
    assert images.done == ["load", f"name {name}", f"push {name}"]
    assert all(name in step.action for step in built(Images()).steps())


def test_a_name_whose_id_is_not_known_yet_has_a_placeholder_for_it():
    images = Images()
    images.local.clear()
    assert all(f"{REPOSITORY}:1-ID" in step.action for step in built(images).steps())


def test_an_image_that_the_engine_has_is_pushed_alone():
    images = Images(ID)
    assert kinds(built(images)) == ["push_image"]
    assert make(built(images)) == REFERENCE
    assert "load" not in images.done


def test_what_the_registry_has_is_not_pushed_again():
    images = Images(ID, pushed=True)
    assert (built(images).reference(), kinds(built(images))) == (REFERENCE, [])
    assert make(built(images)) == REFERENCE
    assert not any(each.startswith("push") for each in images.done)


def test_what_the_registry_has_lost_is_pushed_again():
    images = Images(ID, pushed=True, in_registry=False)
    assert kinds(built(images)) == ["push_image"]
    assert make(built(images)) == REFERENCE


def test_what_the_servers_run_is_neither_built_nor_looked_up():
    images = Images(in_registry=False)
    observed = serving(ONE, image_id=ID, image_name=REFERENCE)
    assert (built(images, observed=observed).reference(), kinds(built(images, observed=observed))) == (REFERENCE, [])
    assert make(built(images, observed=observed)) == REFERENCE
    assert images.done == []


@pytest.mark.parametrize(
    "observed", [serving(ONE, image_id=OTHER, image_name=REFERENCE), serving(ONE, image_id=ID, image_name=ID)]
)
def test_another_image_or_repository_is_built(observed):
    assert kinds(built(Images(), observed=observed)) == ["build_image", "push_image"]


def test_without_a_registry_the_image_stays_and_is_named_by_its_id():
    for repository in (None, "team/digits"):
        images = Images()
        assert kinds(built(images, repository)) == ["build_image"]
        assert make(built(images, repository)) == ID
        assert not any(each.startswith("push") for each in images.done)
        assert built(Images(ID), repository).reference() == ID


def test_a_base_image_that_is_missing_is_pulled_first():
    images = Images()
    images.local.clear()
    (build, _) = built(images).steps()
    assert build.action.endswith(f"on {BASE}, which is pulled first")


@pytest.mark.parametrize(
    ("name", "has_registry"),
    [
        (REPOSITORY, True),
        ("docker.io/team/digits", True),
        ("localhost/digits", True),
        ("10.0.0.1:5000/digits", True),
        ("team/digits", False),
        ("digits", False),
        (None, False),
    ],
)
def test_only_a_repository_with_a_host_is_pushed_to(name, has_registry):
    assert built_image.repository(workspace(name)) == (name if has_registry else "")


@pytest.mark.parametrize(("name", "nodes", "refused"), [(None, 1, False), (None, 3, True), ("team/digits", 3, True)])
def test_several_nodes_need_a_registry(monkeypatch, name, nodes, refused):
    monkeypatch.setattr(built_image, "count_nodes", lambda _: nodes)
    if not refused:
        built_image.check_repository(workspace(name))
        return
    with pytest.raises(ConfigError, match=r"^image\.repository: .*3 nodes") as error:
        built_image.check_repository(workspace(name))
    assert "registry.example.com/team/digits" in (error.value.hint or "")


@pytest.mark.parametrize(
    "origins", [Origins(options={"docker.image": "--image"}), Origins(variables={"docker.image": "V"})]
)
def test_a_base_image_of_one_command_is_said(origins):
    (note,) = image_change._base_notices(SimpleNamespace(spec=workspace(None).spec, origins=origins))
    assert note.startswith(f"the image is built on {BASE}, as {origins.of('docker.image')} says")


def test_a_base_image_of_the_file_is_not():
    origins = Origins("deployer.toml", file={"docker.image": BASE})
    assert image_change._base_notices(SimpleNamespace(spec=workspace(None).spec, origins=origins)) == ()
