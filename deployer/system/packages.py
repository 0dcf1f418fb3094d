"""The packages that exports and the embedded server need, which the light distribution leaves out."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from deployer.errors import ExtraMissing

FULL_ONLY = {
    "tensorflow": "tensorflow",
    "tensorflow_serving": "tensorflow-serving-api",
    "grpc_health": "grpcio-health-checking",
    "h5py": "h5py",
    "httptools": "httptools",
    "orjson": "orjson",
    "prometheus_client": "prometheus-client",
    "uvloop": "uvloop",
}
"""Module and package of each; `core/pyproject.toml` has the others."""


def missing_packages() -> tuple[str, ...]:
    """Return the packages of the full distribution that are not installed."""
    return tuple(
        package for module, package in FULL_ONLY.items() if module not in sys.modules and find_spec(module) is None
    )


def install_line(missing: tuple[str, ...]) -> str:
    """Return the command that installs packages."""
    return f"pip install {' '.join(missing)}"


def require_tensorflow(purpose: str, alternative: str = "") -> None:
    """Raise ExtraMissing if TensorFlow is not installed; `purpose` says what needs it, `alternative` what does not."""
    missing = missing_packages()
    if "tensorflow" in missing:
        hint = f"{install_line(missing)}{alternative}"
        raise ExtraMissing(f"{purpose} needs TensorFlow, which is not installed here", hint=hint)
