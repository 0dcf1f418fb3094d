"""The copies of versions on the machine of a Docker Engine that does not see the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployer.engines.docker.host import DockerHost
from deployer.results.model import Model
from deployer.results.progress import Progress


@dataclass(frozen=True)
class DockerCopies:
    """The Copies of a Docker Engine: files of a volume if its machine is another one, else none."""

    host: DockerHost

    def send(self, models: Sequence[Model], progress: Progress) -> None:
        """Copy versions to the engine's machine, unless the image has the models inside."""
        if not self.host.in_image:
            self.host.machine.transfer(models, progress)

    def forget(self, versions: Iterable[tuple[str, int]]) -> None:
        self.host.machine.forget(versions)
