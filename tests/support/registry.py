"""A real image registry on this machine, the program that the testbed finds or downloads."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.containers import TESTBED
from support.world import eventually, listens

USER, PASSWORD, HASHED = "me", "open sesame", "$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW"
CONFIG = """
version: 0.1
log: {{ level: error }}
storage: {{ filesystem: {{ rootdirectory: "{data}" }} }}
http: {{ addr: "{host}:{port}"{http} }}
"""


def credential_helper(docker_config: Path, script: str) -> None:
    """Install the helper `fake` of `docker login`, a script, beside the docker command line's `config.json`."""
    path = docker_config.with_name("docker-credential-fake")
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@contextmanager
def running(
    directory: Path, port: int, data: Path, more: str = "", *, host: str = "127.0.0.1", http: str = ""
) -> Iterator[str]:
    """A registry's address. The engine trusts one on the loopback without TLS. `http` has more keys of that section."""
    found = subprocess.run([TESTBED, "registry"], capture_output=True, text=True, timeout=600, check=True)
    (directory / "config.yml").write_text(CONFIG.format(data=data, host=host, port=port, http=http) + more)
    with (directory / "log").open("wb") as log:
        child = subprocess.Popen([found.stdout.strip(), "serve", directory / "config.yml"], stdout=log, stderr=log)
    try:
        eventually(lambda: listens(port, host), "the registry listens")
        yield f"{host}:{port}"
    finally:
        child.kill()
        child.wait(60)


@contextmanager
def running_closed(directory: Path, port: int, data: Path) -> Iterator[str]:
    """The address of a registry that asks for USER and PASSWORD."""
    (directory / "users").write_text(f"{USER}:{HASHED}\n")
    auth = f'auth: {{ htpasswd: {{ realm: "here", path: "{directory / "users"}" }} }}\n'
    with running(directory, port, data, auth) as address:
        yield address
