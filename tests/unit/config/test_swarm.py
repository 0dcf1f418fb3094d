"""`[swarm]`: what Swarm would ignore, or never fulfil, is refused with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config import loader
from deployer.config.swarm import Swarm
from deployer.errors import ConfigError


def load(text: str) -> Swarm:
    Path("deployer.toml").write_text(f"[swarm]\n{text}\n")
    return loader.load(environ={}).swarm


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "constraint",
    [
        "node.labels.zone==a",
        "node.hostname != node3",
        "node.role==manager",
        "engine.labels.disk==ssd",
        "node.id==2ivku8v2",
    ],
)
def test_swarms_own_constraints_are_accepted(constraint):
    assert load(f'constraints = ["{constraint}"]').constraints == (constraint,)
    assert load(f'gateway_constraints = ["{constraint}"]').gateway_constraints == (constraint,)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("constraints", '["node.label.zone==a"]'),  # no node would fit
        ("constraints", '["node.labels.zone=a"]'),
        ("constraints", '["zone==a"]'),
        ("gateway_constraints", '["node.labels.==a"]'),
        ("spread", '"node.hostname"'),  # Swarm ignores it
        ("spread", '"zone"'),
        ("replicas", "0"),
        ("replicas", "-1"),
        ("replicas", "251"),
        ("gateway_replicas", "0"),
        ("max_per_node", "-1"),
        ("publish", '"nodes"'),
        ("reserve_memory", '"lots"'),
        ("reserve_cpus", "-0.5"),
        ("drain_seconds", "0"),
        ("monitor_seconds", "3601"),
    ],
)
def test_other_values_are_refused_with_their_key(key, value):
    with pytest.raises(ConfigError, match=rf"deployer\.toml: swarm\.{key}"):
        load(f"{key} = {value}")


def test_zero_is_no_limit_and_no_reservation():
    swarm = load('max_per_node = 0\nreserve_memory = "0"\nreserve_cpus = 0')
    assert (swarm.max_per_node, swarm.reserve_memory_bytes, swarm.reserve_cpus) == (None, None, None)
    assert load('reserve_memory = "2g"').reserve_memory_bytes == 2 << 30
