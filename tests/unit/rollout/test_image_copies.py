"""The copy of an image's models: complete or not there, the labels' own, and gone with the last deployment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.launches import ONE, serving
from support.world import MODELS

from deployer.config.options import Settings
from deployer.config.spec import Spec
from deployer.engines.docker.model_image.labels import Contents
from deployer.errors import BrokenModel, EngineError
from deployer.results.served import ServedModel
from deployer.rollout import image_copies, image_source
from deployer.rollout.workspace import open_workspace
from deployer.store.manifest import compute_digest
from deployer.store.store import Store

HALF = MODELS / "half_plus_two" / "1"


def contents(digest: str) -> Contents:
    return Contents("half", (ServedModel("half", (1,), (), (digest,)),))


def engine(copy: Callable[[Path], object]) -> Any:
    """An engine whose image has what `copy` writes into a directory."""

    def copy_models(_: str, versions: Collection[str], target: Path) -> None:
        assert list(versions) == ["half/1"]
        copy(target)

    return SimpleNamespace(model_images=SimpleNamespace(copy_models=copy_models))


def write_half(target: Path) -> None:
    shutil.copytree(HALF, target / "half" / "1")


def copied(directory: Path, copy: Callable[[Path], object], digest: str = "", store: Path = Path("none")) -> Path:
    directory.mkdir(exist_ok=True)
    spec = image_source._ensure_copy(
        engine(copy), Spec(), "image", contents(digest or compute_digest(HALF)), directory, lambda _: None, Store(store)
    )
    return spec.models_dir


def test_a_copy_is_made_once(tmp_path: Path) -> None:
    first = copied(tmp_path / "id", write_half)
    assert (first / "half" / "1" / "saved_model.pb").is_file()
    assert copied(tmp_path / "id", lambda _: pytest.fail("copied again")) == first


def test_what_a_killed_command_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "id" / f"{image_source.STAGE_PREFIX}old" / "half").mkdir(parents=True)
    copied(tmp_path / "id", write_half)
    assert [path.name for path in (tmp_path / "id").iterdir()] == [image_source.MODELS]


def fail(target: Path) -> None:
    write_half(target)
    raise EngineError("the connection is lost")


@pytest.mark.parametrize(
    ("copy", "digest", "error"),
    [(fail, "", EngineError), (write_half, "0" * 64, BrokenModel), (lambda _: None, "", BrokenModel)],
)
def test_a_copy_that_fails_or_differs_leaves_nothing(
    tmp_path: Path, copy: Callable[[Path], object], digest: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        copied(tmp_path / "id", copy, digest)
    assert list((tmp_path / "id").iterdir()) == []


def test_a_version_that_the_store_has_is_linked_from_there(tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(HALF, store / "half" / "1")
    copy = copied(tmp_path / "id", lambda _: pytest.fail("copied out of the image"), store=store)
    ours, theirs = (root / "half" / "1" / "saved_model.pb" for root in (copy, store))
    assert ours.samefile(theirs)


def test_another_version_of_that_number_is_taken_from_the_image(tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(MODELS / "half_plus_two" / "2", store / "half" / "1")
    copy = copied(tmp_path / "id", write_half, store=store)
    assert compute_digest(copy / "half" / "1") == compute_digest(HALF)


def test_the_copies_of_a_deployment_whose_update_was_killed_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / ".deployer" / image_source.IMAGES_DIR
    for name in ("answers", "accepted", "unused"):
        (images / name / image_source.MODELS).mkdir(parents=True)
    killed, accepted = (
        serving(ONE, settings={"in_image": True}, store=(images / name / image_source.MODELS).resolve())
        for name in ("answers", "accepted")
    )
    engine: Any = SimpleNamespace(
        inventory=SimpleNamespace(observe_all=lambda: (killed,)), foresee=lambda name, env: accepted
    )
    monkeypatch.setattr(image_copies, "_engines", lambda _: (engine,))
    image_copies.remove_unused(open_workspace(Settings(state_dir=images.parent)))
    assert {path.name for path in images.iterdir() if path.is_dir()} == {"answers", "accepted"}
