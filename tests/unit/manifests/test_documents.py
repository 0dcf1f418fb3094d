"""YAML: each string is read back as the very string, by parsers of YAML 1.1 and 1.2 alike."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from deployer.errors import TemplateError
from deployer.manifests.documents import check_text, expanded, to_yaml

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
HOSTILE = (
    "yes", "No", "ON", "y", "null", "Null", "~", "", "1e3", "0o17", "017", "1_000", "12:30:45", "2026-11-29", ".inf",
    "0x1F", "a: b", "{{ x }}", "- a", "#c", "a #c", "&a", "*a", "!tag", "%d", "@a", "`a", "|", ">", "'", '"', "\\",
    "a\nb", "a\n---\nkind: Pod\n", "\ta", " a ", "a\r\nb", "\u2028", "\x85", "\x07", "\ufeff", "\U0001f600", "true",
)  # fmt: skip


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=10))
def test_every_value_is_read_back(value):
    assert yaml.safe_load(to_yaml(value)) == value


@pytest.mark.parametrize("text", HOSTILE)
def test_a_string_that_is_more_in_some_yaml_is_quoted_as_value_and_as_key(text):
    written = to_yaml({text: [text]})
    assert yaml.safe_load(written) == {text: [text]}
    unquoted = [line for line in written.splitlines() if line in (f"{text}:", f"- {text}")]
    assert unquoted == []


@given(TEXTS)
@example("a\nb\n")
@example(" a\nb")
@example("a\n\n\nb")
def test_a_text_of_several_lines_cannot_begin_a_document(text):
    document = to_yaml({"before": 1, "text": f"{text}\n---\nkind: Pod\n", "after": 2})
    assert list(yaml.safe_load_all(document)) == [{"before": 1, "text": f"{text}\n---\nkind: Pod\n", "after": 2}]
    assert not re.search(r"^(---|\.\.\.)", document, re.MULTILINE)


@pytest.mark.parametrize("text", ["a\0b", "\udc80"])
def test_text_that_no_process_can_have_is_refused(text):
    with pytest.raises(TemplateError, match=r"docker\.environment"):
        check_text("docker.environment", text)


def _expand(text: str) -> str:
    """As Kubernetes expands arguments, with a variable HOME."""
    parts = {"$$": "$", "$(HOME)": "/root"}
    return re.sub(r"\$\$|\$\(HOME\)", lambda found: parts[found[0]], text)


@given(st.text("$()HOMEx ", max_size=20))
def test_kubernetes_expands_nothing_in_an_argument(text):
    assert _expand(expanded([text])[0]) == text
