"""Names on a Swarm: valid in DNS, and no two deployments share one."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.config.project import PROJECT
from deployer.engines.docker.names import container_name
from deployer.engines.swarm.names import (
    CANDIDATE,
    GATEWAY,
    LOCK,
    PULL,
    identity,
    is_named_for,
    lock_name,
    secret_name,
    service_name,
)
from deployer.results.model import NAME

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
ROLES = ("", CANDIDATE, GATEWAY, PULL, LOCK)


def test_usual_names_are_readable():
    assert service_name("shop", "digits", "local") == "deployer-shop-local-digits"
    assert service_name("shop", "digits", "local", GATEWAY) == "deployer-shop-local-digits-gateway"


@given(st.from_regex(PROJECT, fullmatch=True), st.from_regex(NAME, fullmatch=True), st.from_regex(NAME, fullmatch=True))
def test_every_name_is_a_dns_label(project: str, name: str, env: str):
    made = [service_name(project, name, env, role) for role in ROLES]
    made += [lock_name(project, name, env), secret_name(project, name, env, "release", "A.B")]
    assert all(map(DNS_LABEL.fullmatch, made))
    assert len(set(made)) == len(ROLES) + 1  # the lock is one of them
    assert container_name(project, name, env) not in made


def test_no_two_deployments_share_a_name():
    words = ("a", "a-b", "b", "b-c", "c", "A", "a_b", "a.b", "candidate", "x" * 60, "x" * 61)
    keys = list(itertools.product(words, repeat=3))
    made = {service_name(*key, role) for key in keys for role in ROLES}
    assert len(made) == len(keys) * len(ROLES)


@pytest.mark.parametrize(
    ("labels", "name", "ours"),
    [
        (identity("shop", "digits", "local", "server"), "deployer-shop-local-digits", True),
        (identity("shop", "digits", "staging", "server"), "deployer-shop-local-digits", False),
        (identity("", "digits", "local", "server"), "deployer--local-digits", False),
        ({}, "deployer-shop-local-digits", False),
    ],
)
def test_an_object_counts_if_its_name_belongs_to_its_labels(labels: dict[str, str], name: str, *, ours: bool):
    assert is_named_for(name, labels) is ours
