"""Quoting: what a template writes is read back as the very string, by the language's own reader."""

from __future__ import annotations

import json
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


def dockerfile_word(written: str) -> str:
    """What the engine's parser makes of a word in double quotes: a backslash quotes the next character."""
    assert (written[0], written[-1]) == ('"', '"')
    inner, read = iter(written[1:-1]), []
    for character in inner:
        assert character not in '"$'
        read.append(next(inner) if character == "\\" else character)
    return "".join(read)


@given(TEXTS)
def test_a_word_of_a_dockerfile_is_read_back(text):
    if {"\n", "\r"} & set(text):
        with pytest.raises(ValueError, match="line break"):
            FILTERS["dockerfile"](text)
    else:
        assert dockerfile_word(FILTERS["dockerfile"](text)) == text


@given(LISTS)
def test_arguments_of_an_instruction_are_one_line_of_json(texts):
    written = FILTERS["json"](texts)
    assert json.loads(written) == texts
    assert len(written.splitlines()) == 1


@pytest.mark.parametrize("value", ["text", 3, None, {"a": "b"}])
def test_arguments_are_a_list(value):
    with pytest.raises(ValueError, match="no list"):
        FILTERS["json"](value)


@pytest.mark.parametrize("language", ["yaml", "sh", "dockerfile"])
@pytest.mark.parametrize("text", ["a\0b", "\udc80"])
def test_what_no_process_can_be_given_is_refused(language, text):
    with pytest.raises(ValueError):  # noqa: PT011 - the reason is the language's own
        FILTERS[language](text)
