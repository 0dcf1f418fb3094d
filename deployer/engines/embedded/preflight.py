"""The checks of the embedded engine before it starts a server."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deployer.engines.base import Address
from deployer.engines.local import check_address
from deployer.results.checks import Finding
from deployer.results.deployment import Deployment, ServedModel
from deployer.results.model import Model
from deployer.savedmodel.op_sets import installed_target

MODULES = ("tensorflow", "grpc", "httptools")


@dataclass(frozen=True)
class EmbeddedPreflight:
    """The Preflight of the embedded engine; `servers` returns the servers of a deployment."""

    servers: Callable[[str, str], Iterable[Deployment]]

    def platform(self) -> tuple[Finding, ...]:
        """Check that TensorFlow and the other packages of the server are installed."""
        missing = [name for name in MODULES if importlib.util.find_spec(name) is None]
        return tuple(
            Finding("embedded engine", "error", f"{name} is not installed", "pip install tf-deployer")
            for name in missing
        )

    def models(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        """Check the models against the installed TensorFlow, which the server will use."""
        from deployer.engines import compatibility

        return tuple(compatibility.findings(installed_target(), models))

    def address(self, name: str, env: str, address: Address) -> None:
        check_address(address, (each for each in self.servers(name, env) if each.running))

    def reload(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> str:
        """Return an empty reason: the process reads the store by its path."""
        del deployment, models
        return ""
