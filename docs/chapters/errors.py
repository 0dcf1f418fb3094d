"""The catalogue of errors: what each means, what usually causes it, and what to do, from the docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chapters.markdown import first_line
from deployer import errors
from deployer.errors import DeployerError

HEAD = """# Errors

Generated from the code by `make docs`; do not edit.

A command that fails prints what failed, the last lines of the server's log where they help, and a hint with the next
command. Its exit code tells the kind of failure. Below are the errors of each code, as Python sees them
(`except deployer.PortTaken`), with what usually causes them. With `--json`, the
[error object](reference.md#exit-codes-and-errors) has the code.

"""
OTHERWISE = {
    errors.DONE: "The command has done what it should, or there was nothing to do.",
    errors.PLAN_HAS_CHANGES: "No error: `plan --exit-code` found changes, or `diff` a change that breaks clients.",
    errors.BUG: "A fault of deployer. The message names the file with the traceback: please report it.",
    errors.INTERRUPTED: "Ctrl-C or a termination signal. The change was undone first.",
}
"""The exit codes without an error."""
PARTS = re.compile(r"^Cause: (?P<cause>.+?)\s+Remedy: (?P<remedy>.+)\Z", re.MULTILINE | re.DOTALL)


def text() -> str:
    """The page."""
    return HEAD + "\n".join(_section(code, meaning) for code, meaning in errors.exit_codes().items())


def _section(code: int, meaning: str) -> str:
    kinds = [kind for kind in _all(DeployerError) if kind.exit_code == code]
    head = f"## {code}: {meaning}\n"
    return "\n".join((head, *map(_entry, kinds))) if kinds else f"{head}\n{OTHERWISE[code]}\n"


def _all(kind: type[DeployerError]) -> Iterator[type[DeployerError]]:
    """Every error of the package, each before those that are of its kind."""
    if kind.__module__ == errors.__name__:
        yield kind
    for child in kind.__subclasses__():
        yield from _all(child)


def _entry(kind: type[DeployerError]) -> str:
    doc = "\n".join(line.strip() for line in (kind.__doc__ or "").splitlines())
    parts = PARTS.search(doc.strip())
    if parts is None:
        raise ValueError(f"{kind.__name__} in errors.py has no cause and remedy in its docstring")
    cause, remedy = (" ".join(parts[part].split()) for part in ("cause", "remedy"))
    return f"### {kind.__name__}\n\n{first_line(kind.__doc__)}\n\n- **Cause:** {cause}\n- **Remedy:** {remedy}\n"
