"""Examples over gRPC, in batches, and warm-up records of every kind."""

from __future__ import annotations

import shutil
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from contract.server.server_process import MODELS, ServerProcess, serving
from google.protobuf import text_format

from deployer.savedmodel.messages import message_class

MODEL = MODELS / "counting"
EXAMPLE = 'examples { features { feature { key: "x" value { float_list { value: %s } } } } }'
PREDICT = (
    'model_spec { name: "counting" } inputs { key: "x" value { dtype: DT_FLOAT '
    "tensor_shape { dim { size: 2 } } float_val: 1 } }"
)


def asked(signature: str, *values: float) -> str:
    examples = " ".join(EXAMPLE % value for value in values)
    return f'model_spec {{ name: "counting" signature_name: "{signature}" }} input {{ example_list {{ {examples} }} }}'


def both(*values: float) -> str:
    tasks = " ".join(
        f'tasks {{ model_spec {{ name: "counting" signature_name: "{name}" }} '
        f'method_name: "tensorflow/serving/{name}" }}'
        for name in ("classify", "regress")
    )
    return f"{tasks} {asked('', *values).partition('}')[2]}"


def call(server: ServerProcess, method: str, module: str, text: str) -> Any:
    name = {"Classify": "Classification", "Regress": "Regression"}.get(method, method)
    request = text_format.Parse(text, message_class(f"tensorflow.serving.{name}Request")())
    response_type = message_class(f"tensorflow.serving.{name}Response")
    return server.call(f"tensorflow.serving.PredictionService/{method}", request, response_type)


def labels(result: Any) -> list[str]:
    return [row.classes[0].label for row in result.classifications]


@pytest.fixture
def batches_of_four(tmp_path: Path) -> Any:
    file = tmp_path / "batching.config"
    file.write_text("max_batch_size { value: 4 } batch_timeout_micros { value: 3600000000 }")
    flags = ("--model_name=counting", f"--model_base_path={MODEL}", "--enable_batching")
    with serving(tmp_path, *flags, f"--batching_parameters_file={file}") as server:
        yield server.wait_ready()


def test_examples_of_concurrent_clients_are_one_batch(batches_of_four: ServerProcess) -> None:
    with ThreadPoolExecutor(4) as clients:
        rest = clients.submit(
            batches_of_four.ask,
            "POST",
            "/v1/models/counting:classify",
            {"signature_name": "classify", "examples": [{"x": 9.0}]},
        )
        answers = [
            clients.submit(call, batches_of_four, "Classify", "classification_pb2", asked("classify", *values))
            for values in ((1.0, 2.0), (3.0,))
        ]
        results = [each.result().result for each in answers]
        assert [labels(result) for result in results] == [["4", "4"], ["4"]]
        assert [[row.classes[0].score for row in result.classifications] for result in results] == [[1.0, 2.0], [3.0]]
        assert rest.result() == (200, {"results": [[["4", 9.0]]]})
    regressed = call(batches_of_four, "Regress", "regression_pb2", asked("regress", 1.0, 2.0, 3.0, 4.0))
    assert [row.value for row in regressed.result.regressions] == [1.5, 2.5, 3.5, 4.5]


def test_all_tasks_of_a_multi_inference_are_one_run_and_share_their_batch(batches_of_four: ServerProcess) -> None:
    with ThreadPoolExecutor(2) as clients:
        answers = list(
            clients.map(
                lambda values: call(batches_of_four, "MultiInference", "inference_pb2", both(*values)),
                ((1.0, 2.0), (3.0, 4.0)),
            )
        )
    for answer, values in zip(answers, ([1.5, 2.5], [3.5, 4.5]), strict=True):
        classes, regressions = answer.results
        assert labels(classes.classification_result) == ["4", "4"]
        assert [row.value for row in regressions.regression_result.regressions] == values
        assert [result.model_spec.signature_name for result in answer.results] == ["classify", "regress"]


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def framed(data: bytes) -> bytes:
    """A TFRecord: length, its masked checksum, the data, theirs."""
    length = struct.pack("<Q", len(data))
    sums = [crc32c(part) for part in (length, data)]
    masked = [struct.pack("<I", ((sum_ >> 15 | sum_ << 17) + 0xA282EAD8) & 0xFFFFFFFF) for sum_ in sums]
    return length + masked[0] + data + masked[1]


def version_with_records(base: Path, *records: str) -> Path:
    shutil.copytree(MODEL / "1", base / "1")
    (base / "1" / "assets.extra").mkdir()
    logs = [
        text_format.Parse(record, message_class("tensorflow.serving.PredictionLog")()).SerializeToString()
        for record in records
    ]
    (base / "1" / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"".join(map(framed, logs)))
    return base


@pytest.mark.parametrize("flags", [(), ("--enable_batching",)], ids=["plain", "batching"])
def test_warm_up_replays_records_of_every_kind_as_often_as_the_flag_says(tmp_path: Path, flags: tuple[str]) -> None:
    base = version_with_records(
        tmp_path / "counting",
        f"predict_log {{ request {{ {PREDICT} }} }}",
        f"classify_log {{ request {{ {asked('classify', 1.0)} }} }}",
        f"regress_log {{ request {{ {asked('regress', 1.0)} }} }}",
        f"multi_inference_log {{ request {{ {both(1.0)} }} }}",
    )
    own = ("--model_name=counting", f"--model_base_path={base}", "--num_request_iterations_for_warmup=3", *flags)
    with serving(tmp_path, *own) as server:
        server.wait_ready()
        assert "Number of warmup records read: 4." in server.log
        _, answer = server.predict("counting", 1.0)
        assert answer["predictions"][0]["run"] == 3 + 1
    with serving(tmp_path, *own, "--enable_model_warmup=false") as server:
        _, answer = server.wait_ready().predict("counting", 1.0)
        assert answer["predictions"][0]["run"] == 1


def test_a_record_that_is_no_request_fails_the_load(tmp_path: Path) -> None:
    base = version_with_records(tmp_path / "counting", "session_run_log { }")
    flags = ("--model_name=counting", f"--model_base_path={base}", "--max_num_load_retries=0")
    with serving(tmp_path, *flags) as server:
        assert server.wait_for_exit() == 255
        assert "UNIMPLEMENTED: Unsupported log_type for warmup: 5" in server.log
