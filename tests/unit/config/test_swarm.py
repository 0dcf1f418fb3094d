"""`[swarm]`: what Swarm would ignore, or never fulfil, is refused with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config import capabilities, loader
from deployer.config.capabilities import LIMITS, SWARM
from deployer.config.swarm import Swarm
from deployer.errors import ConfigError, SettingRefused


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


REFUSED = {
    "gateway.enabled": "gateway.enabled = false",
    "server.host": 'server.host = "127.0.0.1"',
    "docker.gpus": 'docker.gpus = 1\ndocker.image = "own:1"',
    "docker.restart": 'docker.restart = "no"',
    "gateway.metrics_port": "gateway.metrics_port = 8405",
    "gateway.drain_seconds": "gateway.drain_seconds = 7",
    "gateway.requests_per_second": 'gateway.requests_per_second = 7\nswarm.publish = "ingress"',
    "swarm.gateway_replicas": "swarm.gateway_replicas = 3",
    "swarm.reserve_cpus": "swarm.reserve_cpus = 2.0\ndocker.cpus = 1.0",
    "swarm.reserve_memory": 'swarm.reserve_memory = "2g"\ndocker.memory = "1g"',
}
"""For each key that a Swarm refuses: a document with such a value."""


def check(text: str) -> None:
    Path("deployer.toml").write_text(f'engine = "swarm"\n{text}\n')
    capabilities.check(SWARM, *loader.load_with_origins(environ={}))


def test_each_refused_value_has_an_example():
    assert set(REFUSED) == {key for limit in LIMITS if SWARM in limit.targets for key in limit.keys}


@pytest.mark.parametrize("key", REFUSED)
def test_what_a_swarm_cannot_honour_is_refused_with_its_key(key):
    with pytest.raises(SettingRefused, match=rf"^{key}: swarm: "):
        check(REFUSED[key])


@pytest.mark.parametrize(
    "text",
    [
        "",
        'server.host = "0.0.0.0"',
        "gateway.enabled = true",
        "gateway.requests_per_second = 7",
        'swarm.publish = "ingress"\nswarm.gateway_replicas = 3',
        'swarm.reserve_memory = "1g"\ndocker.memory = "1g"',
        'docker.restart = "always"',
    ],
)
def test_other_values_are_accepted(text):
    check(text)


def test_there_is_a_gateway_on_every_address_whether_or_not_it_is_set():
    Path("deployer.toml").write_text('engine = "swarm"\n[gateway]\nmax_body = "1m"\n[env.here]\nengine = "docker"\n')
    spec = loader.load(environ={})
    assert (spec.gateway.enabled, spec.gateway.max_body, spec.server.address) == (True, "1m", "0.0.0.0")
    with pytest.raises(ConfigError, match=r"gateway\.enabled is not set"):
        loader.load(env="here", environ={})


@pytest.mark.parametrize("form", capabilities.FORMS)
def test_a_form_does_not_refuse_the_gateway_that_a_swarm_always_has(form):
    text = 'engine = "swarm"\nkubernetes.models_claim = "m"\n'
    Path("deployer.toml").write_text(text)
    capabilities.check(form, *loader.load_with_origins(environ={}))
    Path("deployer.toml").write_text(f'{text}[env.here]\nengine = "docker"\ngateway.enabled = true\n')
    if form != capabilities.DOCKERFILE:
        with pytest.raises(SettingRefused, match=r"gateway\.enabled"):
            capabilities.check(form, *loader.load_with_origins(env="here", environ={}))
