"""The warm-up file: made from the golden set, replayed by the server, left out where it must be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import ANY_PORTS, in_process
from support.exporting import Exporter
from support.files import copy_model
from support.world import MODELS

from deployer.errors import BrokenModel
from deployer.export import ExportRequest, identify
from deployer.export.golden import warmup
from deployer.export.golden.records import write_records
from deployer.savedmodel import tensors
from deployer.savedmodel.layout import WARMUP_FILE
from deployer.savedmodel.messages import message_class
from deployer.store.manifest import content_digest, hash_files
from deployer.verification import golden

MODULE = """
    import tensorflow as tf

    class Two(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
        def __call__(self, x):
            return {"y": tf.reduce_sum(x, 1)}

    model = Two()
"""
EXAMPLES = str(MODELS / "examples" / "1")


def logs(directory: Path) -> list[Any]:
    log = message_class("tensorflow.serving.PredictionLog")
    return [log.FromString(record) for record in golden.records(directory / WARMUP_FILE)]


def test_one_question_of_each_signature_is_kept_and_the_digest_covers_it(exporter: Exporter) -> None:
    source = exporter.file(MODULE) + ":model"
    exported = exporter(source)
    (log,) = logs(exported.directory)
    assert exported.summary.warmup == 1
    assert log.predict_log.request.inputs["x"].tensor_shape.dim[0].size == 1
    assert not log.predict_log.response.outputs
    files = hash_files(exported.directory)
    assert content_digest(files) != content_digest({**files, str(WARMUP_FILE): "other"})
    without = exporter(source, warmup=False)
    assert without.summary.warmup == 0
    assert not (without.directory / WARMUP_FILE).exists()


def test_every_allowed_batch_size_has_its_record(exporter: Exporter) -> None:
    exported = exporter(exporter.file(MODULE) + ":model", warmup_sizes=(1, 4, 16))
    sizes = [log.predict_log.request.inputs["x"].tensor_shape.dim[0].size for log in logs(exported.directory)]
    assert sizes == [1, 4, 16]


def test_a_golden_question_is_not_asked_again_and_others_are(exporter: Exporter) -> None:
    weighted = MODULE.replace("class Two", "weight = tf.Variable(2.0)\n\n    class Two").replace(
        "sum(x, 1)", "sum(x * weight, 1)"
    )
    source = exporter.file(weighted)
    exported = exporter(f"{source}:model")
    (exported.directory / WARMUP_FILE).unlink()
    shard = exported.directory / "variables" / "variables.data-00000-of-00001"
    shard.write_bytes(bytes(shard.stat().st_size))
    with pytest.raises(BrokenModel, match="cannot load"):
        warmup.make(exported.directory, (4,))
    assert warmup.make(exported.directory, ()) == 1


def test_examples_are_warmed_up_by_their_own_methods(exporter: Exporter) -> None:
    exported = exporter(EXAMPLES, warmup=True)
    kinds = [log.WhichOneof("log_type") for log in logs(exported.directory)]
    assert sorted(kinds) == ["classify_log", "predict_log", "regress_log", "regress_log"]
    assert exported.summary.warmup == 4


def test_a_plan_says_why_an_unchanged_source_is_exported_again(tmp_path: Path) -> None:
    copy_model(tmp_path / "trained")
    toml = tmp_path / "deployer.toml"

    def plan(settings: str, batch: int, source: str = "trained") -> Any:
        toml.write_text(
            f'name = "m"\n[server]\nrest_port = 0\ngrpc_port = 0\n[batching]\nmax_batch_size = {batch}\n'
            f'[models.m]\nsource = "{source}"\n{settings}\n'
        )
        return in_process("plan", "--json", cwd=tmp_path).json["plan"]["steps"][0]

    def cause(settings: str, batch: int, source: str = "trained") -> str:
        step = plan(settings, batch, source)
        assert step["kind"] == "export", step
        return str(step["cause"])

    first = cause("warmup = true", 4)
    ended = in_process("export", "trained", "--name", "m", "--warmup", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert plan("warmup = true", 4)["kind"] != "export"
    assert ("m:1" in first, "batch sizes" in first) == (False, False)
    for other in (8, 2):
        told = cause("warmup = true", other)
        assert ("m:1" in told, "batch sizes" in told) == (True, True)
    assert "m:1" in cause("warmup = false", 4)
    copy_model(tmp_path / "other", version=2)
    assert cause("warmup = true", 4, "other") == first


def test_there_are_never_more_records_than_the_server_reads(exporter: Exporter) -> None:
    exported = exporter(EXAMPLES, warmup=True, warmup_sizes=tuple(range(1, 300)))
    assert len(logs(exported.directory)) == warmup.MAX_RECORDS


def test_a_saved_model_is_kept_as_it_is_and_so_is_the_file_that_it_brings(exporter: Exporter) -> None:
    assert not (exporter(EXAMPLES).directory / WARMUP_FILE).exists()
    brought = exporter(EXAMPLES, warmup=True)
    before = (brought.directory / WARMUP_FILE).read_bytes()
    again = exporter(str(brought.directory), warmup_sizes=(1, 2))
    assert (again.directory / WARMUP_FILE).read_bytes() == before
    assert again.summary.warmup == 4


def test_the_options_hold_for_the_file_that_a_source_brings(exporter: Exporter) -> None:
    brought = exporter(EXAMPLES, warmup=True).directory
    (brought / WARMUP_FILE).write_bytes(b"no records")
    without, remade = exporter(str(brought), warmup=False), exporter(str(brought), warmup=True)
    assert not (without.directory / WARMUP_FILE).exists()
    assert (without.summary.warmup, remade.summary.warmup) == (0, 4)
    assert len(logs(remade.directory)) == 4
    for exported in (without, remade):
        assert any("warm-up file of the source" in note for note in exported.notes)


def predict_record(signature: str = "serving_default", name: str = "x", value: object = 1.0) -> Any:
    log = message_class("tensorflow.serving.PredictionLog")()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(tensors.to_proto(np.array([value])))
    return log


def classify_record(signature: str) -> Any:
    log = message_class("tensorflow.serving.PredictionLog")()
    log.classify_log.request.model_spec.signature_name = signature
    return log


def session_record() -> Any:
    log = message_class("tensorflow.serving.PredictionLog")()
    log.session_run_log.SetInParent()
    return log


GOOD = predict_record(value=np.float32(1))
BAD: dict[str, tuple[Any, int, str]] = {
    "an unknown signature": (predict_record("other"), 2, "other"),
    "an unknown input": (predict_record(name="z", value=np.float32(1)), 2, "z"),
    "another dtype": (predict_record(value="text"), 2, "string"),
    "another method": (classify_record("serving_default"), 2, "No classification inputs"),
    "a kind that servers do not replay": (session_record(), 2, "Unsupported log_type"),
}


def with_warmup(directory: Path, records: list[bytes]) -> Path:
    copy_model(directory)
    write_records(directory / WARMUP_FILE, records)
    return directory


@pytest.mark.parametrize("kind", BAD)
def test_a_record_that_fails_is_named_at_export(exporter: Exporter, tmp_path: Path, kind: str) -> None:
    bad, number, reason = BAD[kind]
    records = [GOOD.SerializeToString(), bad.SerializeToString()]
    with pytest.raises(BrokenModel, match=f"record {number} of .*{reason}") as caught:
        exporter(str(with_warmup(tmp_path / "m", records)))
    assert "--no-warmup" in str(caught.value.hint)


@pytest.mark.parametrize("data", [b"x" * 40, b""])
def test_a_file_that_holds_no_records(exporter: Exporter, tmp_path: Path, data: bytes) -> None:
    directory = with_warmup(tmp_path / "m", [])
    (directory / WARMUP_FILE).write_bytes(data)
    if data:
        with pytest.raises(BrokenModel, match="record 1 of"):
            exporter(str(directory))
    else:
        assert exporter(str(directory)).summary.warmup == 0


def test_a_record_that_is_no_message_a_cut_file_and_too_many_records(exporter: Exporter, tmp_path: Path) -> None:
    good = GOOD.SerializeToString()
    with pytest.raises(BrokenModel, match="record 1 of"):
        exporter(str(with_warmup(tmp_path / "garbled", [b"\xff\xff\xff"])))
    cut = with_warmup(tmp_path / "cut", [good, good])
    (cut / WARMUP_FILE).write_bytes((cut / WARMUP_FILE).read_bytes()[:-3])
    with pytest.raises(BrokenModel, match="record 2 of"):
        exporter(str(cut))
    with pytest.raises(BrokenModel, match="record 1001 of"):
        exporter(str(with_warmup(tmp_path / "many", [good] * 1001)))
    assert exporter(str(with_warmup(tmp_path / "succeeded", [good] * 3))).summary.warmup == 3


def test_up_refuses_a_bad_warmup_file_and_takes_it_without(tmp_path: Path) -> None:
    with_warmup(tmp_path / "m", [predict_record("other").SerializeToString()])
    refused = in_process("export", "./m", "--name", "m", cwd=tmp_path)
    assert refused.code == 4
    assert "record 1" in refused.err
    assert in_process("export", "./m", "--name", "m", "--no-warmup", cwd=tmp_path).code == 0


@pytest.mark.parametrize(("warm", "changes"), [(None, False), (True, True)])
def test_batch_sizes_make_another_version_only_where_they_are_used(warm: bool | None, changes: bool) -> None:
    digests = {identify(ExportRequest(EXAMPLES, warmup=warm, warmup_sizes=sizes)).digest for sizes in ((), (1, 2))}
    assert len(digests) == (2 if changes else 1)


def test_the_server_reads_every_record(empty_project: Path) -> None:
    (empty_project / "deployer.toml").write_text("[batching]\nmax_batch_size = 8\nallowed_batch_sizes = [2, 8]\n")
    source = str(MODELS / "half_plus_two" / "1")
    up = in_process("up", source, "--name", "warm", "--warmup", *ANY_PORTS, "--json", "-q", cwd=empty_project)
    assert up.code == 0, up.err
    log = in_process("logs", "warm", cwd=empty_project).out
    assert "Number of warmup records read: 2." in log
    shown = in_process("inspect", "warm", cwd=empty_project).out
    assert "warm-up: 2 requests" in shown
