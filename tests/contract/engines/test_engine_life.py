"""The life of a server on any engine: candidate, serving, changed, replaced, killed, gone."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from contract.engines.cluster_rows import EVERY_ROW
from contract.engines.fixture import ANSWERS, ENV, MODEL, NAME, PATIENCE, EngineFixture, addresses, answer, served
from contract.engines.rows import ROWS, each_of
from support.world import eventually

from deployer.engines import run_dir
from deployer.engines.base import CANDIDATE, Address
from deployer.errors import DeployerError
from deployer.results.deployment import Deployment


def gone(fixture: EngineFixture, deployment: Deployment) -> bool:
    return fixture.engine.exit_reason(deployment) is not None and not fixture.listens(deployment)


def test_a_candidate_answers_and_is_no_deployment_until_it_is_promoted(fixture):
    with fixture.engine.locks.acquire(NAME, ENV, 0.0):
        candidate = fixture.stage(served(1, 3))
        assert (candidate.role, candidate.running, candidate.models) == (CANDIDATE, True, (served(1, 3),))
        assert fixture.engine.exit_reason(candidate) is None
        assert answer(candidate, 1) == ANSWERS[1]
        assert answer(candidate) == ANSWERS[3]
        assert (fixture.engine.observe(NAME, ENV), fixture.engine.inventory.observe_all()) == (None, ())
        assert fixture.engine.inventory.names() == ((NAME, ENV),)
        fixture.engine.preflight.address(NAME, ENV, Address("127.0.0.1", candidate.rest_port, candidate.grpc_port))
        fixture.engine.discard(candidate)
        assert gone(fixture, candidate)
        fixture.engine.discard(candidate)
        assert fixture.engine.observe(NAME, ENV) is None
        fixture.engine.copies.forget([(MODEL, 1), (MODEL, 3)])
    assert fixture.engine.inventory.names() == ()
    assert fixture.litter == []


class Follower(threading.Thread):
    """Follows a server's log to its end."""

    def __init__(self, fixture: EngineFixture, deployment: Deployment) -> None:
        super().__init__(daemon=True)
        self.lines: list[str] = []
        self._all = fixture.engine.logs(deployment, 1, follow=True)
        self.start()

    def run(self) -> None:
        self.lines.extend(line.text for line in self._all)


@each_of(row for row in EVERY_ROW if not row.traits.replicated)
def test_versions_follow_one_another_at_one_address(fixture):
    """Several servers are replaced in turn instead: see test_swarm_engine.py, whose servers start at once."""
    with fixture.engine.locks.acquire(NAME, ENV, 0.0):
        first = fixture.serve(served(1))
        candidate = fixture.stage(served(2))
        assert not set(addresses(candidate)) & set(addresses(first))
        assert (answer(candidate), answer(first)) == (ANSWERS[2], ANSWERS[1])
        assert fixture.engine.observe(NAME, ENV) == first
        second = fixture.engine.promote(candidate, 30.0, fixture.wait)
        assert (second.endpoints, second.rest_port, second.grpc_port) == (
            first.endpoints, first.rest_port, first.grpc_port,
        )  # fmt: skip
        assert answer(second) == ANSWERS[2]
        assert fixture.engine.exit_reason(first) is not None
        assert fixture.engine.inventory.observe_all() == (second,)
        assert fixture.engine.foresee(NAME, ENV) == second
        fixture.engine.discard(first)
        changes_in_place(fixture, second)
        follower = Follower(fixture, second)
        eventually(lambda: len(follower.lines) > 0, "the log is followed", 60)
        fixture.engine.remove(NAME, ENV)
        follower.join(PATIENCE)
        assert not follower.is_alive()
        assert gone(fixture, second)
    assert fixture.litter == []


def changes_in_place(fixture: EngineFixture, serving: Deployment) -> None:
    """The same server takes up other versions, and is known for them once that is recorded."""
    fixture.reload(serving, served(2, 3))
    assert fixture.engine.observe(NAME, ENV) == dataclasses.replace(serving, reloading_to=(served(2, 3),))
    assert fixture.engine.recover(NAME, ENV) == ()
    changed = fixture.engine.mark_serving(serving, (served(2, 3, stable=2),))
    assert fixture.engine.observe(NAME, ENV) == changed
    assert (changed.models, changed.release, changed.pid) == ((served(2, 3, stable=2),), serving.release, serving.pid)
    assert changed.endpoints == serving.endpoints
    assert (answer(changed), answer(changed, 2)) == (ANSWERS[3], ANSWERS[2])


@each_of(ROWS)
def test_a_server_that_was_killed_is_known_to_be_dead_and_the_next_one_takes_its_ports(fixture):
    with fixture.engine.locks.acquire(NAME, ENV, 0.0):
        dead = fixture.serve(served(1))
        fixture.row.kill(dead)
        assert fixture.engine.exit_reason(dead) is not None
        assert fixture.engine.exit_reason(dead)
        seen = fixture.engine.observe(NAME, ENV)
        assert seen is not None
        assert (seen.release, seen.running) == (dead.release, False)
        mended = fixture.serve(served(2))
        assert answer(mended) == ANSWERS[2]
        assert (mended.rest_port, mended.grpc_port) == (dead.rest_port, dead.grpc_port)
        assert fixture.engine.inventory.observe_all() == (mended,)


@each_of(ROWS)
def test_what_served_serves_again_when_the_promoted_one_is_not_accepted(fixture):
    asked = []

    def refuse(promoted: Deployment) -> None:
        fixture.wait(promoted)
        asked.append(answer(promoted))
        raise DeployerError("not accepted")

    with fixture.engine.locks.acquire(NAME, ENV, 0.0):
        first = fixture.serve(served(1))
        with pytest.raises(DeployerError, match="not accepted"):
            fixture.engine.promote(fixture.stage(served(2)), 30.0, refuse)
        fixture.engine.recover(NAME, ENV)
        assert asked == [ANSWERS[2]]
        assert fixture.engine.inventory.observe_all() == (first,)
        fixture.wait(first)
        assert answer(first) == ANSWERS[1]


def test_a_candidate_that_ends_by_itself_is_never_promoted_and_tells_why(fixture):
    with fixture.engine.locks.acquire(NAME, ENV, 0.0):
        candidate = fixture.start(served(1), flags=(("grpc_max_threads", "many"),))
        eventually(lambda: fixture.engine.exit_reason(candidate) is not None, "the server refused to start", 60)
        assert fixture.engine.exit_reason(candidate)
        assert any("grpc_max_threads" in line.text for line in fixture.engine.logs(candidate))
        assert list(fixture.engine.logs(candidate, follow=True))
        with pytest.raises(DeployerError):
            fixture.engine.promote(candidate, 5.0, fixture.wait)
        assert fixture.engine.observe(NAME, ENV) is None
        fixture.engine.recover(NAME, ENV)
        fixture.engine.copies.forget([(MODEL, 1)])
    assert fixture.litter == []


@each_of(ROWS)
def test_a_clock_that_goes_back_between_two_deploys_does_no_harm(fixture, monkeypatch):
    with fixture.engine.locks.acquire(NAME, ENV, 0.0):
        first = fixture.serve(served(1))
        monkeypatch.setattr(run_dir, "new_release_id", lambda: "19700101-000000-000000001-abcd")
        second = fixture.serve(served(2), flags=(("rest_api_num_threads", "3"),))
        assert fixture.engine.observe(NAME, ENV) == second
        assert fixture.engine.inventory.observe_all() == (second,)
        assert fixture.engine.exit_reason(first) is not None
        assert (answer(second), fixture.engine.recover(NAME, ENV)) == (ANSWERS[2], ())
