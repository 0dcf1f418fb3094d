"""The command line: options become plain values, one operation is called, its result is shown. Nothing else."""

from __future__ import annotations

from deployer.cli.app import app

__all__ = ["app"]
