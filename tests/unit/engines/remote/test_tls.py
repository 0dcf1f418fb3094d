"""Engines behind TLS: what is wrong with a certificate is said. A server here answers as an engine would."""

from __future__ import annotations

import datetime
import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deployer.engines.docker.api import connect
from deployer.errors import EngineUnavailable

DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates; its own is in `directory`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, directory.name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._builder(self._name, self._key, 0).add_extension(constraints, critical=True)
        self._write("ca.pem", certificate.sign(self._key, hashes.SHA256()))

    def issue(self, certificate: str, key: str, name: str = "localhost", *, days: int = 0) -> None:
        """Write a certificate for a name, valid from `days` from now on, for two days; and its key."""
        private = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        built = self._builder(subject, private, days).add_extension(names, critical=False)
        self._write(certificate, built.sign(self._key, hashes.SHA256()))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.directory / key).write_bytes(private.private_bytes(*form))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
        begin = datetime.datetime.now(datetime.timezone.utc) + days * DAY - DAY
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + 2 * DAY)
        )

    def _write(self, name: str, certificate: x509.Certificate) -> None:
        (self.directory / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def engine(authority: Authority, *, asks_clients: bool = False) -> Iterator[str]:
    """An engine with the certificate of an authority; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.directory / "server.pem", authority.directory / "server-key.pem")
    if asks_clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.directory / "ca.pem")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"tcp://localhost:{server.server_address[1]}"
        server.shutdown()
        thread.join(60)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path / "authority")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(made.directory))
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    return made


def refusal(address: str) -> EngineUnavailable:
    with pytest.raises(EngineUnavailable) as refused:
        connect(address)
    assert address in refused.value.message
    return refused.value


def test_an_engine_that_both_sides_know_is_used(authority, monkeypatch):
    authority.issue("server.pem", "server-key.pem")
    authority.issue("cert.pem", "key.pem", "client")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with engine(authority, asks_clients=True) as address:
        client = connect(address)
        assert client.api.base_url.startswith("https://")
        client.close()


@pytest.mark.parametrize(
    ("name", "days", "cause", "hint"),
    [
        ("localhost", -5, "has expired", "date -u"),
        ("localhost", 5, "not valid yet", "date -u"),
        ("elsewhere", 0, "another name", "name of the certificate"),
    ],
)
def test_a_certificate_that_does_not_fit_is_refused(authority, name, days, cause, hint):
    authority.issue("server.pem", "server-key.pem", name, days=days)
    with engine(authority) as address:
        refused = refusal(address)
    assert cause in refused.message
    assert hint in (refused.hint or "")


def test_a_certificate_of_another_authority_is_refused(authority, tmp_path, monkeypatch):
    authority.issue("server.pem", "server-key.pem")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(Authority(tmp_path / "another").directory))
    with engine(authority) as address:
        assert "not signed by this authority" in refusal(address).message


def test_a_server_without_tls_is_named(authority):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert "does not speak TLS" in refusal(f"tcp://localhost:{server.server_address[1]}").message
        server.shutdown()


def test_certificates_are_needed_outside_of_loopback(monkeypatch):
    monkeypatch.delenv("DOCKER_TLS_VERIFY", raising=False)
    monkeypatch.delenv("DOCKER_CERT_PATH", raising=False)
    assert "without TLS" in refusal("tcp://192.0.2.1:2375").message
