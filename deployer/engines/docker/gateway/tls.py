"""The certificate of a gateway: the user's own, which is checked, or one that the tool signs itself."""

from __future__ import annotations

import hashlib
import ipaddress
import os
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deployer.engines.docker.gateway.directory import write_private
from deployer.errors import ConfigError

VALIDITY = timedelta(days=730)
RENEW_BEFORE = timedelta(days=30)
CERTIFICATE, KEY = "gateway.certificate", "gateway.key"
HINT = f"{CERTIFICATE} and {KEY} are files in PEM, the key without a passphrase; without both, the tool makes its own"
LOCAL_NAMES = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class KeyPair:
    """A certificate with its key: `pem` is chain and key, `certificate` the first certificate, `name` a host of it."""

    pem: str
    certificate: str
    name: str

    @property
    def identity(self) -> str:
        """A digest that changes with certificate and key, and reveals neither."""
        return hashlib.sha256(self.pem.encode()).hexdigest()


def load_key_pair(certificate: Path, key: Path) -> KeyPair:
    """Return the user's certificate and key. Raise ConfigError if they are unreadable, invalid or expired."""
    chain, private_key = _read_pem(CERTIFICATE, certificate), _read_pem(KEY, key)
    try:
        return _parse_pem(f"{chain.rstrip()}\n{private_key}")
    except (ValueError, TypeError) as error:
        reason = str(error)[:200]
        text = f"{certificate} and {KEY} {key} cannot be used: {reason}"
        raise ConfigError(text, key=CERTIFICATE, hint=HINT) from error


def _read_pem(setting: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in PEM"
        raise ConfigError(f"{path} cannot be read: {reason}", key=setting, hint=HINT) from error


def load_self_signed(path: Path, *hosts: str) -> KeyPair | None:
    """Return the self-signed certificate in a file, if it is valid for these hosts and for a while; else None."""
    try:
        pair = _parse_pem(path.read_text(encoding="ascii"))
    except (OSError, ValueError, TypeError):
        return None
    return pair if is_current(pair.certificate, *hosts) else None


def is_current(certificate: str, *hosts: str) -> bool:
    """Return whether a certificate in PEM is for these hosts and the local names, and valid for a while."""
    try:
        parsed = _parse_certificate(certificate)
    except (ValueError, IndexError):
        return False
    is_fresh = parsed.not_valid_after_utc - datetime.now(timezone.utc) > RENEW_BEFORE
    return is_fresh and set(_host_names(hosts)) <= set(_certificate_names(parsed))


def create_self_signed(path: Path, *hosts: str) -> KeyPair:
    """Create a self-signed certificate for the hosts and the local names, in a private file."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = sign(*hosts)
    write_private(path, pair.pem, os.geteuid(), os.getegid())
    return pair


def sign(*hosts: str) -> KeyPair:
    """Return a new self-signed certificate for the hosts and the local names."""
    return _parse_pem(_self_signed_pem(_host_names(hosts)))


def _host_names(hosts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*hosts, *LOCAL_NAMES)))


def _self_signed_pem(names: tuple[str, ...]) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "deployer gateway")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectAlternativeName([_subject_name(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return str(certificate.public_bytes(serialization.Encoding.PEM).decode() + private_key.decode())


def _subject_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _parse_pem(pem: str) -> KeyPair:
    """Return the first certificate and its key. Raise ValueError or TypeError if they do not fit or have expired."""
    certificate = _parse_certificate(pem)
    key = serialization.load_pem_private_key(pem[pem.index("-----BEGIN", pem.rindex("-----END CERT")) :].encode(), None)
    if key.public_key() != certificate.public_key():
        raise ValueError("the key is another certificate's")
    if certificate.not_valid_after_utc < datetime.now(timezone.utc):
        raise ValueError(f"it was valid until {certificate.not_valid_after_utc:%Y-%m-%d}")
    names = _certificate_names(certificate)
    if not names:
        raise ValueError("it names no host (subject alternative names)")
    head = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return KeyPair(pem, head, names[0].replace("*", "any"))


def _parse_certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(pem.encode())[0]


def _certificate_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
