"""What a key that a document does not have was probably meant to be: one of its own table, or one of another."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from deployer.config.spec import Batching, Docker, Gate, Gateway, ModelSpec, Monitoring, Server, Spec
from deployer.system import documents

TABLES: dict[str, Any] = {
    "models.NAME": ModelSpec,
    "server": Server,
    "batching": Batching,
    "monitoring": Monitoring,
    "gate": Gate,
    "docker": Docker,
    "gateway": Gateway,
}
MIN_SIMILARITY, MIN_SIMILARITY_ELSEWHERE = 0.5, 0.7
MAX_LISTED, MAX_NEAREST = 30, 10
"""How many keys a hint has room for; how many it names where there are more."""
PART_SIMILARITY = 0.8
"""How close a word is to a key that has it as one of its words: `port` to `rest_port`."""


def suggest_key(word: str, known: Iterable[str]) -> str:
    """The hint for the unknown key `word` of a table that has the keys `known`."""
    known = list(known)
    here, closest_match = _closest(word, known)
    elsewhere, others = _closest(word, _paths())
    if elsewhere > here and elsewhere >= MIN_SIMILARITY_ELSEWHERE:
        return f"did you mean {' or '.join(map(_with_table, others))}?"
    return f"did you mean {' or '.join(closest_match)}?" if here >= MIN_SIMILARITY else _list_known(known, word)


def suggest(word: str, known: Iterable[str], prefix: str = "") -> str:
    """The hint that names what was probably meant, or else what is known."""
    known = list(known)
    close = closest_match(word, known)
    return f"did you mean {prefix}{close}?" if close else _list_known(known, word, prefix)


def closest_match(word: str, known: Iterable[str]) -> str:
    """What was probably meant; empty where nothing comes near."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=MIN_SIMILARITY)), "")


def _list_known(known: Iterable[str], word: str, prefix: str = "") -> str:
    """All that is known; of very many the nearest, and where the others are."""
    known = sorted(known)
    if len(known) <= MAX_LISTED:
        return f"known are: {', '.join(prefix + key for key in known)}"
    suggest = sorted(known, key=lambda key: -_similarity(word, key))[:MAX_NEAREST]
    more = f"and {len(known) - MAX_NEAREST} more: docs/reference.md"
    return f"the nearest are: {', '.join(prefix + key for key in suggest)}, {more}"


def _closest(word: str, keys: Iterable[str]) -> tuple[float, list[str]]:
    """How close the closest are, and those."""
    found = {key: _similarity(word.lower().replace("-", "_"), key.rpartition(".")[2]) for key in keys}
    best = max(found.values(), default=0.0)
    return best, [key for key, close in found.items() if close == best]


def _similarity(word: str, key: str) -> float:
    ratio = difflib.SequenceMatcher(None, word, key).ratio()
    return max(ratio, PART_SIMILARITY) if word in key.split("_") and word != key else ratio


def _paths() -> Iterator[str]:
    yield from documents.field_types(Spec)
    for table, kind in TABLES.items():
        yield from (f"{table}.{name}" for name in documents.field_types(kind))


def _with_table(path: str) -> str:
    """A key of another table, with the table; one of no table stands before the first."""
    if path in TABLES:
        return f"[{path}]"
    return path if "." in path else f"{path} above the first [table]"
