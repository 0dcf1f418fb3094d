"""Quoting: what a template writes is read back as the very string, by the language's own reader."""

from __future__ import annotations

import subprocess

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.config.quoting import FILTERS

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
LISTS = st.lists(TEXTS, min_size=1, max_size=20)


@given(LISTS)
def test_yaml_reads_back_the_string_with_each_dollar_doubled(texts):
    document = "".join(f"- {FILTERS['yaml'](text)}\n" for text in texts)
    assert yaml.safe_load(document) == [text.replace("$", "$$") for text in texts]


@given(TEXTS)
def test_a_yaml_string_stays_on_its_line_and_names_no_variable(text):
    written = FILTERS["yaml"](text)
    assert written.isascii()
    assert written.isprintable()
    assert "$" not in written.replace("$$", "")


@settings(max_examples=20)
@given(LISTS)
def test_a_shell_reads_back_one_word(texts):
    script = "printf '%s\\0' " + " ".join(FILTERS["sh"](text) for text in texts)
    ended = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60, check=True)
    assert ended.stdout == b"".join(text.encode() + b"\0" for text in texts)


@pytest.mark.parametrize("language", ["yaml", "sh"])
@pytest.mark.parametrize("text", ["a\0b", "\udc80"])
def test_what_no_process_can_be_given_is_refused(language, text):
    with pytest.raises(ValueError):  # noqa: PT011 - the reason is the language's own
        FILTERS[language](text)
