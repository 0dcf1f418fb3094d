"""Messages without TensorFlow, and TensorFlow unharmed after them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from google.protobuf import text_format

from deployer.savedmodel.protos import proto
from deployer.server.declared import message_class


def run(code: str) -> str:
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_protos_leave_no_bare_tensorflow_behind():
    out = run(
        "import sys; from deployer.savedmodel.protos import proto; proto('tensorflow_serving.apis.predict_pb2');"
        "print('tensorflow' in sys.modules, 'numpy' in sys.modules)"
    )
    assert out.split() == ["False", "False"]


@pytest.mark.parametrize("text", ["max_batch_size: 128", "max_batch_size { value: 'x' }", "nonsense { }"])
def test_the_usual_mistakes_in_batching_parameters_do_not_parse(text):
    with pytest.raises(text_format.ParseError):
        text_format.Parse(text, message_class("tensorflow.serving.BatchingParameters")())


def test_declared_messages_parse_what_tensorflow_serving_documents():
    text = "max_batch_size { value: 128 } allowed_batch_sizes: 1 allowed_batch_sizes: 128"
    message = text_format.Parse(text, message_class("tensorflow.serving.BatchingParameters")())
    assert list(message.allowed_batch_sizes) == [1, 128]
    assert message.max_batch_size.value == 128


def test_model_server_config_is_tensorflow_servings_own():
    config = proto("tensorflow_serving.config.model_server_config_pb2").ModelServerConfig()
    assert config.DESCRIPTOR.full_name == "tensorflow.serving.ModelServerConfig"


def test_threads_that_ask_for_one_module_at_once_all_get_it_whole():
    code = (
        "import sys; from concurrent.futures import ThreadPoolExecutor\n"
        "sys.setswitchinterval(1e-6)\n"
        "from deployer.savedmodel.protos import proto\n"
        "def ask(_): return proto('tensorflow_serving.apis.predict_pb2').PredictRequest\n"
        "with ThreadPoolExecutor(8) as threads: assert len(set(threads.map(ask, range(8)))) == 1\n"
    )
    run(code)
