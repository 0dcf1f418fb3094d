"""Writes manifests as YAML that every parser reads the same way: a string is never taken for another type."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from deployer.errors import TemplateError

Object = dict[str, Any]
"""A Kubernetes object, as its API has it."""

# Strings that need no quotes. YAML 1.1 and 1.2 disagree on many others, such as `yes`, `1e3` and `0o7`.
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
WORDS = frozenset("y n yes no on off true false null".split())


class _Dumper(yaml.SafeDumper):
    """Quotes strings, keeps the order of keys, writes texts of several lines as blocks, and uses no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if _is_plain(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_plain(text: str) -> bool:
    return PLAIN.fullmatch(text) is not None and text.lower() not in WORDS


_Dumper.add_representer(str, _represent_text)


def to_yaml(*objects: object) -> str:
    """Return a document for each object. Raises TemplateError for text that YAML cannot hold."""
    return "---\n".join(map(_to_yaml, objects))


def _to_yaml(value: object) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=2**31, allow_unicode=False)
    return text


def kind_and_name(manifest: Object) -> tuple[str, str]:
    """Return what identifies an object in its namespace."""
    return manifest["kind"], manifest["metadata"]["name"]


def check_text(where: str, text: str) -> str:
    """Return a text that YAML and a process can hold. Raises TemplateError."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise TemplateError(f"{where}: {text[:40]!r} has a character that no manifest can hold")
    return text


def without_empty(values: Object) -> Object:
    """Return the object without keys whose value is None, or an empty list or table."""
    return {key: value for key, value in values.items() if value is not None and value not in ([], {})}


def expanded(texts: Iterable[str]) -> list[str]:
    """Return arguments in which Kubernetes expands nothing: it replaces `$(NAME)`, and `$$` with `$`."""
    return [text.replace("$", "$$") for text in texts]
