"""What stays of a gateway whatever happens to its deployment: its image, its certificate, its state."""

from __future__ import annotations

import shutil

import pytest
from support.containers import PROJECT, docker, inspect
from support.deploying import NAME, deployer, up
from support.gated import GATEWAY, VERSION_1, configure, write_tokens
from support.traffic import rest_client, traffic
from support.world import listens, state_left


@pytest.mark.parametrize("guarded", ["", 'tls = true\ntokens = "tokens"\n'])
def test_without_its_state_directory_a_pair_is_still_the_deployment(gated, tmp_path, guarded):
    token = "a-token-of-ours" if guarded else ""
    write_tokens(tmp_path / "tokens", "a-token-of-ours")
    configure(gated, gateway=guarded)
    first = up(gated, "half_plus_two:1", "--memory", "900m")
    certificate = next(gated.rglob("run/current/certificate.pem")).read_text() if guarded else ""
    shutil.rmtree(gated / ".deployer")
    (seen,) = deployer("status", "--json", cwd=gated).json["deployments"]
    assert (seen["healthy"], seen["deployment"]["endpoints"]) == (True, first["endpoints"])
    assert "gateway's directory is gone" in seen["warning"]
    asked = deployer("predict", "--input", '{"instances": [2.0]}', cwd=gated)
    assert (asked.code, asked.json) == (0, {"predictions": [VERSION_1]}), asked.err
    assert "Successfully loaded" in deployer("logs", cwd=gated).out
    with traffic(first["endpoints"], token, certificate) as before:
        before.enough(100)
    assert before.failed == []
    changed = up(gated, "half_plus_two:1")
    assert (changed["plan"]["change"], changed["endpoints"]) == ("replace", first["endpoints"])
    assert inspect(NAME)["HostConfig"]["Memory"] == 900 << 20
    assert up(gated, "half_plus_two:1")["plan"]["change"] == "nothing"
    shutil.rmtree(gated / ".deployer")
    assert deployer("redeploy", "--version", "2", "-q", cwd=gated).code == 0
    shutil.rmtree(gated / ".deployer")
    assert deployer("down", cwd=gated).code == 0
    assert not listens(int(first["endpoints"]["rest"].rpartition(":")[2]))


def test_a_gateway_keeps_the_image_that_a_variable_gave(gated, gateway_image, monkeypatch):
    first = up(gated, "half_plus_two:1")
    monkeypatch.delenv("DEPLOYER_GATEWAY_IMAGE")
    running = inspect(GATEWAY)["Id"]
    for command in (("up", "half_plus_two:1"), ("redeploy", "--version", "2"), ("rollback",)):
        ended = deployer(*command, "--json", "-q", cwd=gated)
        assert ended.code == 0, ended.err
        assert any(gateway_image in notice for notice in ended.json["notices"])
    assert inspect(GATEWAY)["Id"] == running
    configure(gated, gateway="max_connections = 500")
    changed = up(gated, "half_plus_two:1")
    assert (changed["plan"]["change"], changed["endpoints"]) == ("gateway", first["endpoints"])
    assert changed["plan"]["steps"][0]["cause"] == "changed: gateway.max_connections (4096, now 500)"
    assert inspect(GATEWAY)["Config"]["Image"] == gateway_image
    configure(gated, enabled=False)
    up(gated, "half_plus_two:1")
    up(gated, "half_plus_two:2")
    configure(gated)
    planned = deployer("plan", "half_plus_two:2", cwd=gated)
    assert f"image {gateway_image}" in planned.out
    assert f"keeps gateway.image {gateway_image}" in planned.err
    up(gated, "half_plus_two:2")
    assert inspect(GATEWAY)["Config"]["Image"] == gateway_image


def notices(project, *arguments):
    """The notices of a command about the certificate or the gateway that is left."""
    ended = deployer(*arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err
    found = ended.json["removed"][0] if arguments[0] == "down" and "removed" in ended.json else ended.json
    return [text for text in found["notices"] if "certificate" in text or "left without" in text], found


@pytest.mark.usefixtures("quick")
def test_the_certificate_that_clients_trust_stays_until_down_and_each_new_one_is_named(gated):
    configure(gated, gateway="tls = true")
    shown = f".deployer/gateway/local@{PROJECT}/half_plus_two/self-signed.pem"
    for dry_run in (("--dry-run",), ()):
        (said,), first = notices(gated, "up", "half_plus_two:1", *dry_run)
        assert ("new self-signed certificate" in said, shown in said) == (True, True)
        assert "earlier" not in said
    file = gated / shown
    certificate = file.read_text()
    for gone in ((NAME,), (NAME, GATEWAY)):
        docker("rm", "--force", *gone)
        plan = deployer("plan", "half_plus_two:1", "--json", cwd=gated).json["plan"]
        assert ["remove the gateway" in text for text in plan["recovery"]] == [True] * (len(gone) == 1)
        said, again = notices(gated, "up", "half_plus_two:1")
        assert ["left without" in text for text in said] == [True] * (len(gone) == 1)
        assert (file.read_text(), again["endpoints"]) == (certificate, first["endpoints"])
        assert rest_client(again["endpoints"], "", certificate)() == VERSION_1
    configure(gated, gateway="tls = true", enabled=False)
    said = [text for text in notices(gated, "up", "half_plus_two:1")[0] if "kept" in text]
    assert [shown in text for text in said] == [True]
    configure(gated, gateway="tls = true", enabled=False, flags="file_system_poll_wait_seconds = 2")
    assert notices(gated, "up", "half_plus_two:1")[0] == []
    configure(gated, gateway="tls = true")
    said, again = notices(gated, "up", "half_plus_two:1")
    assert [text for text in said if "new self-signed" in text] == []
    assert rest_client(again["endpoints"], "", certificate)() == VERSION_1
    file.unlink()
    (said,) = [text for text in notices(gated, "up", "half_plus_two:1")[0] if "new self-signed" in text]
    assert (shown in said, "earlier" in said) == (True, True)
    assert file.read_text() != certificate
    (said,), _ = notices(gated, "down", "half_plus_two")
    assert ("deleted" in said, shown in said) == (True, True)
    assert state_left(gated) == []
