"""`logs`: what a server wrote."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.operations.workspace import Settings, open_workspace


def logs(
    name: str | None = None, *, tail: int | None = None, follow: bool = False, settings: Settings | None = None
) -> Iterator[str]:
    """Its lines, the last `tail` of them; with `follow` until the server ends. Raises NothingDeployed."""
    workspace = open_workspace(settings or Settings())
    deployment = workspace.deployed(name)
    return workspace.narrowed(deployment.name).engine.logs(deployment, tail, follow=follow)
