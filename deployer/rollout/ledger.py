"""The ledger: a SQLite file in the state directory with the history of releases and the journal of their steps.

Engines are the truth about what is deployed. Deleting the file loses the history, and the settings of containers that
are gone. A release is written before it begins, so that a killed command is seen.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from deployer.errors import LedgerError
from deployer.results.history import Outcome, Release
from deployer.results.plan import Change
from deployer.results.served import ServedModel, models_from, models_text
from deployer.results.traffic import TrafficFigures
from deployer.rollout.release_settings import ReleaseSettings
from deployer.system import documents
from deployer.system.files import is_full
from deployer.system.owners import current_user

LEDGER_FILE = "ledger.db"
BUSY_SECONDS = 10.0
SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = full;
create table if not exists releases (
    number integer primary key autoincrement,
    name text not null, env text not null, engine text not null, change text not null, models text not null,
    who text not null, began text not null, seconds real, outcome text not null, detail text not null default '',
    project text not null default '', store text not null default '',
    server text not null default '', address text not null default ''
);
create table if not exists figures (release integer primary key, traffic text not null) without rowid;
create table if not exists settings (release integer primary key, recorded text not null) without rowid;
create table if not exists steps (
    release integer not null, position integer not null, step text not null, private integer not null default 0,
    primary key (release, position)
) without rowid;
"""
COLUMNS = "number, name, env, engine, change, models, who, began, seconds, outcome, detail, store, server, address"
ADDED_COLUMNS = {
    "releases": dict.fromkeys(("project", "store", "server", "address"), "text not null default ''"),
    "steps": {"private": "integer not null default 0"},
}
"""Columns that older ledgers lack, by table, with their types."""


@dataclass(frozen=True)
class Ledger:
    """The ledger of a state directory, as one project sees it."""

    path: Path
    project: str = ""
    """Only its releases are read; empty for all. Older releases have no project, and every project sees them."""

    address: str = ""
    """The address of the engine, which each new release records."""

    connection: sqlite3.Connection | None = None
    """A connection that stays open for several entries."""

    def begin(  # noqa: PLR0913
        self,
        name: str,
        env: str,
        engine: str,
        change: str,
        models: tuple[ServedModel, ...],
        *,
        reason: str = "",
        store: str = "",
    ) -> int:
        """Write that a release is under way, and return its number."""
        began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        values = (
            name,
            env,
            engine,
            change,
            models_text(models),
            _who(),
            began,
            Outcome.UNDER_WAY.value,
            reason,
            self.project,
            store,
            self.address,
        )
        with self._open() as db:
            written = db.execute(
                "insert into releases (name, env, engine, change, models, who, began, outcome, detail, project,"
                " store, address) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            return int(written.lastrowid or 0)

    def step(self, number: int, action: str, *, is_private: bool = False) -> None:
        """Write a step of a release before it runs, and whether it leaves the new versions where no client is."""
        with self._open() as db:
            db.execute(
                "insert into steps (release, position, step, private)"
                " select ?, count(*) + 1, ?, ? from steps where release = ?",
                (number, action, is_private, number),
            )

    def started(self, number: int, server: str) -> None:
        """Write which server a release has started as its candidate, or has removed."""
        with self._open() as db:
            db.execute("update releases set server = ? where number = ?", (server, number))

    def keep_figures(self, number: int, traffic: TrafficFigures) -> None:
        """Keep the traffic that was measured during a release."""
        with self._open() as db:
            db.execute("insert or replace into figures values (?, ?)", (number, json.dumps(asdict(traffic))))

    def keep_settings(self, number: int, settings: ReleaseSettings) -> None:
        """Keep the settings of a release's containers."""
        with self._open() as db:
            db.execute("insert or replace into settings values (?, ?)", (number, json.dumps(asdict(settings))))

    def settings(self, name: str, env: str, engine: str) -> ReleaseSettings | None:
        """Return the settings of the last successful release; None if it kept none or was a removal."""
        last = next(iter(self.releases(name, env, engine, Outcome.SUCCEEDED)), None)
        return None if last is None or last.change == Change.REMOVE.value else self.settings_of(last.number)

    def settings_of(self, number: int) -> ReleaseSettings | None:
        """Return the settings of a release's containers; None if it kept none."""
        with self._open() as db:
            row = db.execute("select recorded from settings where release = ?", (number,)).fetchone()
            return ReleaseSettings.parse(row[0]) if row else None

    def steps(self, number: int) -> tuple[str, ...]:
        """Return the steps of a release that began, in their order."""
        with self._open() as db:
            rows = db.execute("select step from steps where release = ? order by position", (number,))
            return tuple(step for (step,) in rows)

    def may_take_requests(self, release: Release) -> bool:
        """Return whether a killed release has come further than to a candidate on private ports."""
        with self._open() as db:
            rows = db.execute("select 1 from steps where release = ? and not private limit 1", (release.number,))
            return rows.fetchone() is not None

    def mark_interrupted(self, name: str, env: str, engine: str) -> tuple[str, ...]:
        """Mark releases that are under way as interrupted, and return a notice for each.

        Call it while the deployment is locked: then the commands that began them are dead.
        """
        notices = []
        for release in self.under_way(name, env, engine):
            notices.append(f"release {release.number} ({release.change}) was killed at: {self.last_step(release)}")
            self._mark(release, Outcome.INTERRUPTED, self.killed_at(release))
        return tuple(notices)

    def under_way(self, name: str | None, env: str | None, engine: str) -> tuple[Release, ...]:
        """Return the releases of one deployment or of all that have begun and not ended."""
        return self.releases(name, env, engine, Outcome.UNDER_WAY)

    def mark_accepted(self, release: Release) -> None:
        """Mark a release as succeeded whose command was killed after its acceptance; `release` is from before."""
        self._mark(release, Outcome.SUCCEEDED, "; ".join(filter(None, (release.detail, self.killed_at(release)))))

    def killed_at(self, release: Release) -> str:
        """Return the detail of a release whose command was killed."""
        return f"its command was killed at: {self.last_step(release)}"

    def last_step(self, release: Release) -> str:
        """Return the step that was written last."""
        return ("its begin", *self.steps(release.number))[-1]

    def _mark(self, release: Release, outcome: Outcome, detail: str) -> None:
        with self._open() as db:
            db.execute(
                "update releases set outcome = ?, detail = ? where number = ?", (outcome.value, detail, release.number)
            )

    def end(self, number: int, outcome: Outcome, seconds: float, detail: str = "") -> None:
        """Write the outcome of a release."""
        with self._open() as db:
            db.execute(
                "update releases set outcome = ?, seconds = ?, detail = ? where number = ?",
                (outcome.value, round(seconds, 3), detail, number),
            )

    def releases(
        self,
        name: str | None = None,
        env: str | None = None,
        engine: str | None = None,
        outcome: Outcome | None = None,
    ) -> tuple[Release, ...]:
        """Return the releases of one deployment or of all, the newest first."""
        if not self.path.is_file():
            return ()
        query = (
            f"select {COLUMNS}, traffic from releases left join figures on release = number"  # noqa: S608
            " where name = ifnull(?, name) and env = ifnull(?, env) and engine = ifnull(?, engine)"
            " and outcome = ifnull(?, outcome) and (? = '' or project in (?, ''))"
        )
        with self._open() as db:
            values = (name, env, engine, outcome and outcome.value, self.project, self.project)
            return tuple(map(_release, db.execute(f"{query} order by number desc", values).fetchall()))

    def deployments(self) -> tuple[tuple[str, str, str], ...]:
        """Return (project, name, env) of each deployment with releases, in all projects, the last changed first."""
        if not self.path.is_file():
            return ()
        query = "select project, name, env from releases group by project, name, env order by max(number) desc"
        with self._open() as db:
            return tuple(db.execute(query).fetchall())

    @contextmanager
    def keep_open(self) -> Iterator[Ledger]:
        """Yield the ledger with one open connection, for this thread: an entry takes a fifth of the time."""
        with closing(self._connect()) as db:
            yield replace(self, connection=db)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open one transaction."""
        with (
            self._translate_errors(),
            nullcontext(self.connection) if self.connection else closing(self._connect()) as db,
            db,
        ):
            yield db

    def _connect(self) -> sqlite3.Connection:
        with self._translate_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
            try:
                db.executescript(SCHEMA)
                _add_columns(db)
            except BaseException:
                db.close()
                raise
            return db

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            raise LedgerError(f"the history {self.path} cannot be used: {error}", hint=self._remedy()) from error

    def _remedy(self) -> str:
        if is_full(self.path.parent):
            return "the disk is full: free space on it"
        return "move it away if it is damaged: nothing but the history is lost"


def _add_columns(db: sqlite3.Connection) -> None:
    """Add the columns that older ledgers lack."""
    for table, added in ADDED_COLUMNS.items():
        columns = {name for _, name, *_ in db.execute(f"pragma table_info({table})")}
        for name in added.keys() - columns:
            with contextlib.suppress(sqlite3.OperationalError):  # another command has just added it
                db.execute(f"alter table {table} add column {name} {added[name]}")


def _release(row: tuple[Any, ...]) -> Release:
    number, name, env, engine, change, models, who, began, seconds, outcome, detail, *rest = row
    store, server, address, traffic = rest
    figures = _figures(traffic) if traffic else None
    return Release(
        number,
        name,
        env,
        engine,
        change,
        models_from(models),
        who,
        began,
        seconds,
        Outcome(outcome),
        detail,
        figures,
        store,
        server,
        address,
    )


def _figures(text: str) -> TrafficFigures:
    figures: TrafficFigures = documents.read(TrafficFigures, json.loads(text))
    return figures


def _who() -> str:
    return f"{current_user()}@{socket.gethostname()}"
