"""A push sends the image of the versions that it names, whatever names other images have; notes tell of moved tags."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import Ended
from support.containers import PROJECT, docker, remove_images
from support.deploying import deployer, refused
from support.quick_server import quick_server
from support.registry import running
from support.world import MODELS, free_port

HALF = f"{PROJECT}/half_plus_two"
BUILT: set[str] = set()
"""The ids of what was built: an image stays, without a name, when its last name moves."""

BUILDS = "deployer image build half_plus_two:1"
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("registry"), free_port(), tmp_path_factory.mktemp("data")) as address:
        yield address


@pytest.fixture
def stable(registry: str) -> str:
    return f"{registry}/{PROJECT}-tags/half:stable"


@pytest.fixture
def quickly(quick: Path) -> Iterator[Path]:
    """The project, whose images answer at once and are removed at the end."""
    BUILT.clear()
    yield quick
    remove_images(PROJECT)
    for image_id in BUILT & set(docker("images", "--quiet", "--no-trunc", "--filter", "dangling=true").split()):
        docker("rmi", image_id)


def image(project: Path, action: str, *arguments: str) -> Ended:
    ended = deployer("image", action, *arguments, "--json", cwd=project)
    assert ended.code == 0, ended.err + ended.out
    BUILT.add(ended.json["id"])
    return ended


def moved(ended: Ended) -> list[str]:
    return [notice for notice in ended.json["notices"] if "named" in notice]


def id_of(name: str) -> str:
    return docker("image", "inspect", "--format", "{{.Id}}", name)


def another_model(project: Path, version: int) -> None:
    """Replace the files of a version in the store by those of another model."""
    path = project / "models" / "half_plus_two" / str(version)
    shutil.rmtree(path)
    shutil.copytree(MODELS / "half_plus_two" / "3", path)


def test_a_tag_follows_the_version_that_is_pushed(quickly: Path, registry: str, stable: str) -> None:
    first = image(quickly, "build", "half_plus_two:1").json["id"]
    pushed = image(quickly, "push", "half_plus_two:1", "--tag", stable)
    assert (pushed.json["id"], moved(pushed)) == (first, [])
    second = image(quickly, "build", "half_plus_two:2").json["id"]
    elsewhere = image(quickly, "push", "half_plus_two:2", "--tag", f"{registry}/{PROJECT}-tags/half:2").json
    pushed = image(quickly, "push", "half_plus_two:2", "--tag", stable)
    assert (pushed.json["id"], id_of(stable), pushed.json["digest"]) == (second, second, elsewhere["digest"])
    (notice,) = moved(pushed)
    assert stable in notice
    assert first[7:19] in notice
    assert "half_plus_two:1" in notice
    back = image(quickly, "push", f"{HALF}:1", "--tag", stable)
    assert (back.json["id"], id_of(stable), len(moved(back))) == (first, first, 1)
    assert moved(image(quickly, "push", "half_plus_two:1", "--tag", stable)) == []
    quiet = deployer("image", "push", "half_plus_two:2", "--tag", stable, "-q", cwd=quickly)
    assert (quiet.code, quiet.out, "named" in quiet.err) == (0, f"{pushed.json['reference']}\n", True)


def test_a_build_tells_that_it_moves_a_tag(quickly: Path, stable: str) -> None:
    first = image(quickly, "build", "half_plus_two:1", "--tag", stable)
    assert moved(first) == moved(image(quickly, "build", "half_plus_two:1", "--tag", stable)) == []
    second = image(quickly, "build", "half_plus_two:2", "--tag", stable)
    assert id_of(stable) == second.json["id"]
    assert [first.json["id"][7:19] in notice for notice in moved(second)] == [True]
    image(quickly, "build", "half_plus_two:2")
    another_model(quickly, 2)
    assert len(moved(image(quickly, "build", "half_plus_two:2"))) == 1
    docker("tag", quick_server_of(second), stable)
    assert len(moved(image(quickly, "build", "half_plus_two:2", "--tag", stable))) == 1


def test_a_push_that_fails_tells_that_the_tag_moved(quickly: Path) -> None:
    name = f"127.0.0.1:{free_port()}/{PROJECT}-tags/half:stable"
    image(quickly, "build", "half_plus_two:1", "--tag", name)
    image(quickly, "build", "half_plus_two:2")
    refused(deployer("image", "push", "half_plus_two:2", "--tag", name, cwd=quickly), 6, f"note: {name} named")


def quick_server_of(built: Ended) -> str:
    """The base of an image, which has no models inside."""
    return str(built.json["base"])


@pytest.mark.parametrize("arguments", [(), ("-q",), ("--skip-gate", "-q")])
def test_a_build_without_verification_says_so(quickly: Path, arguments: tuple[str, ...]) -> None:
    ended = deployer("image", "build", "half_plus_two:1", *arguments, cwd=quickly)
    origin = "--skip-gate" if "--skip-gate" in arguments else "DEPLOYER_GATE_SKIP"
    assert (ended.code, f"nothing is verified, as {origin} says" in ended.err) == (0, True), ended.err


@pytest.mark.parametrize("change", ["files", "versions", "flags", "deployment", "no models"])
def test_an_image_of_that_name_with_other_contents_is_not_pushed(
    quickly: Path, registry: str, stable: str, change: str
) -> None:
    refused(deployer("image", "push", "half_plus_two:1", "--tag", stable, cwd=quickly), 6, f"{BUILDS} --tag {stable}")
    built = image(quickly, "build", "half_plus_two:1")
    docker("tag", f"{HALF}:1", stable)
    if change == "files":
        another_model(quickly, 1)
    elif change == "versions":
        for name in (f"{HALF}:1", stable):
            docker("tag", image(quickly, "build", "half_plus_two:2").json["id"], name)
    elif change == "flags":
        (quickly / "deployer.toml").write_text("[server.flags]\ngrpc_max_threads = 17\n")
    elif change == "deployment":
        (quickly / "deployer.toml").write_text(f'name = "{PROJECT}"\n[models.half_plus_two]\nversions = [1]\n')
        docker("tag", f"{HALF}:1", f"{PROJECT}/{PROJECT}:1")
    else:
        for name in (f"{HALF}:1", stable):
            docker("tag", quick_server_of(built), name)
    before = id_of(stable)
    for tag in ((), ("--tag", stable)):
        ended = deployer("image", "push", "half_plus_two:1", *tag, cwd=quickly)
        refused(ended, 6, "half_plus_two:1", " ".join((BUILDS, *tag)))
        assert "pushing" not in ended.err
    assert id_of(stable) == before
    rebuilt = image(quickly, "build", "half_plus_two:1", "--tag", stable)
    assert image(quickly, "push", "half_plus_two:1", "--tag", stable).json["id"] == rebuilt.json["id"]


def test_of_two_images_with_the_same_versions_that_of_the_settings_is_pushed(
    quickly: Path, gateway_image: str, stable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = image(quickly, "build", "half_plus_two:1").json["id"]
    other = quick_server(gateway_image, waits=True)
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", other)
    new = image(quickly, "build", "half_plus_two:1", "--tag", stable).json["id"]
    assert old != new
    assert image(quickly, "push", "half_plus_two:1", "--tag", stable).json["id"] == new
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", quick_server(gateway_image))
    pushed = image(quickly, "push", "half_plus_two:1", "--tag", stable)
    assert (pushed.json["id"], len(moved(pushed))) == (old, 1)


def test_without_a_name_the_hint_is_the_command_without_one(quickly: Path) -> None:
    (quickly / "deployer.toml").write_text("[models.half_plus_two]\nversions = [1]\n")
    refused(deployer("image", "push", cwd=quickly), 6, "hint: deployer image build builds it")
