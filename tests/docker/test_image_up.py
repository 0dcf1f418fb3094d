"""Deployments of an image with the model inside, by its digest: on an engine that has never seen a store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import schemas
from support.cli import ANY_PORTS, Ended
from support.containers import LABEL, PROJECT, build, docker, inspect, remove_images, world
from support.deploying import NAME, ask, deployer, refused, up
from support.quick_server import quick_server
from support.registry import running
from support.world import free_port

pytestmark = pytest.mark.timeout(900)
COPIES = Path(".deployer") / "images"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("registry"), free_port(), tmp_path_factory.mktemp("data")) as address:
        yield address


@pytest.fixture
def bare(project: Path) -> Iterator[Path]:
    """The project; its deployments and images are removed at the end."""
    yield project
    deployer("down", "--all", "-q", cwd=project)
    remove_images(PROJECT)


def built(project: Path, version: int, *arguments: str) -> str:
    """The id of an image with that version of half_plus_two."""
    ended = deployer(
        "image", "build", f"half_plus_two:{version}", "--skip-gate", "--json", "-q", *arguments, cwd=project
    )
    assert ended.code == 0, ended.err
    return ended.json["id"]


def pushed(project: Path, version: int, registry: str) -> str:
    """The reference by digest of such an image, which the engine does not have any more."""
    image = built(project, version)
    ended = deployer("image", "push", f"half_plus_two:{version}", "--tag", f"{registry}/{PROJECT}/half", cwd=project)
    assert ended.code == 0, ended.err
    docker("rmi", "--force", image)
    return ended.out.strip()


def without_models(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(project / "models")
    monkeypatch.delenv("DEPLOYER_DOCKER_IMAGE")


def status(project: Path) -> dict[str, Any]:
    (found,) = deployer("status", "--json", cwd=project).json["deployments"]
    return found


def test_images_are_deployed_by_digest_rolled_back_and_taken_down(
    bare: Path, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (pushed(bare, version, registry) for version in (1, 2))
    without_models(bare, monkeypatch)
    deployed = up(bare, first, *ANY_PORTS)
    assert deployed["report"]["ok"]
    assert ask(deployed["endpoints"], 2.0) == 3.0
    container = inspect(NAME)
    assert container["Mounts"] == []
    assert container["HostConfig"]["ReadonlyRootfs"]
    assert container["Config"]["Labels"]["deployer.image_digest"] == first
    assert (status(bare)["deployment"]["image"], status(bare)["healthy"], status(bare)["warning"]) == (first, True, "")
    assert up(bare, first)["plan"]["change"] == "nothing"
    assert deployer("smoke", cwd=bare).code == 0
    assert deployer("predict", "-q", cwd=bare).code == 0
    assert deployer("inspect", "half_plus_two", "--json", cwd=bare).json["served"] is True

    replaced = up(bare, second)
    assert (replaced["plan"]["change"], ask(replaced["endpoints"], 2.0)) == ("replace", 4.0)
    assert len(list((bare / COPIES).iterdir())) == 1
    back = deployer("rollback", "--json", cwd=bare)
    assert back.code == 0, back.err
    assert ask(back.json["endpoints"], 2.0) == 3.0
    assert status(bare)["deployment"]["image"] == first
    releases = deployer("history", "--json", cwd=bare).json["releases"]
    assert [each["outcome"] for each in releases] == ["succeeded"] * 3

    again = deployer("redeploy", "--json", cwd=bare)
    assert again.json["plan"]["change"] == "nothing", again.err
    for change in (("redeploy", "--version", "2"), ("label", "half_plus_two", "canary=1")):
        refused(deployer(*change, cwd=bare), 2, first, "deployer up REPOSITORY@sha256:")
    assert ask(back.json["endpoints"], 2.0) == 3.0
    assert deployer("down", cwd=bare).code == 0
    assert not (bare / COPIES).exists()
    assert not (bare / "models").exists()


def test_a_stopped_server_starts_again_from_its_image(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = built(bare, 1)
    without_models(bare, monkeypatch)
    up(bare, image, *ANY_PORTS)
    docker("stop", "--time", "1", NAME)
    ended = deployer("predict", cwd=bare)
    refused(ended, 7, f"deployer up {image}")
    assert ask(up(bare, image)["endpoints"], 2.0) == 3.0
    shutil.rmtree(bare / COPIES)
    assert deployer("smoke", cwd=bare).code == 0
    docker("rm", "--force", NAME)
    ended = deployer("predict", "half_plus_two", cwd=bare)
    assert (ended.code, f"deployer up {image}" in ended.err) == (10, True), ended.err
    assert ask(up(bare, image)["endpoints"], 2.0) == 3.0


def test_a_deployment_goes_from_the_store_to_an_image_and_back(bare: Path) -> None:
    up(bare, "half_plus_two:1", *ANY_PORTS)
    image = built(bare, 2)
    assert ask(up(bare, image)["endpoints"], 2.0) == 4.0
    back = deployer("rollback", "--json", cwd=bare)
    assert back.code == 0, back.err
    assert ask(back.json["endpoints"], 2.0) == 3.0
    assert len(inspect(NAME)["Mounts"]) == 2
    assert inspect(NAME)["Image"] != image
    assert not (bare / COPIES).exists()


MONITORING = "[models.half_plus_two]\n[monitoring]\n"


def causes(ended: Ended) -> str:
    """The cause of the first step of a plan."""
    assert ended.code == 0, ended.err
    return str(ended.json["plan"]["steps"][0]["cause"])


@pytest.mark.parametrize(
    ("in_image", "in_file", "to_image", "to_store"),
    [(True, True, "", ""), (True, False, "is new", "goes"), (False, False, "", "")],
)
def test_tables_come_and_go_as_the_servers_have_them(
    bare: Path, in_image: bool, in_file: bool, to_image: str, to_store: str
) -> None:
    (bare / "deployer.toml").write_text(MONITORING if in_image else "")
    image = built(bare, 1)
    (bare / "deployer.toml").write_text(MONITORING if in_file else "")
    up(bare, "half_plus_two:1", *ANY_PORTS)
    plan = causes(deployer("plan", image, "--json", cwd=bare))
    assert (f"[monitoring] {to_image}" in plan, "[monitoring]" in plan) == (bool(to_image), bool(to_image)), plan
    up(bare, image)
    plan = causes(deployer("plan", "half_plus_two:1", "--json", cwd=bare))
    assert (f"[monitoring] {to_store}" in plan, "[monitoring]" in plan) == (bool(to_store), bool(to_store)), plan


def test_an_image_without_monitoring_replaces_one_with_it(bare: Path) -> None:
    (bare / "deployer.toml").write_text(MONITORING)
    first = built(bare, 1)
    (bare / "deployer.toml").unlink()
    second = built(bare, 2)
    up(bare, first, *ANY_PORTS)
    assert "[monitoring] goes" in causes(deployer("plan", second, "--json", cwd=bare))


def test_the_image_of_an_option_is_kept_for_the_servers_of_the_store(
    bare: Path, server_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = built(bare, 2)
    monkeypatch.delenv("DEPLOYER_DOCKER_IMAGE")
    up(bare, "half_plus_two:1", *ANY_PORTS, "--image", server_image)
    ended = deployer("up", image, "--json", cwd=bare)
    assert not [notice for notice in ended.json["notices"] if "docker.image" in notice], ended.json["notices"]
    for command in (("plan", "half_plus_two:1"), ("rollback", "--dry-run"), ("rollback",)):
        ended = deployer(*command, "--json", cwd=bare)
        assert ended.code == 0, ended.err
        assert any(f"keeps image {server_image}" in notice for notice in ended.json["notices"])
    assert inspect(NAME)["Config"]["Image"] == server_image
    assert up(bare, "half_plus_two:1")["plan"]["change"] == "nothing"


@pytest.mark.parametrize("command", ["plan", "up"])
def test_a_variable_with_another_image_is_said_not_to_be_used(
    bare: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    image = built(bare, 1)
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", "nosuch:1")
    ended = deployer(command, image, *ANY_PORTS, "--json", cwd=bare)
    assert ended.code == 0, ended.err
    assert any("DEPLOYER_DOCKER_IMAGE is not used" in notice for notice in ended.json["notices"])
    assert not any("next command" in notice for notice in ended.json["notices"])


def test_behind_a_gateway_an_image_replaces_another_without_a_gap(
    bare: Path, gateway_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (built(bare, version) for version in (1, 2))
    without_models(bare, monkeypatch)
    (bare / "deployer.toml").write_text(f'[gateway]\nenabled = true\nimage = "{gateway_image}"\n')
    up(bare, first, *ANY_PORTS)
    measured = up(bare, second, "--measure", "50", "--max-failures", "0")
    assert measured["traffic"]["failures"] == 0
    assert ask(measured["endpoints"], 2.0) == 4.0


def test_an_image_that_does_not_pass_the_gate_leaves_what_serves(
    bare: Path, gateway_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = built(bare, 1)
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", quick_server(gateway_image))
    bad = built(bare, 2)
    without_models(bare, monkeypatch)
    deployed = up(bare, good, *ANY_PORTS)
    ended = deployer("up", bad, "--timeout", "20", cwd=bare)
    assert ended.code in (7, 8), ended.err
    assert ask(deployed["endpoints"], 2.0) == 3.0
    assert status(bare)["deployment"]["image_id"] == good


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ("RUN echo other >> /models/half_plus_two/1/variables/variables.index", 4, "is not what its labels say"),
        ("RUN rm -r /models/half_plus_two/1", 4, "is not what its labels say"),
        ("RUN ln -s /etc/passwd /models/half_plus_two/1/assets.txt", 6, "is no file"),
        ('LABEL deployer.contents.models="[[\\"../../etc\\", [1], [], []]]"', 6, "cannot be read"),
        ('LABEL deployer.contents.flags="{\\"no_such_flag\\": \\"1\\"}"', 6, "no_such_flag"),
        ("RUN rm -r /models", 6, "/models"),
    ],
)
def test_an_image_that_is_not_what_it_says_is_refused(bare: Path, change: str, code: int, says: str) -> None:
    changed = build(f"{PROJECT}/changed:1", f"FROM {built(bare, 1)}\nUSER 0\n{change}\n")
    image = docker("image", "inspect", "--format", "{{.Id}}", changed)
    before = world()
    refused(deployer("up", image, *ANY_PORTS, cwd=bare), code, image, says)
    assert world() == before
    assert docker("ps", "-a", "-q", "--filter", LABEL) == ""
    assert not list((bare / ".deployer").rglob("models"))


def test_what_an_image_leaves_no_choice_of_is_refused(bare: Path, server_image: str, registry: str) -> None:
    image = built(bare, 1)
    refused(deployer("up", image, "--image", server_image, cwd=bare), 2, "--image does not go with an image")
    refused(deployer("up", image, "--models-dir", "models", cwd=bare), 2, "--models-dir")
    refused(deployer("up", image, "--input", "x:float32[?]", cwd=bare), 2, "--input")
    refused(deployer("up", image, "--engine", "embedded", cwd=bare), 3, "embedded engine runs no containers")
    (bare / "deployer.toml").write_text("[models.half_plus_two]\n[batching]\nmax_batch_size = 4\n")
    refused(deployer("up", image, cwd=bare), 3, "batching", "was built without it")
    (bare / "deployer.toml").write_text("[models.half_plus_two]\n[server.flags]\ngrpc_max_threads = 17\n")
    refused(deployer("up", image, cwd=bare), 3, "server.flags.grpc_max_threads", "was built without it")
    (bare / "deployer.toml").unlink()
    base = docker("image", "inspect", "--format", "{{.Id}}", server_image)
    refused(deployer("up", base, cwd=bare), 6, "no models inside", "deployer image build")
    refused(deployer("up", f"sha256:{'0' * 64}", cwd=bare), 6, "0000")
    refused(deployer("up", f"{registry}/none@sha256:{'0' * 64}", cwd=bare), 6, "no such image")


def test_a_plan_shows_what_would_be_deployed_and_starts_nothing(bare: Path) -> None:
    image = built(bare, 1)
    ended = deployer("plan", image, *ANY_PORTS, "--json", cwd=bare)
    assert (ended.code, ended.json["plan"]["change"]) == (0, "create"), ended.err
    assert docker("ps", "-a", "-q", "--filter", LABEL) == ""
    digest = ended.json["plan"]["digest"]
    assert up(bare, image, "--expect", digest, *ANY_PORTS)["report"]["ok"]


def known(image: str) -> bool:
    return docker("images", "--quiet", "--digests", image.partition("@")[0]) != ""


def contents(project: Path) -> set[Path]:
    return set(project.rglob("*"))


def test_a_plan_of_an_image_that_the_engine_lacks_pulls_and_writes_nothing(bare: Path, registry: str) -> None:
    image = pushed(bare, 1, registry)
    before = contents(bare)
    for command in (("plan", image), ("plan", image, "--name", PROJECT), ("up", image, "--dry-run")):
        ended = deployer(*command, "--json", cwd=bare)
        assert ended.code == 0, ended.err
        plan, notices = ended.json["plan"], ended.json["notices"]
        assert (plan["change"], [step["kind"] for step in plan["steps"]]) == ("pull", ["pull_image"])
        assert ("--name" in command) == (ended.json["name"] == PROJECT)
        assert any("is not known" in notice for notice in notices), notices
        schemas.check(command[0], ended.json)
    shown = deployer("plan", image, "--exit-code", cwd=bare)
    assert (shown.code, shown.out.splitlines()[0]) == (20, f"PULL {image} on docker"), shown.err
    assert not known(image)
    assert contents(bare) == before
    digest = ended.json["plan"]["digest"]
    refused(deployer("up", image, "--expect", digest, *ANY_PORTS, cwd=bare), 1, "another plan")
    refused(deployer("plan", image, "--force", cwd=bare), 2, "--force does not go with an image")
    assert not (bare / COPIES).exists()
    ended = deployer("plan", image, "--json", cwd=bare)
    assert (ended.json["plan"]["change"], (bare / COPIES).exists()) == ("create", False)


def test_a_plan_of_a_rollback_to_an_image_that_the_engine_lacks_pulls_nothing(bare: Path, registry: str) -> None:
    image = pushed(bare, 1, registry)
    up(bare, image, *ANY_PORTS)
    up(bare, "half_plus_two:2")
    docker("rmi", image)
    before = contents(bare)
    ended = deployer("rollback", "--dry-run", "--json", cwd=bare)
    assert (ended.code, ended.json["plan"]["change"], ended.json["name"]) == (0, "pull", "half_plus_two"), ended.err
    assert not known(image)
    assert contents(bare) == before
    assert deployer("rollback", cwd=bare).code == 0
