"""The command line: options become plain values, one operation is called, its result is shown. Nothing else."""

from __future__ import annotations

from deployer.cli.app import app
from deployer.errors import DeployerError

__all__ = ["app", "fail"]


def fail(failure: DeployerError, as_json: bool) -> int:
    """Show an error and give its exit code."""
    from deployer import console

    console.error_json(failure) if as_json else console.error(failure)
    return failure.exit_code
