"""The life of a server on any engine: candidate, serving, changed, replaced, killed, gone."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from contract.engines.house import ANSWERS, ENV, NAME, PATIENCE, House, answer, ports, served
from support.world import eventually, listens

from deployer.engines import run_folder
from deployer.engines.base import CANDIDATE, Address
from deployer.errors import DeployerError
from deployer.results.deployment import Deployment


def gone(house: House, deployment: Deployment) -> bool:
    return house.engine.exit_reason(deployment) is not None and not any(map(listens, ports(deployment)))


def test_a_candidate_answers_and_is_no_deployment_until_it_is_promoted(house):
    with house.engine.locks.acquire(NAME, ENV, 0.0):
        candidate = house.stage(served(1, 3))
        assert (candidate.role, candidate.running, candidate.models) == (CANDIDATE, True, (served(1, 3),))
        assert house.engine.exit_reason(candidate) is None
        assert answer(candidate, 1) == ANSWERS[1]
        assert answer(candidate) == ANSWERS[3]
        assert (house.engine.observe(NAME, ENV), house.engine.inventory.observe_all()) == (None, ())
        assert house.engine.inventory.names() == ((NAME, ENV),)
        house.engine.preflight.address(NAME, ENV, Address("127.0.0.1", candidate.rest_port, candidate.grpc_port))
        house.engine.discard(candidate)
        assert gone(house, candidate)
        house.engine.discard(candidate)
        assert house.engine.observe(NAME, ENV) is None
    assert house.engine.inventory.names() == ()
    assert house.litter == []


class Follower(threading.Thread):
    """Follows a server's log to its end."""

    def __init__(self, house: House, deployment: Deployment) -> None:
        super().__init__(daemon=True)
        self.lines: list[str] = []
        self._all = house.engine.logs(deployment, 1, follow=True)
        self.start()

    def run(self) -> None:
        self.lines.extend(self._all)


def test_versions_follow_one_another_at_one_address(house):
    with house.engine.locks.acquire(NAME, ENV, 0.0):
        first = house.serve(served(1))
        candidate = house.stage(served(2))
        assert not set(ports(candidate)) & set(ports(first))
        assert (answer(candidate), answer(first)) == (ANSWERS[2], ANSWERS[1])
        assert house.engine.observe(NAME, ENV) == first
        second = house.engine.promote(candidate, 30.0, house.wait)
        assert (second.endpoints, second.rest_port, second.grpc_port) == (
            first.endpoints, first.rest_port, first.grpc_port,
        )  # fmt: skip
        assert answer(second) == ANSWERS[2]
        assert house.engine.exit_reason(first) is not None
        assert house.engine.inventory.observe_all() == (second,)
        house.engine.discard(first)
        changes_in_place(house, second)
        follower = Follower(house, second)
        eventually(lambda: len(follower.lines) > 0, "the log is followed", 60)
        house.engine.remove(NAME, ENV)
        follower.join(PATIENCE)
        assert not follower.is_alive()
        assert gone(house, second)
    assert house.litter == []


def changes_in_place(house: House, serving: Deployment) -> None:
    """The same server takes up other versions, and is known for them once that is recorded."""
    house.reload(serving, served(2, 3))
    assert house.engine.observe(NAME, ENV) == dataclasses.replace(serving, under_way=(served(2, 3),))
    assert house.engine.recover(NAME, ENV) == ()
    changed = house.engine.mark_serving(serving, (served(2, 3, stable=2),))
    assert house.engine.observe(NAME, ENV) == changed
    assert (changed.models, changed.release, changed.pid) == ((served(2, 3, stable=2),), serving.release, serving.pid)
    assert changed.endpoints == serving.endpoints
    assert (answer(changed), answer(changed, 2)) == (ANSWERS[3], ANSWERS[2])


def test_a_server_that_was_killed_is_known_to_be_dead_and_the_next_one_takes_its_ports(house):
    with house.engine.locks.acquire(NAME, ENV, 0.0):
        dead = house.serve(served(1))
        house.row.kill(dead)
        assert house.engine.exit_reason(dead) is not None
        assert house.engine.exit_reason(dead)
        seen = house.engine.observe(NAME, ENV)
        assert seen is not None
        assert (seen.release, seen.running) == (dead.release, False)
        mended = house.serve(served(2))
        assert answer(mended) == ANSWERS[2]
        assert (mended.rest_port, mended.grpc_port) == (dead.rest_port, dead.grpc_port)
        assert house.engine.inventory.observe_all() == (mended,)


def test_what_served_serves_again_when_the_promoted_one_is_not_accepted(house):
    asked = []

    def refuse(promoted: Deployment) -> None:
        house.wait(promoted)
        asked.append(answer(promoted))
        raise DeployerError("not accepted")

    with house.engine.locks.acquire(NAME, ENV, 0.0):
        first = house.serve(served(1))
        with pytest.raises(DeployerError, match="not accepted"):
            house.engine.promote(house.stage(served(2)), 30.0, refuse)
        house.engine.recover(NAME, ENV)
        assert asked == [ANSWERS[2]]
        assert house.engine.inventory.observe_all() == (first,)
        house.wait(first)
        assert answer(first) == ANSWERS[1]


def test_a_candidate_that_ends_by_itself_is_never_promoted_and_tells_why(house):
    with house.engine.locks.acquire(NAME, ENV, 0.0):
        candidate = house.engine.stage(house.launch(served(1), flags=(("grpc_max_threads", "many"),)))
        eventually(lambda: house.engine.exit_reason(candidate) is not None, "the server refused to start", 60)
        assert house.engine.exit_reason(candidate)
        assert any("grpc_max_threads" in line for line in house.engine.logs(candidate))
        assert list(house.engine.logs(candidate, follow=True))
        with pytest.raises(DeployerError):
            house.engine.promote(candidate, 5.0, house.wait)
        assert house.engine.observe(NAME, ENV) is None
        house.engine.recover(NAME, ENV)
    assert house.litter == []


def test_a_clock_that_goes_back_between_two_deploys_does_no_harm(house, monkeypatch):
    with house.engine.locks.acquire(NAME, ENV, 0.0):
        first = house.serve(served(1))
        monkeypatch.setattr(run_folder, "new_release_id", lambda: "19700101-000000-000000001-abcd")
        second = house.serve(served(2), flags=(("rest_api_num_threads", "3"),))
        assert house.engine.observe(NAME, ENV) == second
        assert house.engine.inventory.observe_all() == (second,)
        assert house.engine.exit_reason(first) is not None
        assert (answer(second), house.engine.recover(NAME, ENV)) == (ANSWERS[2], ())
