"""The parser in C++ itself, by way of TensorFlow: what it takes and refuses, the embedded server takes and refuses."""

from __future__ import annotations

import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2
from tensorflow_serving.config import model_server_config_pb2

from deployer.server.text_syntax import TextSyntaxError, parse

VALUES = [
    b"1", b"1_0", b"+1", b"0b1", b"0o7", b"07", b"08", b"-1", b"- 1", b"0x1F", b"0X1F", b"1\xc2\xa0", b"1\xe3\x80\x80",
    b"1\0", b"1\x0b", b"1\x1c", b"1\x7f", b"1\x85", b"\xd9\xa1", b"1versions:2", b"1;versions:2,",
    b"[1,2]", b"[1,2,]", b"[]",
    b"1.0", b"1e1", b"1 # \xff\n", b"1 # \0\n", b"-\n1", b"--1", b"9223372036854775807", b"9223372036854775808", b"0x",
    b"1.2.3",
]  # fmt: skip
STRINGS = [
    rb'"\q"', rb'"\8"', rb'"\x"', rb'"\x41\X41\101\400\?"', rb'"\u12"', rb'"\u00fc"', rb'"\U0001F600"',
    rb'"\U00110000"', rb'"\U00200000"', rb'"\ud83d\ude00"', b'"a\nb"', b'"a\\\nb"', b'"a\0"', b'"a\x01"', b'"\xc3\xbc"',
    b"'a' \"b\"", b"'a\"", b'"""a"', rb'"\N{DASH}"', b'"a\tb\rc"', rb"'\'\x22'", rb'"\\u00e9"',
    rb'"\1018\x4142"', b"r'a'",
]  # fmt: skip
VERSIONED = b"model_config_list { config { model_version_policy { specific { versions: @ } } } }"
NAMED = b"model_config_list { config { name: @ } }"


def described() -> bytes:
    files = descriptor_pb2.FileDescriptorSet()

    def add(file) -> None:
        for needed in file.dependencies:
            add(needed)
        if file.name not in {each.name for each in files.file}:
            file.CopyToProto(files.file.add())

    add(model_server_config_pb2.DESCRIPTOR)
    return b"bytes://" + files.SerializeToString()


@pytest.mark.parametrize(("frame", "values"), [(VERSIONED, VALUES), (NAMED, STRINGS)], ids=["numbers", "strings"])
def test_both_parsers_agree(frame, values):
    source = described()
    for value in values:
        text = frame.replace(b"@", value)
        try:
            _, (found,) = tf.io.decode_proto(
                [text], "tensorflow.serving.ModelServerConfig", ["model_config_list"], [tf.string], source, "text"
            )
            theirs = found.numpy()[0][0]
        except tf.errors.DataLossError:
            theirs = None
        try:
            message = parse(text, model_server_config_pb2.ModelServerConfig())
            ours = message.model_config_list.SerializeToString(deterministic=True)
        except TextSyntaxError:
            ours = None
        assert ours == theirs, value
