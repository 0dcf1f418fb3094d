"""Volumes on another machine: they go when nothing uses them, and stay while something does."""

from __future__ import annotations

from typing import Any

import docker.errors
import pytest

from deployer.engines.docker.remote import volume as volumes
from deployer.engines.docker.remote.helper import HELPER
from deployer.engines.docker.remote.volume import Volume, labelled


class Response:
    def __init__(self, status: int) -> None:
        self.status_code = status


class Api:
    """An engine with volumes, each with the labels of the containers that use it."""

    def __init__(self, **users: list[dict[str, str]]) -> None:
        self.users = users

    def remove_volume(self, name: str) -> None:
        if name not in self.users:
            raise docker.errors.NotFound("gone")
        if self.users[name]:
            raise docker.errors.APIError("in use", response=Response(409))
        del self.users[name]

    def containers(self, filters: dict[str, str], **_: Any) -> list[dict[str, Any]]:
        using = [{"Labels": labels} for labels in self.users[filters["volume"]]]
        self.users[filters["volume"]] = [each["Labels"] for each in using if HELPER not in each["Labels"]]
        return using

    def volumes(self, filters: dict[str, list[str]]) -> dict[str, Any]:
        self.asked = filters
        return {"Volumes": [{"Name": name} for name in self.users] or None}


class Client:
    def __init__(self, api: Api) -> None:
        self.api = api


def test_a_volume_is_removed_when_the_helpers_of_ended_commands_are_gone():
    api = Api(v=[{HELPER: "1"}])
    Volume(Client(api), "v").remove()  # type: ignore[arg-type]
    assert api.users == {}
    Volume(Client(api), "v").remove()  # type: ignore[arg-type]


def test_a_volume_that_a_server_uses_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(volumes, "CLEAR_SECONDS", 0.1)
    api = Api(v=[{"deployer.name": "m"}])
    Volume(Client(api), "v").remove()  # type: ignore[arg-type]
    assert not Volume(Client(api), "v").try_to_remove()  # type: ignore[arg-type]
    assert list(api.users) == ["v"]


def test_the_volumes_of_a_project_are_found_by_their_labels():
    api = Api(one=[], two=[])
    found = labelled(Client(api), {"deployer.project": "p", "deployer.volume": "models"})  # type: ignore[arg-type]
    assert [each.name for each in found] == ["one", "two"]
    assert api.asked == {"label": ["deployer.project=p", "deployer.volume=models"]}
    assert labelled(Client(Api()), {}) == []  # type: ignore[arg-type]
