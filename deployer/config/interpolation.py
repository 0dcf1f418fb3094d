"""Variables in the strings of `deployer.toml`, with Compose's syntax.

`${NAME}` and `$NAME` stand for a variable, `${NAME:-default}` has a default for one that is unset or empty,
`${NAME-default}` for one that is unset, and `$$` stands for a dollar. Any other dollar is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from deployer.errors import InvalidValue

MARK = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[^}]*)\}|(?P<unclosed>\{))", re.ASCII
)
BRACED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?-)(?P<default>[^$]*))?", re.ASCII)
SYNTAX = "${NAME} and ${NAME:-default} are variables, and $$ is a dollar"


class UnsetVariable(InvalidValue):
    """A variable without a value and without a default."""


@dataclass(frozen=True)
class Reference:
    """A variable in a text; the operator `:-` or `-` comes with a default."""

    name: str
    operator: str = ""
    default: str = ""

    def value(self, variables: Mapping[str, str]) -> str:
        """Return the variable's value or the default. Raises UnsetVariable for one without either."""
        found = variables.get(self.name)
        if found or (found is not None and self.operator != ":-"):
            return found
        if self.operator:
            return self.default
        raise UnsetVariable(
            f"the variable {self.name} is not set",
            hint=f"set it in the environment or in the file that env_file names, or write ${{{self.name}:-default}}",
        )


Piece = str | Reference


def parse(text: str) -> tuple[Piece, ...]:
    """Return the plain pieces of a text and the references between them. Raises InvalidValue."""
    found: list[Piece] = []
    for piece in _pieces(text):
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] += piece
        else:
            found.append(piece)
    return tuple(piece for piece in found if piece)


def _pieces(text: str) -> Iterator[Piece]:
    end = 0
    for mark in MARK.finditer(text):
        yield text[end : mark.start()]
        end = mark.end()
        yield "$" if mark["dollar"] else _reference(mark)
    yield text[end:]


def _reference(mark: re.Match[str]) -> Reference:
    if mark["plain"]:
        return Reference(mark["plain"])
    braced = None if mark["unclosed"] else BRACED.fullmatch(mark["braced"])
    if braced is None:
        raise InvalidValue(f"{mark[0][:40]!r} is no variable", hint=SYNTAX)
    return Reference(braced["name"], braced["operator"] or "", braced["default"] or "")


class Secret(str):
    """A text with variables whose values are secret. As a string it is the text; only `reveal` returns the values.

    So whatever is printed, recorded or compared has the names of the variables.
    """

    pieces: tuple[Piece, ...]
    _value: Callable[[], str]

    @classmethod
    def of(cls, text: str, pieces: tuple[Piece, ...], value: Callable[[], str]) -> Secret:
        """Return the text whose pieces are these and whose value the function returns."""
        secret = cls(text)
        secret.pieces, secret._value = pieces, value
        return secret

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its variables."""
        return tuple(dict.fromkeys(piece.name for piece in self.pieces if isinstance(piece, Reference)))

    def reveal(self) -> str:
        """Return the text with the values of its variables. Raises ConfigError for one that is not set."""
        return self._value()

    def __deepcopy__(self, _: object) -> Secret:
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def reveal(values: Mapping[str, str]) -> dict[str, str]:
    """Return a table with the values of its secrets. Raises ConfigError for a variable that is not set."""
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in values.items()}


def variable_names(values: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the variables in the secrets among some texts."""
    secrets = (value for value in values if isinstance(value, Secret))
    return tuple(dict.fromkeys(name for secret in secrets for name in secret.names))


@dataclass(frozen=True)
class Interpolation:
    """The variables for a document.

    `locate` turns an InvalidValue into the error that names the key. Strings at or below a key path of `secret` become
    a Secret, and their variables are looked up when they are needed. `may_lack` says whether the key with an error is
    left out.
    """

    variables: Mapping[str, str] = field(repr=False)
    locate: Callable[[InvalidValue, tuple[str, ...]], Exception]
    secret: tuple[tuple[str, ...], ...] = ()
    may_lack: Callable[[InvalidValue, tuple[str, ...]], bool] = lambda *_: False

    def table(self, table: Mapping[str, object], above: tuple[str, ...] = ()) -> dict[str, object]:
        """Return a table with its variables replaced."""
        found: dict[str, object] = {}
        for key, value in table.items():
            path = (*above, key)
            try:
                found[key] = self._value(value, path)
            except InvalidValue as error:
                if not self.may_lack(error, path):
                    raise self.locate(error, path) from error
        return found

    def _value(self, value: object, path: tuple[str, ...]) -> object:
        if isinstance(value, dict):
            return self.table(value, path)
        if isinstance(value, list):
            return [self._value(each, path) for each in value]
        if isinstance(value, str) and "$" in value:
            return self._text(value, path)
        return value

    def _text(self, text: str, path: tuple[str, ...]) -> str:
        pieces = parse(text)
        is_secret = any(path[: len(above)] == above for above in self.secret)
        if is_secret and any(isinstance(piece, Reference) for piece in pieces):
            return Secret.of(text, pieces, partial(self._reveal, pieces, path))
        return self._join(pieces)

    def _reveal(self, pieces: tuple[Piece, ...], path: tuple[str, ...]) -> str:
        try:
            return self._join(pieces)
        except InvalidValue as error:
            raise self.locate(error, path) from error

    def _join(self, pieces: tuple[Piece, ...]) -> str:
        return "".join(piece.value(self.variables) if isinstance(piece, Reference) else piece for piece in pieces)
