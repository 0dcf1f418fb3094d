"""`bench` on Docker, through a gateway that speaks TLS and takes tokens."""

from __future__ import annotations

import pytest
from support import schemas
from support.deploying import deployer, up
from support.gated import configure, write_tokens

LOAD = ("--duration", "1", "--warmup", "0.5", "--rate", "40", "--clients", "2")


@pytest.mark.parametrize("gateway", ["", 'tls = true\ntokens = "tokens"\n'], ids=["plain", "tls-tokens"])
def test_both_apis_are_measured_through_the_gateway(gated, tmp_path, gateway):
    write_tokens(tmp_path / "tokens", "a-token-of-clients")
    configure(gated, gateway=gateway)
    up(gated, "half_plus_two:1")
    ended = deployer("bench", "half_plus_two", *LOAD, "--report", "out.html", "--json", cwd=gated)
    assert ended.code == 0, ended.err + ended.out
    schemas.check("bench", ended.json)
    assert ended.json["endpoints"]["rest"].startswith("https" if gateway else "http:")
    stages = ended.json["stages"]
    assert [stage["api"] for stage in stages] == ["REST", "REST", "gRPC", "gRPC"]
    assert all(stage["checked"] and not stage["wrong"] and not stage["failed"] for stage in stages)
    printed = ended.out + (gated / "out.html").read_text()
    assert "a-token-of-clients" not in printed
    assert next(gated.rglob("token")).read_text().strip() not in printed
