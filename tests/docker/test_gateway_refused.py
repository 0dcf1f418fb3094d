"""Settings that no gateway can have: `plan` and `up` refuse them alike, with what sets them, and start nothing."""

from __future__ import annotations

import pytest
from support.containers import LABEL, docker
from support.deploying import deployer, refused

DOCUMENT = """
[server]
rest_port = 0
grpc_port = 0
[env.staging.gateway]
enabled = true
"""


@pytest.fixture
def staging(project, gateway_image, monkeypatch):
    """The project, whose environment `staging` has a gateway."""
    monkeypatch.setenv("DEPLOYER_GATEWAY_IMAGE", gateway_image)
    (project / "deployer.toml").write_text(DOCUMENT)
    return project


@pytest.mark.parametrize(
    ("way", "code", "says"),
    [
        ("--grpc-port 80", 3, ("--grpc-port: ", "port 80", "1024")),
        ("--host 192.0.2.1", 6, ("192.0.2.1",)),
        ("DEPLOYER_SERVER_REST_PORT=443", 3, ("DEPLOYER_SERVER_REST_PORT: ", "port 443")),
        ("[env.staging.server]\ngrpc_port = 80\n", 3, ("env.staging.server.grpc_port in deployer.toml: ",)),
        ("metrics_port = 900\n", 3, ("env.staging.gateway.metrics_port in deployer.toml: ", "port 900")),
        (
            'tls = true\ncertificate = "none.pem"\nkey = "key.pem"\n',
            3,
            ("env.staging.gateway.certificate in", "none.pem"),
        ),
        ('tokens = "none"\n', 3, ("env.staging.gateway.tokens in", "deployer token NAME --env staging")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_is_refused_before_anything_starts(staging, monkeypatch, way, code, says):
    options: list[str] = []
    if way.startswith("--"):
        options = way.split()
    elif way.startswith("DEPLOYER_"):
        monkeypatch.setenv(*way.split("="))
    else:
        (staging / "deployer.toml").write_text(DOCUMENT + way)
    for verb in ("plan", "up"):
        refused(deployer(verb, "half_plus_two:1", "--env", "staging", *options, cwd=staging), code, "hint: ", *says)
    assert docker("ps", "-aq", "--filter", LABEL) == ""
    assert deployer("history", "--env", "staging", "--json", cwd=staging).json["releases"] == []
