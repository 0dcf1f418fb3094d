"""A model server in a container: what tests do to a child process, they can do to it."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.server.server_process import PATIENCE, ServerProcess, free_port

from support.containers import docker

LABEL = f"deployer-test.container={os.getpid()}"
HARDENED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--user", "65534:65534", "--pids-limit", "512"),
)
"""No writable file, no capability, nobody's user."""


def mounted(source: Path, target: str) -> tuple[str, str]:
    """The option of `docker run` for a directory that the container may read."""
    return "--mount", f"type=bind,source={source},target={target},readonly"


class ContainerServer(ServerProcess):
    """`docker run OPTIONS IMAGE FLAGS` in the foreground, with its output as the log."""

    def __init__(self, directory: Path, image: str, options: tuple[str, ...], flags: tuple[str, ...]) -> None:
        self._channel = None
        self.port, self.rest_port = free_port(), free_port()
        self.name = f"deployer-test-{uuid.uuid4().hex[:12]}"
        self.log_file = directory / f"{self.name}.log"
        own = ("docker", "run", "--rm", "--init", "--name", self.name, "--label", LABEL)
        filled = [word.format(port=self.port, rest_port=self.rest_port) for word in (*options, image, *flags)]
        with self.log_file.open("wb") as log:
            self.child = subprocess.Popen((*own, *filled), stdout=log, stderr=subprocess.STDOUT)

    def stop(self) -> None:
        """Remove the container, whatever state it is in."""
        if self._channel:
            self._channel.close()
        if self.child.poll() is None:
            subprocess.run(["docker", "rm", "--force", self.name], capture_output=True, timeout=PATIENCE, check=False)
            self.child.wait(PATIENCE)


@contextmanager
def container(directory: Path, image: str, options: tuple[str, ...], *flags: str) -> Iterator[ContainerServer]:
    """Run a container for a block. `{port}` and `{rest_port}` in options and flags become free ports."""
    server = ContainerServer(directory, image, options, flags)
    try:
        yield server
    finally:
        server.stop()


def left_behind() -> list[str]:
    """The containers of the tests of this process that are still there."""
    return docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()
