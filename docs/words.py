"""Checks the words of prose: Markdown, templates, and the strings of the code (docstrings, help, errors).

words.py           ends with 1 where a word on the list is in more files than it may be
words.py --lower   writes lower numbers into this file where fewer files have the word: they only ever go down
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "anew": 1,
    "as it should": 0,
    "at hand": 2,
    "autopsy": 0,
    "be told": 0,
    "be had": 1,
    "beside": 6,
    "door": 0,
    "floor": 0,
    "folder": 0,
    "for want of": 0,
    "had": 9,
    "house": 0,
    "is had": 0,
    "letter box": 0,
    "letterbox": 0,
    "meanwhile": 0,
    "nobody": 3,
    "none of": 7,
    "room": 0,
    "seldom": 0,
    "spoilt": 0,
    "told": 1,
    "vigil": 0,
    "wanted": 0,
    "what there is": 0,
    "whoever": 1,
    "wish": 0,
    "world": 0,
}
"""In how many files a word may still be. A word that is not used any more stays here, with 0."""


def prose() -> Iterator[tuple[Path, str]]:
    """Each file with the text in it that people read."""
    for pattern in ("*.md", ".github/**/*.md", "docs/**/*.md", "examples/**/*.md", "templates/*"):
        for path in ROOT.glob(pattern):
            yield path, path.read_text()
    for path in (ROOT / "deployer").rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        yield path, "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and _is_text(node.value))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and " " in value


def found(texts: list[tuple[Path, str]]) -> dict[str, list[Path]]:
    """The files that have each word, also in the plural and over the end of a line."""
    patterns = {word: re.compile(rf"\b{word.replace(' ', chr(92) + 's+')}s?\b", re.IGNORECASE) for word in ALLOWED}
    return {word: sorted(path for path, text in texts if has.search(text)) for word, has in patterns.items()}


def check() -> int:
    code = 0
    for word, files in found(list(prose())).items():
        if len(files) > ALLOWED[word]:
            code = 1
            listed = "\n".join(f"  {path.relative_to(ROOT)}" for path in files)
            print(f"{word!r} is in {len(files)} files, {ALLOWED[word]} are allowed; use another word:\n{listed}")
    return code


def lower() -> int:
    text = Path(__file__).read_text()
    for word, files in found(list(prose())).items():
        text = text.replace(f'    "{word}": {ALLOWED[word]},\n', f'    "{word}": {min(ALLOWED[word], len(files))},\n')
    Path(__file__).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(lower() if sys.argv[1:] == ["--lower"] else check())
