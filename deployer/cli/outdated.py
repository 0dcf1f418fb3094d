"""Names the command that shows the plan of an `up`, where another one than the expected would be carried out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from click import Command

from deployer.errors import PlanOutdated


@contextmanager
def naming_the_plan() -> Iterator[None]:
    """Have PlanOutdated say which `plan` goes with the `up` that was typed."""
    try:
        yield
    except PlanOutdated as error:
        from deployer.cli.app import Commands

        known = Commands()
        words = plan_words(sys.argv[2:], known["up"], known["plan"])
        error.hint = f"{shlex.join(['deployer', 'plan', *words])} shows it, with its digest"
        raise


def plan_words(typed: list[str], up: Command, plan: Command) -> list[str]:
    """What was typed after `up`, without the options that `plan` does not have."""
    kept, left_out = _options(plan), _options(up)
    words, rest = [], iter(typed)
    for word in rest:
        name, equals, _ = word.partition("=")
        if name in kept or name not in left_out:
            words.append(word)
        elif left_out[name] and not equals:
            next(rest, None)
    return words


def _options(command: Command) -> dict[str, bool]:
    """The options of a command, and whether a value follows each."""
    return {
        name: not getattr(parameter, "is_flag", False)
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("-")
    }
