"""A table of kills: one change of a deployment, ended by `kill -9` before and after each entry of its journal.

A step is written before it is done: killed at an entry, a command has done the step before it and not this one. After
each kill what serves is looked at, and the next command must leave one of the two states that the change is between:
from there the next kill starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.cli import Ended, in_process
from support.dying import AFTER, BEFORE, END, killed_at
from support.traffic import Make, Seen, rest_client, retrying_grpc_client, traffic

NOTHING_DEPLOYED = 10
ANSWERS = {1: 3.0, 2: 4.0}
"""What each version of half_plus_two makes of 2.0."""


@dataclass(frozen=True)
class State:
    """One end of a change: the version that answers, or None; what brings it about, and whether that command does
    something else when it is done a second time."""

    version: int | None
    command: tuple[str, ...]
    toml: str = ""
    once: bool = False


@dataclass
class KillPoints:
    """The moments of a change at which it is still to be killed, from the first entry on: after it, and before it."""

    number: int = 1
    when: str = AFTER
    entry: str = ""
    left: bool = True

    def died(self, entry: str) -> None:
        """It was, at that entry."""
        if self.when == AFTER:
            self.entry, self.when = entry, BEFORE
        else:
            assert entry == self.entry
            self.number, self.when, self.left = self.number + 1, AFTER, entry != END


@dataclass(frozen=True)
class Kills:
    """`check` is told the state that a mended deployment should be in, and fails where anything else is there.

    The change from `before` to `after` is killed everywhere. The way back is just gone; or, where it is `mirrored`, it
    has the same entries, and each is tried from one side; or, with `both_ways`, it is killed everywhere, too.
    """

    project: Path
    before: State
    after: State
    check: Callable[[State], None]
    seamless: bool = False
    apis: tuple[Make, ...] = (rest_client, retrying_grpc_client)
    mirrored: bool = False
    both_ways: bool = False
    environ: dict[str, str] = field(default_factory=dict)

    def carry_out(self) -> int:
        """The number of kills."""
        endpoints, ways = self.reach(self.before).get("endpoints", {}), self._ways()
        with self._clients(endpoints) as seen:
            kills = self._walked(ways, endpoints)
            seen.check(self._allowed, 0)
        unseen = 2 * len({id(deaths) for deaths in ways.values()})  # before its begin, after its end
        assert len(self._killed()) == kills - unseen
        return kills

    def _ways(self) -> dict[State, KillPoints]:
        """By the end from which a way starts."""
        deaths = KillPoints()
        back = {self.after: deaths if self.mirrored else KillPoints()}
        return {self.before: deaths, **(back if self.mirrored or self.both_ways else {})}

    def _walked(self, ways: dict[State, KillPoints], endpoints: dict[str, str]) -> int:
        """To and fro until nothing is left to try; the number of kills. A way that is just gone needs no proof."""
        here, there, kills = self.before, self.after, 0
        while any(deaths.left for deaths in ways.values()):
            deaths = ways.get(here)
            trying = deaths is not None and deaths.left
            if not trying or self._killed_on(deaths, there, endpoints):
                here, there = there, here
            options = ("--skip-gate",) if here.version and not trying else ()
            plan = self._foreseen(here) if here.version and trying else None
            self._reached(here, endpoints, *options, plan=plan)
            kills += trying
        return kills

    def _killed_on(self, deaths: KillPoints, to: State, endpoints: dict[str, str]) -> bool:
        """Whether the next command shall go on, and not back: now and then, and where all is done already."""
        number, when = deaths.number, deaths.when
        (self.project / "deployer.toml").write_text(to.toml)
        entry = killed_at(number, when, *to.command, "-q", cwd=self.project, **self.environ)
        assert entry, f"the command has ended without entry {number}"
        deaths.died(entry)
        if self.seamless:
            assert {ask(endpoints)() for ask in self.apis} <= self._allowed  # both servers may answer
        return when == AFTER and (not to.once if entry == END else number % 3 == 2)

    def reach(self, state: State, *options: str) -> dict[str, Any]:
        """By the state's own command, which need not change anything; its result."""
        (self.project / "deployer.toml").write_text(state.toml)
        ended = self.run(*state.command, *options)
        assert ended.code in ((0,) if state.version else (0, NOTHING_DEPLOYED)), ended.err + ended.out
        return ended.json if state.version else {}

    def _foreseen(self, state: State) -> str:
        """The digest of the plan that is shown before the next command, whatever the kill has left."""
        (self.project / "deployer.toml").write_text(state.toml)
        return self.run(*state.command, "--dry-run").json["plan"]["digest"]

    def run(self, *arguments: str) -> Ended:
        """The next command."""
        return in_process(*arguments, "--json", cwd=self.project)

    def answer(self, endpoints: dict[str, Any]) -> float:
        """The same at all apis."""
        answers = {ask(endpoints)() for ask in self.apis}
        assert len(answers) == 1, answers
        return answers.pop()

    def _reached(self, state: State, endpoints: dict[str, str], *options: str, plan: str | None) -> None:
        result = self.reach(state, *options)
        there = result.get("endpoints", {})
        assert plan in (None, result.get("plan", {}).get("digest")), result["plan"]
        self.check(state)
        if state.version:
            assert self.answer(there) == ANSWERS[state.version]
            assert there == endpoints or None in (self.before.version, self.after.version)

    @property
    def _allowed(self) -> set[float]:
        return {ANSWERS[state.version] for state in (self.before, self.after) if state.version}

    def _killed(self) -> list[int]:
        """The releases that are known to have been killed, accepted or not."""
        releases = self.run("history").json["releases"]
        return [each["number"] for each in releases if "was killed at" in each["detail"]]

    @contextmanager
    def _clients(self, endpoints: dict[str, str]) -> Iterator[Seen]:
        """Of both protocols all the while, where clients are promised not to notice."""
        with traffic(endpoints, clients=self.apis) if self.seamless else nullcontext(Seen()) as seen:
            yield seen
