"""The only package that prints. Data goes to stdout, progress and hints to stderr; `--json` is one object on stdout.

A module of it is loaded when it is first used: `console.lines`.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployer.console import bench as bench
    from deployer.console import deployments as deployments
    from deployer.console import images as images
    from deployer.console import lines as lines
    from deployer.console import objects as objects
    from deployer.console import phases as phases
    from deployer.console import reports as reports
    from deployer.console import terminal as terminal
    from deployer.console import versions as versions
else:

    def __getattr__(name: str) -> ModuleType:
        known = ("bench", "deployments", "images", "lines", "objects", "phases", "reports", "terminal", "versions")
        if name in known:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
