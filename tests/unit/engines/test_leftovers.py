"""Containers of killed commands are removed, and those in use stay, whatever the clock of this machine says."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from deployer.engines.docker.leftovers import parse_time, remove_old

NOW = 1_800_000_000
SYSTEM_TIME = "2027-01-15T09:00:00.123456789+01:00"


class Api:
    """An engine whose clock shows NOW."""

    def __init__(self, *ages: int) -> None:
        self.ages, self.removed = ages, list[str]()

    def containers(self, **wanted: Any) -> list[dict[str, Any]]:
        assert wanted == {"all": True, "filters": {"label": "l"}}
        return [{"Id": str(age), "Created": NOW - age} for age in self.ages]

    def info(self) -> dict[str, Any]:
        assert self.ages, "asked for nothing"
        return {"SystemTime": SYSTEM_TIME}

    def remove_container(self, container: str, **_: Any) -> None:
        if container == "900":
            raise docker.errors.APIError("removal is already in progress")
        self.removed.append(container)


@pytest.mark.parametrize("ahead", [-3600, 0, 3600])
def test_the_clock_of_the_engine_tells_their_age(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: float(NOW + ahead))
    api = Api(3700, 900, 130, 110, 0, -5)
    remove_old(SimpleNamespace(api=api), 120, {"label": "l"})  # type: ignore[arg-type]
    assert api.removed == ["3700", "130"]


def test_without_any_nothing_else_is_asked() -> None:
    remove_old(SimpleNamespace(api=Api()), 120, {"label": "l"})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [SYSTEM_TIME, "2027-01-15T08:00:00Z", "2027-01-15T08:00:00.5Z"])
def test_times_of_the_engine_are_read(text: str) -> None:
    assert parse_time(text) == NOW
