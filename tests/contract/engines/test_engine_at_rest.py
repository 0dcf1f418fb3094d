"""Any engine without a server: nothing is there, bad wishes are refused, what killed commands left is cleaned up."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.engines.house import ENV, NAME, House, served
from contract.engines.rows import DOCKER_IMAGE, ROWS
from support.world import free_port

from deployer.engines.base import Address
from deployer.errors import LockHeld, PortTaken, SettingRefused

HOLD = """
import sys, time
from pathlib import Path
from contract.engines.rows import ROWS
from deployer.config.spec import Spec
name, state_dir, project = sys.argv[1:]
row = next(row for row in ROWS if row.name == name)
with row.make(Spec(state_dir=Path(state_dir), project=project)).locks.acquire("contract", "local", 0.0):
    print("held", flush=True)
    time.sleep(60)
"""


def test_at_first_there_is_nothing_and_clearing_it_away_is_no_error(house):
    assert [finding for finding in house.engine.preflight.platform() if finding.severity == "error"] == []
    assert house.engine.preflight.models(()) == ()
    assert house.engine.traits.id
    assert house.engine.traits.name == house.row.name
    assert house.engine.observe(NAME, ENV) is None
    assert house.engine.inventory.observe_all() == house.engine.inventory.names() == ()
    with house.engine.locks.acquire(NAME, ENV, 0.0):
        house.engine.recover(NAME, ENV)
        house.engine.remove(NAME, ENV)
    assert house.litter == []


def test_traits_are_plain_data_that_stay_the_same(house):
    assert json.loads(json.dumps(house.engine.traits.fingerprint)) == house.engine.traits.fingerprint
    assert house.launch(served(1)).server_digest == house.launch(served(2)).server_digest
    assert house.engine.traits.models_root(house.spec.models_dir).startswith("/")


@pytest.fixture
def holder(house: House) -> Iterator[subprocess.Popen]:
    """Another command that works on the deployment."""
    command = [sys.executable, "-c", HOLD, house.row.name, str(house.state_dir), house.project]
    tests = str(Path(__file__).parents[2])
    settings = {**os.environ, "PYTHONPATH": tests, "DEPLOYER_TEST_IMAGE": DOCKER_IMAGE}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate(timeout=60)


def test_one_command_at_a_time_and_the_other_is_named(house, holder):
    with pytest.raises(LockHeld, match=f"process {holder.pid} ") as refused, house.engine.locks.acquire(NAME, ENV, 0.1):
        pass
    assert refused.value.hint
    with house.engine.locks.acquire("other", ENV, 0.0), house.engine.locks.acquire(NAME, "staging", 0.0):
        pass


def test_the_lock_of_a_killed_command_is_free(house, holder):
    holder.send_signal(signal.SIGKILL)
    with house.engine.locks.acquire(NAME, ENV, 30.0):
        pass
    assert house.litter == []


def test_the_holder_of_a_lock_is_told_and_can_be_ended(house, holder):
    owner = house.engine.locks.owner(NAME, ENV)
    assert (owner.pid, owner.here, owner.dead) == (holder.pid, True, False)
    assert (house.engine.locks.owner("other", ENV), house.engine.locks.owner(NAME, "staging")) == (None, None)
    assert house.engine.inventory.observe_all() == ()
    house.engine.locks.break_lock("other", ENV)
    assert holder.poll() is None
    house.engine.locks.break_lock(NAME, ENV)
    assert holder.wait(60) != 0
    assert house.engine.locks.owner(NAME, ENV) is None
    with house.engine.locks.acquire(NAME, ENV, 0.0):
        assert house.engine.locks.owner(NAME, ENV).pid != holder.pid
    assert house.litter == []


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


@pytest.mark.parametrize("door", ["rest_port", "grpc_port"])
def test_a_taken_port_is_refused_before_anything_is_made(house, taken, door):
    wanted = {"rest_port": None, "grpc_port": None, door: taken}
    with pytest.raises(PortTaken, match=str(taken)):
        house.engine.preflight.address(NAME, ENV, Address("127.0.0.1", **wanted))
    with house.engine.locks.acquire(NAME, ENV, 0.0), pytest.raises(PortTaken, match=str(taken)):
        house.engine.stage(house.launch(served(1), **wanted))
    assert house.engine.inventory.names() == ()
    assert house.litter == []


def test_a_free_address_is_fine(house):
    for rest, grpc in ((None, None), (0, 0), (free_port(), free_port())):
        house.engine.preflight.address(NAME, ENV, Address("127.0.0.1", rest, grpc))
    assert house.litter == []


def stage_refused(house: House, flag: str, value: str) -> SettingRefused:
    with house.engine.locks.acquire(NAME, ENV, 0.0), pytest.raises(SettingRefused) as refused:
        house.engine.stage(house.launch(served(1), flags=((flag, value),)))
    assert house.engine.inventory.names() == ()
    assert house.litter == []
    return refused.value


def test_a_flag_that_the_server_does_not_have_is_refused_with_the_nearest_one(house):
    """The server would print it and go on without it."""
    refused = stage_refused(house, "file_system_pol_wait_seconds", "1")
    assert "file_system_pol_wait_seconds" in refused.message
    assert refused.hint == "did you mean file_system_poll_wait_seconds?"
    assert "did you mean" not in str(stage_refused(house, "zzzzzz", "1").hint)


@pytest.mark.parametrize(
    ("row", "flag"), [(row, flag) for row in ROWS for flag in row.unhonoured], indirect=["row"], ids=str
)
def test_a_flag_that_the_engine_cannot_honour_is_refused_and_named(house, flag):
    refused = stage_refused(house, flag, house.row.unhonoured[flag])
    assert f"the {house.row.name} engine cannot honour the server flag {flag}" in refused.message


@pytest.mark.parametrize(
    ("row", "moment"), [(row, moment) for row in ROWS for moment in row.half_made], indirect=["row"], ids=str
)
@pytest.mark.parametrize("clear", ["recover", "remove"])
def test_what_a_command_left_that_was_killed_while_staging_is_cleared_away(house, moment, clear):
    house.row.half_made[moment](house.spec, NAME, ENV)
    assert house.litter != []
    assert (house.engine.observe(NAME, ENV), house.engine.inventory.observe_all()) == (None, ())
    assert house.engine.inventory.names() == ((NAME, ENV),)
    with house.engine.locks.acquire(NAME, ENV, 0.0):
        getattr(house.engine, clear)(NAME, ENV)
    assert house.engine.inventory.names() == ()
    assert house.litter == []
