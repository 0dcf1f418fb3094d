"""The settings of the gateway, the proxy that holds the ports of a deployment on Docker: `[gateway]`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from deployer.config.fields import STRICT, check_image, check_whole, doc, unset_zeros
from deployer.config.origins import Origins
from deployer.config.sizes import check_size, size_in_bytes
from deployer.errors import InvalidValue

ENABLED = "gateway.enabled"
LIMITS = {
    "drain_seconds": 3600,
    "answer_seconds": 86400,
    "requests_per_second": 10**6,
    "max_connections": 10**5,
    "metrics_port": 65535,
}


@dataclass(frozen=True)
class Gateway:
    """A proxy that holds the ports while servers behind it change, and guards them: `[gateway]`. Docker engine only."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    enabled: bool = doc(
        "put a gateway in front of the server; a file that sets another key of this table has to set this one, too",
        default=False,
    )
    image: str = doc("HAProxy's image, 2.6 or later; pin a tag or a digest", default="haproxy:3.0.5-bookworm")
    drain_seconds: int = doc("how long requests in flight may take to end before their server is stopped", default=30)
    answer_seconds: int = doc("how long a server may take to answer", default=300)
    tls: bool = doc("speak TLS, with `certificate` and `key` or with a certificate of the tool's own", default=False)
    certificate: Path | None = doc("the certificate with its chain, in PEM", default=None)
    key: Path | None = doc("its private key, in PEM, without a passphrase", default=None)
    tokens: Path | None = doc(
        "hashes of the accepted bearer tokens, one a line, as `deployer token` writes them; unset: clients need none",
        default=None,
    )
    max_body: str | None = doc("the largest request, such as 16m; unset or 0: any", default=None)
    requests_per_second: int | None = doc(
        "how many requests one client address may send; unset or 0: any", default=None
    )
    max_connections: int = doc("how many clients may be connected at once", default=4096)
    metrics_port: int | None = doc(
        "port on 127.0.0.1 for Prometheus metrics of the gateway; unset or 0: none", default=None
    )

    def __post_init__(self) -> None:
        unset_zeros(self, "max_body", "requests_per_second", "metrics_port")
        check_image(self.image)
        for name, most in LIMITS.items():
            value = getattr(self, name)
            if value is not None:
                check_whole(name, value, 1, most)
        check_size("gateway.max_body", self.max_body)
        self._check_certificate()

    @property
    def plain(self) -> dict[str, object]:
        """The settings as JSON has them, for labels. They name files with secrets, and contain none."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}

    @property
    def max_body_bytes(self) -> int | None:
        """The limit of a request's body in bytes; None without a limit."""
        return None if self.max_body is None else size_in_bytes(self.max_body)

    def _check_certificate(self) -> None:
        if (self.certificate is None) != (self.key is None):
            missing = "key" if self.key is None else "certificate"
            raise InvalidValue(
                "certificate and key go together",
                hint="give both, or neither for one of the tool's",
                key_path=(missing,),
            )
        if self.certificate is not None and not self.tls:
            raise InvalidValue("a certificate is given, and tls is off", hint="tls = true", key_path=("tls",))


def check_is_chosen(origins: Origins) -> None:
    """Raise InvalidValue for settings of a file that neither enables the gateway nor disables it."""
    names = _set_keys(origins.file)
    if names and not origins.of(ENABLED):
        raise InvalidValue(
            f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} no effect: {ENABLED} is not set",
            hint=f"{ENABLED} = true starts the gateway, and {ENABLED} = false keeps these settings without one",
        )


def unused_settings(gateway: Gateway, origins: Origins) -> str:
    """Return the notice about settings that have no effect, because no gateway is enabled; empty without any."""
    names = dict.fromkeys(origins.variables.get(key, key) for key in _set_keys({**origins.file, **origins.variables}))
    if gateway.enabled or not names:
        return ""
    reason = f"{origin} is false" if (origin := origins.of(ENABLED)) else f"{ENABLED} is not set"
    return f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} no effect: {reason}"


def _set_keys(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key.startswith("gateway.") and key != ENABLED]
