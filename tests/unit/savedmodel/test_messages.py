"""Messages without TensorFlow, and TensorFlow unharmed after them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from google.protobuf import text_format

from deployer.savedmodel.messages import data_types, message_class
from deployer.server import declared


def run(code: str) -> str:
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_messages_need_neither_tensorflow_nor_numpy():
    out = run(
        "import sys; from deployer.savedmodel.messages import message_class;"
        "message_class('tensorflow.serving.PredictRequest')();"
        "heavy = {'tensorflow', 'tensorflow_serving', 'numpy'};"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
    )
    assert out.strip() == "[]"


@pytest.mark.parametrize("text", ["max_batch_size: 128", "max_batch_size { value: 'x' }", "nonsense { }"])
def test_the_usual_mistakes_in_batching_parameters_do_not_parse(text):
    with pytest.raises(text_format.ParseError):
        text_format.Parse(text, declared.message_class(declared.BATCHING)())


def test_declared_messages_parse_what_tensorflow_serving_documents():
    text = "max_batch_size { value: 128 } allowed_batch_sizes: 1 allowed_batch_sizes: 128"
    message = text_format.Parse(text, declared.message_class(declared.BATCHING)())
    assert list(message.allowed_batch_sizes) == [1, 128]
    assert message.max_batch_size.value == 128


def test_data_types_are_known_by_name_and_by_number():
    float32 = data_types().values_by_name["DT_FLOAT"]
    assert (float32.number, data_types().values_by_number[1]) == (1, float32)


def test_an_unknown_message_is_an_error():
    with pytest.raises(KeyError):
        message_class("tensorflow.serving.Nonsense")


def test_threads_that_ask_at_once_get_classes_of_one_pool():
    code = (
        "import sys; from concurrent.futures import ThreadPoolExecutor\n"
        "sys.setswitchinterval(1e-6)\n"
        "from deployer.savedmodel.messages import message_class\n"
        "def ask(_): return message_class('tensorflow.serving.PredictRequest').DESCRIPTOR.file.pool\n"
        "with ThreadPoolExecutor(8) as threads: assert len(set(threads.map(ask, range(8)))) == 1\n"
    )
    run(code)
