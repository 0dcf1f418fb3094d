"""Text protos are read as TensorFlow Serving's parser in C++ reads them, which is not how Python's does.

What that one does was recorded from `tf.io.decode_proto(..., message_format="text")`, which is the same code.
"""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.config import model_server_config_pb2

from deployer.config import render
from deployer.config.spec import Batching, Monitoring
from deployer.results.served import ServedModel
from deployer.server.status import ServingError
from deployer.server.text_protos import read
from deployer.server.text_syntax import TextSyntaxError, parse, plain

NAMED = "model_config_list {{ config {{ name: {} }} }}"
VERSIONED = "model_config_list {{ config {{ model_version_policy {{ specific {{ versions: {} }} }} }} }}"


def message(data: bytes) -> model_server_config_pb2.ModelServerConfig:
    return parse(data, model_server_config_pb2.ModelServerConfig())


def version(text: bytes) -> list[int]:
    data = VERSIONED.format("@").encode().replace(b"@", text)
    return list(message(data).model_config_list.config[0].model_version_policy.specific.versions)


def name(text: bytes) -> str:
    return message(NAMED.format("@").encode().replace(b"@", text)).model_config_list.config[0].name


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"1", 1), (b"07", 7), (b"0x1F", 31), (b"0X1f", 31), (b"-1", -1), (b"- 1", -1), (b"-0", 0), (b"-\n#\n1", -1),
     (b"1 # \xff \xc2\xa0 \x01\n", 1), (b"\v\f1\t\r", 1)],
)  # fmt: skip
def test_numbers_that_it_takes(text, value):
    assert version(text) == [value]


@pytest.mark.parametrize(
    "text",
    [b"1_0", b"+1", b"0b1", b"0B1", b"0o7", b"0O7", b"08", b"1\xc2\xa0", b"\xe2\x80\x831", b"\xd9\xa1", b"1\x00",
     b"1\x85", b"1\x1c", b"1\x1f", b"1\x7f", b"1versions:2", b"1.0", b"1e1", b"1__0", b"1L", b"0x", b"0xg", b"1.2.3",
     b"07.5", b"1e", b"18446744073709551616", b"--1", b"-", b"1 # \x00\n", b"[1,2,]", b"\xef\xbb\xbf1", b"1 // 2",
     b"(1)", b"1 %"],
)  # fmt: skip
def test_numbers_and_blanks_that_it_refuses(text):
    with pytest.raises(TextSyntaxError):
        version(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [(rb'"a\x41\X41\101\u00fc\U0001F600"', "aAAA\u00fc\U0001f600"), (b'"\xc3\xbc"', "\u00fc"),
     (b'"a\x01\tb"', "a\x01\tb"),
     (rb'"\?\a\b\f\n\r\t\v\\\'\""', "?\a\b\f\n\r\t\v\\'\""), (b"'a' \"b\"", "ab"), (rb'"\ud83d\ude00"', "\U0001f600"),
     (rb'"\U00110000"', "\\U00110000"), (rb'"\400"', "\0"), (rb'"\1011"', "A1"), (rb'"\x411"', "A1"),
     (b'"a\'b"', "a'b"),
     (b'"# no comment"', "# no comment"), (rb'"\\u00e9"', "\\u00e9"), (rb"'\'\x22'", "'\"")],
)  # fmt: skip
def test_strings_that_it_takes(text, value):
    assert name(text) == value


@pytest.mark.parametrize(
    "text",
    [rb'"\q"', rb'"\8"', rb'"\x"', rb'"\u12"', rb'"\U00200000"', rb'"\N{DASH}"', b'"a\nb"', b'"a\\\nb"', b'"a\x00"',
     b'"a', b"'a\"", rb'"\ "', rb'"a\"', b'r"a"', b"\xe2\x80\x9ca\xe2\x80\x9d"],
)  # fmt: skip
def test_strings_that_it_refuses(text):
    with pytest.raises(TextSyntaxError):
        name(text)


def test_the_place_is_named():
    for data, line, column in (
        (b"model_config_list {\n  config\xc2\xa0{\n} }", 2, 9),
        (b'# c\nmodel_config_list { config { name: "\\q" } }', 2, 36),
        (b"model_config_list {\n\n nonsense: 1 }", 3, 2),
    ):
        with pytest.raises(TextSyntaxError) as refused:
            message(data)
        assert refused.value.line == line
        assert refused.value.column == column


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
VERSIONS = st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=3, unique=True).map(sorted).map(tuple)
MODELS = st.lists(st.builds(ServedModel, NAMES, VERSIONS), min_size=1, max_size=3, unique_by=lambda served: served.name)


@given(MODELS, st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20), st.integers(1, 2**31 - 1))
def test_what_the_templates_render_is_taken(models, root, size):
    rendered = render.render(models, f"/{root}", Batching(max_batch_size=size), Monitoring())
    for text in rendered.files.values():
        plain(text.encode())
    config = message(rendered.files["model_config.config"].encode())
    assert config.model_config_list.config[0].base_path == f"/{root}/{models[0].name}"


@given(st.binary(max_size=40))
def test_any_bytes_are_taken_or_refused(data):
    try:
        text = plain(data)
    except TextSyntaxError:
        return
    assert text.isascii()


@given(st.text(max_size=20))
def test_a_string_that_protobuf_prints_is_read_again(text):
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name=text.encode("utf-8", "replace").decode())
    for printed in (text_format.MessageToString(config), text_format.MessageToString(config, as_utf8=True)):
        assert message(printed.encode()) == config


def test_the_server_refuses_a_file_with_the_place_in_its_log(tmp_path, caplog):
    file = tmp_path / "models.config"
    file.write_bytes(b"model_config_list {\xc2\xa0}")
    with pytest.raises(ServingError, match="Invalid protobuf file"):
        read(str(file), model_server_config_pb2.ModelServerConfig())
    file.write_bytes(b"# caf\xe9\nmodel_config_list {}")
    assert read(str(file), model_server_config_pb2.ModelServerConfig()).HasField("model_config_list")
