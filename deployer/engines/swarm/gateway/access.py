"""How deployer itself gets through a gateway: its bearer token and the certificate.

Both are in Docker configs that no container mounts, so each manager of the Swarm has them: a user who reads them there
may change every service, too. The client reads files, so there are copies below the state directory.
"""

from __future__ import annotations

import base64
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.client.access import SERVER_NAME
from deployer.config.gateway import Gateway
from deployer.engines.docker.gateway import tokens
from deployer.engines.docker.gateway.config import CERTIFICATE as CERTIFICATE_FILE
from deployer.engines.docker.gateway.directory import write_private
from deployer.engines.docker.names import LABEL
from deployer.engines.swarm.api import SwarmApi
from deployer.engines.swarm.gateway import files
from deployer.engines.swarm.gateway.files import CERTIFICATE, CONFIGS, SECRETS, TOKEN, Owner
from deployer.engines.swarm.inspection import Answer
from deployer.engines.swarm.names import short_digest

if TYPE_CHECKING:
    from deployer.engines.docker.gateway.tls import KeyPair

KEY = f"{LABEL}gateway_key"
"""The label with the name of the secret with a certificate's key."""

HOST = f"{LABEL}gateway_host"
"""The label with a host that a certificate is for."""

SELF_SIGNED = f"{LABEL}self_signed"
TOKEN_FILE, PEM_FILE = "token", "server.pem"


@dataclass(frozen=True)
class Certificate:
    """A certificate of the gateway: the config that has it, and the secret with its key."""

    name: str
    text: str
    host: str
    key: str

    @classmethod
    def parse(cls, answer: Answer) -> Certificate:
        """Return the certificate from the description of its config."""
        labels = answer["Spec"].get("Labels") or {}
        return cls(answer["Spec"]["Name"], read(answer), labels.get(HOST, ""), labels.get(KEY, ""))


@dataclass(frozen=True)
class Access:
    """Token and certificate of the gateway of one deployment."""

    api: SwarmApi
    owner: Owner

    def token(self) -> str:
        """Return the tool's token; empty without one."""
        found = self.api.find_object(CONFIGS, self.owner.object_name(TOKEN))
        return read(found) if found else ""

    def ensure_token(self) -> str:
        """Return the tool's token; create it if it is missing."""
        name, labels = self.owner.object_name(TOKEN), self.owner.labels(TOKEN)
        return self.token() or self._created(name, labels, tokens.generate())

    def _created(self, name: str, labels: dict[str, str], text: str) -> str:
        files.create(self.api, CONFIGS, name, labels, text)
        return self.token()  # another manager may have created it first

    def certificates(self) -> list[Certificate]:
        """Return the certificates of the deployment's gateways, the newest first."""
        answers = self.api.objects(CONFIGS, *self.owner.filters(CERTIFICATE))
        return [
            Certificate.parse(each) for each in sorted(answers, key=lambda each: str(each["CreatedAt"]), reverse=True)
        ]

    def certificate(self, name: str | None) -> Certificate | None:
        """Return the certificate of this name; None without one."""
        return next((each for each in self.certificates() if each.name == name), None) if name else None

    def self_signed(self, hosts: tuple[str, ...]) -> Certificate | None:
        """Return a certificate of the tool's own that is valid for these hosts and whose key is there; else None."""
        from deployer.engines.docker.gateway import tls  # imports cryptography

        candidates = (
            Certificate.parse(each) for each in self.api.objects(CONFIGS, *self.owner.filters(CERTIFICATE), SELF_SIGNED)
        )
        return next(
            (
                each
                for each in candidates
                if tls.is_current(each.text, *hosts) and self.api.find_object(SECRETS, each.key) is not None
            ),
            None,
        )

    def ensure_certificate(self, settings: Gateway, hosts: tuple[str, ...]) -> Certificate:
        """Return the certificate that the settings describe; create what is missing of it. Raise ConfigError."""
        from deployer.engines.docker.gateway import tls

        if settings.certificate and settings.key:
            return self._add(tls.load_key_pair(settings.certificate, settings.key), {})
        return self.self_signed(hosts) or self._add(tls.sign(*hosts), {SELF_SIGNED: "true"})

    def _add(self, pair: KeyPair, labels: dict[str, str]) -> Certificate:
        # The key comes first: a certificate without its key is of no use.
        mounted = files.ensure(self.api, self.owner, files.File(PEM_FILE, SECRETS, pair.pem))
        key = str(mounted["SecretName"])
        name = self.owner.object_name(f"{CERTIFICATE}-{short_digest(key)}")
        labels = {**self.owner.labels(CERTIFICATE), KEY: key, HOST: pair.name, **labels}
        files.create(self.api, CONFIGS, name, labels, pair.certificate)
        return Certificate(name, pair.certificate, pair.name, key)

    def key_file(self, certificate: Certificate) -> dict[str, object]:
        """Return how a container mounts the key of a certificate."""
        found = self.api.find_object(SECRETS, certificate.key)
        return files.reference(SECRETS, str(found["ID"]) if found else "", certificate.key, PEM_FILE)


def read(answer: Answer) -> str:
    """Return the text of a config."""
    return base64.b64decode(answer["Spec"].get("Data") or "").decode("utf-8", "replace")


def save(directory: Path, token: str, certificate: Certificate | None) -> tuple[Path, Path | None]:
    """Write copies of token and certificate to a private directory; return their paths."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    wanted = {TOKEN_FILE: token}
    if certificate:
        wanted |= {CERTIFICATE_FILE: certificate.text, SERVER_NAME: certificate.host}
    for name, text in wanted.items():
        if _text_of(directory / name) != text:
            temporary = directory / f".{name}.new"
            write_private(temporary, text, os.geteuid(), os.getegid())
            temporary.replace(directory / name)
    return directory / TOKEN_FILE, directory / CERTIFICATE_FILE if certificate else None


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def delete(directory: Path) -> None:
    """Delete the copies, and the directories above them if they are empty."""
    for name in (TOKEN_FILE, CERTIFICATE_FILE, SERVER_NAME):
        (directory / name).unlink(missing_ok=True)
    for each in (directory, *list(directory.parents)[:2]):
        with contextlib.suppress(OSError):
            each.rmdir()
