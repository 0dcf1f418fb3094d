"""The checks of the embedded engine before it starts a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from deployer.engines.base import Address
from deployer.engines.local import check_address
from deployer.results.checks import Finding, MissingPackages
from deployer.results.deployment import Deployment
from deployer.results.model import Model
from deployer.results.served import ServedModel
from deployer.savedmodel.op_sets import installed_target
from deployer.system.packages import install_line, missing_packages


@dataclass(frozen=True)
class EmbeddedPreflight:
    """The Preflight of the embedded engine; `servers` returns the servers of a deployment."""

    servers: Callable[[str, str], Iterable[Deployment]]

    def platform(self) -> tuple[Finding, ...]:
        """Check that TensorFlow and the other packages of the server are installed."""
        missing = missing_packages()
        message = f"the embedded server needs packages that are not installed: {', '.join(missing)}"
        return (MissingPackages("embedded engine", "error", message, install_line(missing)),) if missing else ()

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
