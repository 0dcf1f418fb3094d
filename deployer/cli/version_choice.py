"""The version that requests are for: a number or a label."""

from __future__ import annotations

from deployer.config.models import LABEL
from deployer.errors import InvalidValue, UsageError
from deployer.results.model import check_version


def version_or_label(version: str | None, label: str | None) -> int | str | None:
    """Return the number of a version, or a label. Raises UsageError."""
    if version is None:
        return label
    if label is not None:
        raise UsageError("--version and --label both name a version", hint="give one of them")
    try:
        return check_version(version)
    except InvalidValue as error:
        error.hint = f"--label {version} takes the version of a label" if LABEL.fullmatch(version) else None
        raise
