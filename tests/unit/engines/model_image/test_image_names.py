"""The name of an image: what it is by default, and what no registry would accept."""

from __future__ import annotations

import pytest

from deployer.engines.docker.model_image.names import check_name, image_name, with_tag
from deployer.errors import InvalidValue
from deployer.results.served import ServedModel

ONE = (ServedModel("Half", (3,)),)
TWO = (ServedModel("a", (1, 2)),)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (None, "shop/half:3"),
        ("127.0.0.1:5000/team/half", "127.0.0.1:5000/team/half:3"),
        ("team/half:stable", "team/half:stable"),
        ("[::1]:5000/half", "[::1]:5000/half:3"),
    ],
)
def test_the_tag_is_the_version(wanted: str | None, name: str) -> None:
    assert image_name(wanted, "shop", "Half", ONE) == name


def test_several_versions_have_a_tag_that_depends_on_all_of_them() -> None:
    names = {image_name(None, "shop", "a", models) for models in (TWO, (*TWO, *ONE), (ServedModel("a", (1, 3)),))}
    assert len(names) == 3
    assert image_name(None, "shop", "a", TWO) in names


@pytest.mark.parametrize(
    "name",
    ["a:", ":1", "A/b:1", "a b:1", "a/../b:1", "-a:1", "a_:1", "a:b/c:1", "a@b:1", "a:-1", f"{'a' * 300}:1"],
)
def test_names_that_no_registry_accepts_are_refused(name: str) -> None:
    with pytest.raises(InvalidValue):
        check_name(name)


@pytest.mark.parametrize("project", ["a__-b", "shop_"])
def test_a_project_that_no_repository_can_have_asks_for_a_name(project: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        image_name(None, project, "half", ONE)
    assert "--tag" in (caught.value.hint or "")


def test_a_port_is_no_tag() -> None:
    assert with_tag("host:5000/a", "7") == "host:5000/a:7"
    assert with_tag("host:5000/a:1", "7") == "host:5000/a:1"
