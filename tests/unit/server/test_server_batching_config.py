"""Batching parameters as TensorFlow Serving reads them: from a file, from flags, and from a version's own directory."""

from __future__ import annotations

import pytest
from google.protobuf import text_format

from deployer.server import flags
from deployer.server.batching import config as batching_config
from deployer.server.batching.config import BatchingConfig, BatchRules
from deployer.server.declared import BATCHING, message_class
from deployer.server.status import Code, ServingError


def parsed(text: str) -> BatchRules:
    return batching_config.rules(text_format.Parse(text, message_class(BATCHING)()))


def test_without_parameters_the_defaults_are_those_of_the_shared_batch_scheduler() -> None:
    assert parsed("") == BatchRules(1000, 0.0, 10, False, 1000, (), False)


def test_every_parameter_is_read() -> None:
    text = (
        "max_batch_size { value: 32 } batch_timeout_micros { value: 1500 } max_enqueued_batches { value: 7 } "
        "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 8 } "
        "allowed_batch_sizes: 8 allowed_batch_sizes: 32 pad_variable_length_inputs: true"
    )
    assert parsed(text) == BatchRules(32, 0.0015, 7, True, 8, (8, 32), True)


def test_what_tensorflow_serving_makes_of_odd_numbers() -> None:
    assert parsed("max_enqueued_batches { value: 0 }").max_enqueued_batches == 1
    assert parsed("max_batch_size { value: -1 }").max_batch_size == 2**64 - 1
    assert parsed("enable_large_batch_splitting { value: true }").max_execution_size == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "max_batch_size { value: 32 } allowed_batch_sizes: 8",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 32",
        ),
        (
            "allowed_batch_sizes: 8",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 1000",
        ),
        ("max_batch_size { value: 0 }", "input_batch_size_limit must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be non-negative; was -1"),
        (
            "max_enqueued_batches { value: 0 } enable_large_batch_splitting { value: true }",
            "max_enqueued_batches must be positive; was 0",
        ),
        (
            "max_batch_size { value: 4 } enable_large_batch_splitting { value: true } "
            "max_execution_batch_size { value: 8 }",
            "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
            "max_execution_batch_size.148",
        ),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(text: str, message: str) -> None:
    with pytest.raises(ServingError) as refused:
        parsed(text)
    assert (refused.value.code, refused.value.message) == (Code.INVALID_ARGUMENT, message)


def test_a_file_needs_the_switch_and_threads_need_a_number(tmp_path) -> None:
    file = tmp_path / "batching.config"
    file.write_text("num_batch_threads { value: 0 }")
    with pytest.raises(ServingError, match=r"without setting server_options\.enable_batching to true"):
        batching_config.from_options(flags.parse([f"--batching_parameters_file={file}"]))
    with pytest.raises(ServingError, match="num_batch_threads must be positive; was 0"):
        batching_config.from_options(flags.parse(["--enable_batching", f"--batching_parameters_file={file}"]))
    file.write_text("max_batch_size: 128")
    with pytest.raises(ServingError, match=f"INVALID_ARGUMENT: Invalid protobuf file: '{file}'"):
        batching_config.from_options(flags.parse(["--enable_batching", f"--batching_parameters_file={file}"]))
    assert batching_config.from_options(flags.parse([])) is None
    without_file = batching_config.from_options(flags.parse(["--enable_batching"]))
    assert without_file is not None
    assert without_file.thread_name == "model_server_batch_threads"


def test_a_version_may_bring_its_own_rules(tmp_path) -> None:
    common = text_format.Parse("max_batch_size { value: 5 }", message_class(BATCHING)())
    for everyone in (BatchingConfig(common), BatchingConfig(common, per_version=False)):
        rules = everyone.rules(str(tmp_path))
        assert rules is not None
        assert rules.max_batch_size == 5
    own = BatchingConfig(common, per_version=True)
    assert own.rules(str(tmp_path)) is None
    (tmp_path / "batching_params.pbtxt").write_text("max_batch_size { value: 3 }")
    rules = own.rules(str(tmp_path))
    assert rules is not None
    assert rules.max_batch_size == 3
