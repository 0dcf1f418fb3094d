"""Pushing an image: what is tried again, what is reported, and what the registry calls it, with a scripted engine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from deployer.engines.docker.model_image import push
from deployer.errors import EngineError

NAME, DIGEST = "r.io/team/half:1", f"sha256:{'5' * 64}"
DONE = {"progressDetail": {}, "aux": {"Tag": "1", "Digest": DIGEST, "Size": 7}}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The docker command line's settings: none. Nothing is waited for."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(push, "PAUSE_SECONDS", 0.0)
    return tmp_path / "config.json"


def pushed(*attempts: list[dict[str, Any]], seconds: float = 60.0) -> tuple[str, list[str], list[Any]]:
    """The digest, the progress, and what the engine was asked; each attempt gets its own answers."""
    lines: list[str] = []
    asked: list[Any] = []
    scripted = iter(attempts)

    def answer(repository: str, **more: Any) -> Any:
        asked.append((repository, more))
        return iter(next(scripted))

    client = SimpleNamespace(api=SimpleNamespace(timeout=30, push=answer))
    return push.push(client, NAME, seconds, lambda event: lines.append(str(event))), lines, asked


def sent(layer: str, current: int, total: int) -> dict[str, Any]:
    return {"status": "Pushing", "id": layer, "progressDetail": {"current": current, "total": total}}


def test_the_progress_is_of_all_layers_and_the_digest_is_the_registrys() -> None:
    events = [sent("x", 50, 100), sent("x", 120, 100), {"status": "Pushed", "id": "x"}, DONE]
    digest, lines, asked = pushed(events)
    assert digest == DIGEST
    assert lines == [f"pushing {NAME}", f"pushing {NAME}: 50 %", f"pushing {NAME}: 100 %"]
    assert [(repository, more["tag"], more["auth_config"]) for repository, more in asked] == [
        ("r.io/team/half", "1", {})
    ]


@pytest.mark.parametrize(
    "reason",
    ["dial tcp: connect: connection refused", "net/http: TLS handshake timeout", "unexpected EOF", "received 503",
     "toomanyrequests: too many requests", "read: connection reset by peer", "write: broken pipe"],
)  # fmt: skip
def test_what_may_be_over_a_moment_later_is_tried_again(reason: str) -> None:
    digest, lines, asked = pushed([{"error": reason}], [{"error": reason}], [DONE])
    assert (digest, len(asked)) == (DIGEST, 3)
    assert sum("trying again" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("unauthorized: authentication required", "docker login r.io"),
        ("denied: requested access to the resource is denied", "docker login r.io"),
        ("no basic auth credentials", "docker login r.io"),
        ("http: server gave HTTP response to HTTPS client", "insecure-registries"),
        ("x509: certificate signed by unknown authority", "/etc/docker/certs.d/r.io/ca.crt"),
        ("dial tcp: lookup r.io: no such host", "does not reach r.io"),
        ("blob upload invalid: no space left on device", "free space in the registry"),
        ("something else", "push it by hand"),
    ],
)
def test_what_stays_is_reported_at_once_with_what_to_do(reason: str, hint: str) -> None:
    with pytest.raises(EngineError, match=r"pushing r\.io/team/half:1 to r\.io failed: ") as caught:
        pushed([{"error": reason}])
    assert hint in (caught.value.hint or "")


def test_the_last_attempt_reports_its_reason() -> None:
    with pytest.raises(EngineError, match="connection refused"):
        pushed(*[[{"error": "connection refused"}]] * push.ATTEMPTS)


def test_a_push_without_a_digest_is_no_success() -> None:
    with pytest.raises(EngineError, match="no digest"):
        pushed([{"status": "Pushed", "id": "x"}])


def test_a_deadline_ends_the_attempts() -> None:
    with pytest.raises(EngineError, match=r"took more than 0 s|refused"):
        pushed(*[[{"error": "connection refused"}]] * push.ATTEMPTS, seconds=0.0)


def test_credentials_that_cannot_be_read_are_part_of_the_reason(config: Path) -> None:
    config.write_text('{"credsStore": "no-such-helper"}')
    with pytest.raises(EngineError, match=r"without credentials failed: .*docker-credential-no-such-helper") as caught:
        pushed([{"error": "denied"}])
    assert "docker login r.io" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("reason", "config_json", "severity", "remedy"),
    [
        ("", "", "ok", ""),
        ("manifest unknown: manifest unknown", "", "ok", ""),
        ("dial tcp 192.0.2.1:443: connect: connection refused", "", "error", "image.repository"),
        ("http: server gave HTTP response to HTTPS client", "", "error", "image.repository"),
        ("unauthorized: authentication required", "", "warning", "docker login r.io"),
        ("no basic auth credentials", '{"credsStore": "no-such-helper"}', "warning", "docker-credential-no-such"),
    ],
)
def test_doctor_asks_a_registry_with_the_credentials_of_a_push(
    config: Path, reason: str, config_json: str, severity: str, remedy: str
) -> None:
    if config_json:
        config.write_text(config_json)

    def look_up(*_: Any, **__: Any) -> None:
        if reason:
            raise docker.errors.APIError(reason, explanation=reason)

    client = SimpleNamespace(api=SimpleNamespace(inspect_distribution=look_up))
    finding = push.registry_finding(client, "r.io/team/half")
    assert (finding.severity, remedy in finding.remedy) == (severity, True), finding
