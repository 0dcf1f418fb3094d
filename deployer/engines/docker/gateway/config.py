"""The configuration of a gateway: its files and secrets, and a digest that changes with any of them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.client.access import SERVER_NAME
from deployer.config.spec import Gateway
from deployer.config.templates import render_template
from deployer.engines.docker.gateway import tokens
from deployer.engines.docker.gateway.directory import MOUNT, SLOTS, GatewayDir
from deployer.errors import ConfigError
from deployer.results.launch import digest_of_parts

if TYPE_CHECKING:
    from deployer.engines.docker.gateway.tls import KeyPair

HOST = re.compile(r"[A-Za-z0-9_.:-]{1,255}")
CERTIFICATE = "certificate.pem"
TOKENS = "tokens"


@dataclass(frozen=True)
class Listen:
    """The address on which a gateway listens, and the addresses of its slots."""

    host: str
    rest_port: int
    grpc_port: int
    slots: tuple[str, str]


PLACEHOLDER = Listen("localhost", 1, 2, ("192.0.2.1", "192.0.2.2"))
"""The address in a digest, which must not change with the real one."""


@dataclass(frozen=True)
class GatewayConfig:
    """The settings of a gateway; `cors` is whether the server answers scripts of any web page."""

    settings: Gateway
    templates_dir: Path | None = None
    cors: bool = False
    machine: str = ""
    """The machine where it runs, if that is another one: a certificate of the tool's own names it, too."""

    def digest(self, directory: GatewayDir, host: str) -> str:
        """Return the digests of GATEWAY_PARTS, which a running gateway cannot reload; create no file.

        Raises ConfigError, TemplateError.
        """
        certificate = self._certificate(directory, host, create=False)
        return digest_of_parts(
            self.settings.image,
            self._config(PLACEHOLDER, "", SLOTS[0], ""),
            token_hashes(self.settings),
            certificate.identity if certificate else self.settings.tls,
            host,
        )

    def files(self, directory: GatewayDir, generation: str, listen: Listen) -> dict[str, str]:
        """Return the files of a generation by name; create the tool's token and certificate if they are missing."""
        tool_token_hash = tokens.hash_token(tokens.read_or_create(directory.token))
        generation_dir = f"{MOUNT}/{generation}"
        files = {f"{slot}.cfg": self._config(listen, generation_dir, slot, tool_token_hash) for slot in SLOTS}
        if self.settings.tokens:
            files[TOKENS] = tokens_file(self.settings)
        if pair := self._certificate(directory, listen.host, create=True):
            files |= {
                "server.pem": pair.pem,
                CERTIFICATE: pair.certificate,
                SERVER_NAME: pair.name,
            }
        return files

    def new_certificate(self, directory: GatewayDir, host: str) -> Path | None:
        """Return the file of the certificate that the next gateway creates; None if it creates none."""
        if not self.settings.tls or self._certificate(directory, host, create=False):
            return None
        return directory.self_signed

    def _certificate(self, directory: GatewayDir, host: str, *, create: bool) -> KeyPair | None:
        settings = self.settings
        if not settings.tls:
            return None
        from deployer.engines.docker.gateway import tls  # imports cryptography

        if settings.certificate and settings.key:
            return tls.load_key_pair(settings.certificate, settings.key)
        hosts = tuple(filter(None, (host, self.machine)))
        pair = tls.load_self_signed(directory.self_signed, *hosts)
        return tls.create_self_signed(directory.self_signed, *hosts) if pair is None and create else pair

    def _config(self, listen: Listen, generation_dir: str, slot: str, tool_token_hash: str) -> str:
        return render(
            self.settings,
            self.templates_dir,
            rest_address=_address(listen.host, listen.rest_port),
            grpc_address=_address(listen.host, listen.grpc_port),
            slots=list(zip(SLOTS, listen.slots, strict=True)),
            slot=slot,
            directory=generation_dir,
            tool_token_hash=tool_token_hash,
            cors=self.cors,
        )


def render(settings: Gateway, templates_dir: Path | None, **values: object) -> str:
    """Return the text of `haproxy.cfg`. Without `tasks` in `values`, it routes to `slots`. Raise TemplateError."""
    gateway = {**asdict(settings), "max_body_bytes": settings.max_body_bytes}
    return render_template("haproxy.cfg", templates_dir, gateway=gateway, **{"tasks": None, **values})


def token_hashes(settings: Gateway) -> list[str]:
    """Return the hashes of the tokens that clients may use, in one order. Raise ConfigError."""
    return sorted(tokens.read(settings.tokens).values()) if settings.tokens else []


def tokens_file(settings: Gateway) -> str:
    """Return the file of the hashes, as the gateway reads it. Raise ConfigError."""
    return "".join(f"{token_hash}\n" for token_hash in token_hashes(settings))


def _address(host: str, port: int) -> str:
    """Return the address for HAProxy. Raise ConfigError for a host that HAProxy would read as a socket or a list."""
    if not HOST.fullmatch(host):
        raise ConfigError(f"{host[:80]!r} is not an address that a gateway can bind", key="server.host")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
