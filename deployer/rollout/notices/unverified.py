"""The notice that a change or an image is not verified."""

from __future__ import annotations

from deployer.rollout.workspace import Workspace

SKIP = "gate.skip"


def notices(workspace: Workspace) -> tuple[str, ...]:
    """Return the notice that the gate is skipped; none if it is not."""
    if not workspace.spec.gate.skip:
        return ()
    return (f"nothing is verified, as {workspace.origins.of(SKIP) or SKIP} says: no answer is compared",)
