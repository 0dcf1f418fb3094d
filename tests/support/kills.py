"""A table of kills: one change of a deployment, ended by `kill -9` before and after each of its steps.

A step is written before it is done: killed after an entry of the journal, a command has done the step before it and not
this one. After each kill what serves is looked at, and the next command must leave one of the two states that the
change is between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.cli import Ended, in_process
from support.dying import JOURNAL, killed_at
from support.traffic import Make, Seen, grpc_client, rest_client, traffic

MOST_ENTRIES = 20
BEGIN, _, END = JOURNAL
NOTHING_DEPLOYED = 10
ANSWERS = {1: 3.0, 2: 4.0}
"""What each version of half_plus_two makes of 2.0."""


@dataclass(frozen=True)
class State:
    """One end of a change: the version that answers, or None; what brings it about, and does after a kill."""

    version: int | None
    command: tuple[str, ...]
    toml: str = ""
    again: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kills:
    """`check` is told the state that a mended deployment should be in, and fails where anything else is there.

    Killed before an entry is written, a command leaves the same servers as after it. Only the journal tells the two
    apart: whether it knows of the change, and whether it knows that it has ended. So the first and the last entry are
    always tried at `both` moments, the others if that is wanted.
    """

    project: Path
    before: State
    after: State
    check: Callable[[State], None]
    seamless: bool = False
    doors: tuple[Make, ...] = (rest_client, grpc_client)
    both: bool = False
    environ: dict[str, str] = field(default_factory=dict)

    def carry_out(self) -> int:
        """The number of kills."""
        endpoints = self.reach(self.before)
        with self._clients(endpoints) as seen:
            kills = sum(1 for point in self._deaths() if self._mended(point, endpoints))
            seen.check({ANSWERS[state.version] for state in (self.before, self.after) if state.version}, 0)
        assert self._outcomes().count("interrupted") == kills - 2  # before its begin, after its end
        return kills

    def reach(self, state: State, *options: str) -> dict[str, str]:
        """By the state's own command; its endpoints. It need not change anything."""
        (self.project / "deployer.toml").write_text(state.toml)
        ended = self.run(*(state.again or state.command), *options)
        assert ended.code in ((0,) if state.version else (0, NOTHING_DEPLOYED)), ended.err
        return ended.json["endpoints"] if state.version else {}

    def run(self, *arguments: str) -> Ended:
        """The next command."""
        return in_process(*arguments, "--json", cwd=self.project)

    def answer(self, endpoints: dict[str, Any]) -> float:
        """The same at all doors."""
        answers = {ask(endpoints)() for ask in self.doors}
        assert len(answers) == 1, answers
        return answers.pop()

    def _deaths(self) -> Iterator[int]:
        """The number of the entry, each time that the command has just been killed at one."""
        for number in range(1, MOST_ENTRIES):
            entry = self._dies(number, "after")
            yield number
            if self.both or entry in (BEGIN, END):
                assert self._dies(number, "before") == entry
                yield number
            if entry == END:
                return

    def _dies(self, number: int, when: str) -> str:
        (self.project / "deployer.toml").write_text(self.after.toml)
        entry = killed_at(number, when, *self.after.command, "-q", cwd=self.project, **self.environ)
        assert entry, f"the command has ended without entry {number}"
        return entry

    def _mended(self, number: int, endpoints: dict[str, str]) -> bool:
        """Gone back to the first state; by way of the second one where the next command goes on.

        From there it is gone back without a proof where that spares a server: what was killed is mended by then.
        """
        if self.seamless:
            assert self.answer(endpoints) in self._allowed
        goes_on = number % 3 == 2
        self._reached(self.after if goes_on else self.before, endpoints)
        if goes_on:
            self._reached(self.before, endpoints, *(("--skip-gate",) if self.before.version else ()))
        return True

    def _reached(self, state: State, endpoints: dict[str, str], *options: str) -> None:
        there = self.reach(state, *options)
        self.check(state)
        if state.version:
            assert self.answer(there) == ANSWERS[state.version]
            assert there == endpoints or None in (self.before.version, self.after.version)

    @property
    def _allowed(self) -> set[float]:
        return {ANSWERS[state.version] for state in (self.before, self.after) if state.version}

    def _outcomes(self) -> list[str]:
        return [release["outcome"] for release in self.run("history").json["releases"]]

    @contextmanager
    def _clients(self, endpoints: dict[str, str]) -> Iterator[Seen]:
        """Of both protocols all the while, where clients are promised not to notice."""
        with traffic(endpoints, clients=self.doors) if self.seamless else nullcontext(Seen()) as seen:
            yield seen
