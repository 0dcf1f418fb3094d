"""Any engine without a server: nothing is there, bad wishes are refused, what killed commands left is cleaned up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.engines.cluster_rows import EVERY_ROW
from contract.engines.fixture import ENV, NAME, EngineFixture, served
from contract.engines.rows import DOCKER_IMAGE
from support import cluster as clusters
from support.world import free_port

from deployer.engines.base import Address
from deployer.errors import LockHeld, PortTaken, SettingRefused

HOLD = """
import sys, time
from pathlib import Path
from contract.engines.cluster_rows import EVERY_ROW
from deployer.config.spec import Spec
name, state_dir, project = sys.argv[1:]
row = next(row for row in EVERY_ROW if row.name == name)
engine = row.make(Spec(state_dir=Path(state_dir), project=project, **row.settings()))
with engine.locks.acquire("contract", "local", 0.0):
    print("held", flush=True)
    time.sleep(60)
"""


def test_at_first_there_is_nothing_and_clearing_it_away_is_no_error(fixture):
    assert [finding for finding in fixture.engine.preflight.platform() if finding.severity == "error"] == []
    assert fixture.engine.preflight.models(()) == ()
    assert fixture.engine.traits.id
    assert fixture.engine.traits.name == fixture.row.engine
    assert fixture.engine.observe(NAME, ENV) is None
    assert fixture.engine.inventory.observe_all() == fixture.engine.inventory.names() == ()
    with fixture.engine.locks.acquire(NAME, ENV, 0.0):
        fixture.engine.recover(NAME, ENV)
        fixture.engine.remove(NAME, ENV)
    assert fixture.litter == []


def test_traits_are_plain_data_that_stay_the_same(fixture):
    assert json.loads(json.dumps(fixture.engine.traits.fingerprint)) == fixture.engine.traits.fingerprint
    assert fixture.launch(served(1)).server_digest == fixture.launch(served(2)).server_digest
    assert fixture.engine.traits.models_root(fixture.spec.models_dir).startswith("/")


@pytest.fixture
def holder(fixture: EngineFixture) -> Iterator[subprocess.Popen]:
    """Another command that works on the deployment."""
    command = [sys.executable, "-c", HOLD, fixture.row.name, str(fixture.state_dir), fixture.project]
    tests = str(Path(__file__).parents[2])
    usual = {"DEPLOYER_TEST_IMAGE": DOCKER_IMAGE, "DEPLOYER_TESTBED_CLUSTER": clusters.NAME}
    settings = {**os.environ, "PYTHONPATH": tests, **usual}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate(timeout=60)


def test_one_command_at_a_time_and_the_other_is_named(fixture, holder):
    with (
        pytest.raises(LockHeld, match=f"process {holder.pid} ") as refused,
        fixture.engine.locks.acquire(NAME, ENV, 0.1),
    ):
        pass
    assert refused.value.hint
    with fixture.engine.locks.acquire("other", ENV, 0.0), fixture.engine.locks.acquire(NAME, "staging", 0.0):
        pass


def test_the_lock_of_a_killed_command_is_free(fixture, holder):
    holder.send_signal(signal.SIGKILL)
    with fixture.engine.locks.acquire(NAME, ENV, 30.0):
        pass
    assert fixture.litter == []


def test_the_holder_of_a_lock_is_reported_and_can_be_ended(fixture, holder):
    owner = fixture.engine.locks.owner(NAME, ENV)
    assert (owner.pid, owner.is_local, owner.has_ended) == (holder.pid, True, False)
    assert (fixture.engine.locks.owner("other", ENV), fixture.engine.locks.owner(NAME, "staging")) == (None, None)
    assert fixture.engine.inventory.observe_all() == ()
    fixture.engine.locks.break_lock("other", ENV)
    assert holder.poll() is None
    fixture.engine.locks.break_lock(NAME, ENV)
    assert holder.wait(60) != 0
    assert fixture.engine.locks.owner(NAME, ENV) is None
    with fixture.engine.locks.acquire(NAME, ENV, 0.0):
        assert fixture.engine.locks.owner(NAME, ENV).pid != holder.pid
    assert fixture.litter == []


@pytest.fixture
def taken(fixture: EngineFixture) -> Iterator[int]:
    """A port that somebody else holds on the platform."""
    with fixture.row.take_port() as port:
        yield port


@pytest.mark.parametrize("api", ["rest_port", "grpc_port"])
def test_a_taken_port_is_refused_before_anything_is_made(fixture, taken, api):
    wanted = {"rest_port": None, "grpc_port": None, api: taken}
    with pytest.raises(PortTaken, match=str(taken)):
        fixture.engine.preflight.address(NAME, ENV, Address("127.0.0.1", **wanted))
    with fixture.engine.locks.acquire(NAME, ENV, 0.0), pytest.raises(PortTaken, match=str(taken)):
        fixture.engine.stage(fixture.launch(served(1), **wanted))
    assert fixture.engine.inventory.names() == ()
    assert fixture.litter == []


def test_a_free_address_is_fine(fixture):
    for rest, grpc in ((None, None), (0, 0), (free_port(), free_port())):
        fixture.engine.preflight.address(NAME, ENV, Address("127.0.0.1", rest, grpc))
    assert fixture.litter == []


def stage_refused(fixture: EngineFixture, flag: str, value: str) -> SettingRefused:
    with fixture.engine.locks.acquire(NAME, ENV, 0.0), pytest.raises(SettingRefused) as refused:
        fixture.engine.stage(fixture.launch(served(1), flags=((flag, value),)))
    assert fixture.engine.inventory.names() == ()
    assert fixture.litter == []
    return refused.value


def test_a_flag_that_the_server_does_not_have_is_refused_with_the_nearest_one(fixture):
    """The server would print it and go on without it."""
    refused = stage_refused(fixture, "file_system_pol_wait_seconds", "1")
    assert "file_system_pol_wait_seconds" in refused.message
    assert refused.hint == "did you mean file_system_poll_wait_seconds?"
    assert "did you mean" not in str(stage_refused(fixture, "zzzzzz", "1").hint)


@pytest.mark.parametrize(
    ("row", "flag"), [(row, flag) for row in EVERY_ROW for flag in row.unhonoured], indirect=["row"], ids=str
)
def test_a_flag_that_the_engine_cannot_honour_is_refused_and_named(fixture, flag):
    refused = stage_refused(fixture, flag, fixture.row.unhonoured[flag])
    assert f"the {fixture.row.engine} engine cannot honour the server flag {flag}" in refused.message


@pytest.mark.parametrize(
    ("row", "moment"), [(row, moment) for row in EVERY_ROW for moment in row.half_made], indirect=["row"], ids=str
)
@pytest.mark.parametrize("clear", ["recover", "remove"])
def test_what_a_command_left_that_was_killed_while_staging_is_cleared_away(fixture, moment, clear):
    fixture.row.half_made[moment](fixture.spec, NAME, ENV)
    assert fixture.litter != []
    assert (fixture.engine.observe(NAME, ENV), fixture.engine.inventory.observe_all()) == (None, ())
    assert fixture.engine.inventory.names() == ((NAME, ENV),)
    with fixture.engine.locks.acquire(NAME, ENV, 0.0):
        getattr(fixture.engine, clear)(NAME, ENV)
    assert fixture.engine.inventory.names() == ()
    assert fixture.litter == []
