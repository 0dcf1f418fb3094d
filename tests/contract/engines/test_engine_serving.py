"""Any engine with a server that serves, shared by the tests of this file: they look, and leave it as it is."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

import pytest
from contract.engines.fixture import ANSWERS, ENV, NAME, answer, ports, served
from support.world import free_port

from deployer.engines.base import SERVING, Address
from deployer.errors import DeployerError, PortTaken, SettingRefused


def test_what_serves_is_observed_as_it_was_promoted(shared, serving):
    assert shared.engine.observe(NAME, ENV) == serving
    assert shared.engine.inventory.observe_all() == (serving,)
    assert shared.engine.inventory.names() == ((NAME, ENV),)
    assert (serving.name, serving.env, serving.engine) == (NAME, ENV, shared.row.engine)
    assert (serving.role, serving.running, serving.models) == (SERVING, True, (served(1),))
    _, launch = shared.ready_to_stage(served(1))
    assert (serving.server_digest, serving.flags) == (launch.server_digest, launch.flags)
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", serving.created)
    assert shared.engine.exit_reason(serving) is None


def test_what_it_uses_of_the_memory_is_measured(shared, serving):
    memory = shared.engine.memory(serving)
    if shared.engine.traits.replicated:
        assert memory is None  # of several servers
        return
    assert memory is not None
    assert 20 * 2**20 < memory.used < 4 * 2**30
    assert memory.limit is None
    assert memory.free is None or memory.free > 2**20


def test_it_answers_at_its_address(serving):
    assert ports(serving) == [serving.rest_port, serving.grpc_port]
    assert answer(serving) == answer(serving, 1) == ANSWERS[1]
    with pytest.raises(DeployerError, match="Servable not found"):
        answer(serving, 2)


def test_other_names_and_environments_are_other_deployments(shared, serving):
    assert shared.engine.observe(NAME, "staging") is None
    assert shared.engine.observe("contract2", ENV) is None
    assert shared.engine.observe("contrac", ENV) is None


def test_its_own_ports_are_free_for_itself_alone(shared, serving):
    address = Address("127.0.0.1", serving.rest_port, serving.grpc_port)
    shared.engine.preflight.address(NAME, ENV, address)
    for name, env in (("other", ENV), (NAME, "staging")):
        with pytest.raises(PortTaken, match=str(serving.rest_port)):
            shared.engine.preflight.address(name, env, address)
    assert shared.engine.inventory.names() == ((NAME, ENV),)


def test_sweeping_takes_nothing_that_serves(shared, serving):
    with shared.engine.locks.acquire(NAME, ENV, 0.0):
        shared.engine.recover(NAME, ENV)
    assert shared.engine.observe(NAME, ENV) == serving
    assert answer(serving) == ANSWERS[1]


def test_a_launch_that_is_refused_leaves_it_serving(shared, serving):
    wrong: list[tuple[dict[str, Any], type[DeployerError]]] = [({"flags": (("zzzzzz", "1"),)}, SettingRefused)]
    if not shared.engine.traits.replicated:  # several servers listen on no host of this machine
        wrong.append(({"host": "192.0.2.1"}, DeployerError))
    with shared.engine.locks.acquire(NAME, ENV, 0.0):
        for changes, error in wrong:
            with pytest.raises(error):
                shared.engine.stage(shared.launch(served(2), **changes))
        if shared.engine.traits.replicated:
            with pytest.raises(DeployerError):
                shared.engine.write_config(serving, shared.launch(served(2)).rendered, (served(2),))
    assert shared.engine.observe(NAME, ENV) == serving
    assert answer(serving) == ANSWERS[1]
    assert shared.listens(serving)


def test_the_log_is_reported_whole_or_by_its_last_lines(shared, serving):
    lines = list(shared.engine.logs(serving))
    assert any(f"{served(1).name} version: 1" in line.text for line in lines)
    assert not any(line.text.endswith("\n") for line in lines)
    assert list(shared.engine.logs(serving, 2)) == lines[-2:]
    assert list(shared.engine.logs(serving, 0)) == []
    assert list(shared.engine.logs(serving, 10_000)) == lines


def test_the_log_is_reported_since_a_time(shared, serving):
    lines = list(shared.engine.logs(serving))
    assert list(shared.engine.logs(serving, since=-1.0)) == lines
    assert list(shared.engine.logs(serving, since=time.time() + 3600)) == []
    written = [datetime.fromisoformat(line.time[:19]) for line in lines if line.time]
    assert written == sorted(written)


def test_a_free_port_is_free_for_it_too(shared, serving):
    shared.engine.preflight.address(NAME, ENV, Address("127.0.0.1", free_port(), None))
