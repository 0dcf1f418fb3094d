"""Command lines that cannot be understood: what is wrong, and the nearest command or option."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from deployer.errors import UsageError

LEAST_ALIKE = 0.6
WRONG_USAGE: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")
"""What Typer raises for a command line. Its module is another one in each of Typer's versions."""


def usage_error(error: Any) -> UsageError:
    """Return the error for one that Typer raised, with the command whose help answers it."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "deployer"
    if hasattr(error, "possibilities"):
        known = (spelled for each in context.command.get_params(context) for spelled in each.opts) if context else ()
        options = {spelled.lstrip("-"): spelled for spelled in known}
        nearest = options.get(_nearest(error.option_name.lstrip("-"), tuple(options)) or "")
        return _unknown(f"no such option: {error.option_name[:60]!r}", nearest, path)
    message = error.format_message().rstrip(".")
    return UsageError(f"{message[:1].lower()}{message[1:]}", hint=f"{path} --help")


def unknown_command(path: str, typed: str, names: Sequence[str], prefix: str) -> UsageError:
    """Return the error for a command that does not exist; `prefix` are the words before it, such as `image `."""
    full = f"{prefix}{typed}"
    nearest = _nearest(full, names) or next((name for name in names if name.split()[-1] == typed), None)
    return _unknown(f"no such command: {full[:60]!r}", nearest, path)


def _unknown(message: str, nearest: str | None, path: str) -> UsageError:
    meant = f"did you mean {nearest}? " if nearest else ""
    return UsageError(message, hint=f"{meant}{path} --help lists all")


def _nearest(typed: str, known: Sequence[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(typed, known, n=1, cutoff=LEAST_ALIKE)), None)
