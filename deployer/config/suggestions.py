"""Suggestions for an unknown key: the nearest key of its own table, or of another table."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from deployer.config.spec import Spec
from deployer.config.tables import TABLES
from deployer.system import documents

MIN_SIMILARITY, MIN_SIMILARITY_ELSEWHERE = 0.5, 0.7
# A hint lists at most MAX_LISTED keys. Of more it lists the MAX_NEAREST nearest.
MAX_LISTED, MAX_NEAREST = 30, 10
# The similarity of a word to a key that has it as a part: `port` to `rest_port`.
PART_SIMILARITY = 0.8


def suggest_key(word: str, known: Iterable[str]) -> str:
    """Return the hint for the unknown key `word` of a table with the keys `known`."""
    known = list(known)
    similarity, matches = _closest(word, known)
    similarity_elsewhere, matches_elsewhere = _closest(word, _paths())
    if similarity_elsewhere > similarity and similarity_elsewhere >= MIN_SIMILARITY_ELSEWHERE:
        return f"did you mean {' or '.join(map(_with_table, matches_elsewhere))}?"
    return f"did you mean {' or '.join(matches)}?" if similarity >= MIN_SIMILARITY else _list_known(known, word)


def suggest(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the hint for an unknown word: the nearest known one, or the list of known ones."""
    known = list(known)
    match = closest_match(word, known)
    return f"did you mean {prefix}{match}?" if match else _list_known(known, word, prefix)


def closest_match(word: str, known: Iterable[str]) -> str:
    """Return the nearest known word; empty when none is similar."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=MIN_SIMILARITY)), "")


def _list_known(known: Iterable[str], word: str, prefix: str = "") -> str:
    known = sorted(known)
    if len(known) <= MAX_LISTED:
        return f"known are: {', '.join(prefix + key for key in known)}"
    nearest = sorted(known, key=lambda key: -_similarity(word, key))[:MAX_NEAREST]
    more = f"and {len(known) - MAX_NEAREST} more: docs/reference.md"
    return f"the nearest are: {', '.join(prefix + key for key in nearest)}, {more}"


def _closest(word: str, keys: Iterable[str]) -> tuple[float, list[str]]:
    """Return the highest similarity of a key, and all keys that have it."""
    similarities = {key: _similarity(word.lower().replace("-", "_"), key.rpartition(".")[2]) for key in keys}
    highest = max(similarities.values(), default=0.0)
    return highest, [key for key, similarity in similarities.items() if similarity == highest]


def _similarity(word: str, key: str) -> float:
    ratio = difflib.SequenceMatcher(None, word, key).ratio()
    return max(ratio, PART_SIMILARITY) if word in key.split("_") and word != key else ratio


def _paths() -> Iterator[str]:
    yield from documents.field_types(Spec)
    for table, kind in TABLES.items():
        yield from (f"{table}.{name}" for name in documents.field_types(kind))


def _with_table(path: str) -> str:
    """Return a key as a hint names it: with its table, or as one at the top of the document."""
    if path in TABLES:
        return f"[{path}]"
    return path if "." in path else f"{path} above the first [table]"
