"""The warm-up file: made from the golden set, replayed by the server, left out where it must be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.cli import ANY_PORTS, in_process
from support.exporting import Exporter
from support.world import MODELS

from deployer import golden
from deployer.errors import BrokenModel
from deployer.export import ExportRequest, identify
from deployer.export.golden import warmup
from deployer.layout import WARMUP_FILE
from deployer.manifest import content_digest, folder_digests
from deployer.protos import proto

MODULE = """
    import tensorflow as tf

    class Two(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
        def __call__(self, x):
            return {"y": tf.reduce_sum(x, 1)}

    model = Two()
"""
EXAMPLES = str(MODELS / "examples" / "1")


def logs(folder: Path) -> list[Any]:
    log = proto("tensorflow_serving.apis.prediction_log_pb2").PredictionLog
    return [log.FromString(record) for record in golden.records(folder / WARMUP_FILE)]


def test_one_question_of_each_signature_is_kept_and_the_digest_covers_it(exporter: Exporter) -> None:
    source = exporter.file(MODULE) + ":model"
    exported = exporter(source)
    (log,) = logs(exported.folder)
    assert exported.summary.warmup == 1
    assert log.predict_log.request.inputs["x"].tensor_shape.dim[0].size == 1
    assert not log.predict_log.response.outputs
    files = folder_digests(exported.folder)
    assert content_digest(files) != content_digest({**files, str(WARMUP_FILE): "other"})
    without = exporter(source, warmup=False)
    assert without.summary.warmup == 0
    assert not (without.folder / WARMUP_FILE).exists()


def test_every_allowed_batch_size_has_its_record(exporter: Exporter) -> None:
    exported = exporter(exporter.file(MODULE) + ":model", warmup_sizes=(1, 4, 16))
    sizes = [log.predict_log.request.inputs["x"].tensor_shape.dim[0].size for log in logs(exported.folder)]
    assert sizes == [1, 4, 16]


def test_a_golden_question_is_not_asked_again_and_others_are(exporter: Exporter) -> None:
    weighted = MODULE.replace("class Two", "weight = tf.Variable(2.0)\n\n    class Two").replace(
        "sum(x, 1)", "sum(x * weight, 1)"
    )
    source = exporter.file(weighted)
    exported = exporter(f"{source}:model")
    (exported.folder / WARMUP_FILE).unlink()
    shard = exported.folder / "variables" / "variables.data-00000-of-00001"
    shard.write_bytes(bytes(shard.stat().st_size))
    with pytest.raises(BrokenModel, match="cannot load"):
        warmup.make(exported.folder, (4,))
    assert warmup.make(exported.folder, ()) == 1


def test_examples_are_warmed_up_by_their_own_methods(exporter: Exporter) -> None:
    exported = exporter(EXAMPLES, warmup=True)
    kinds = [log.WhichOneof("log_type") for log in logs(exported.folder)]
    assert sorted(kinds) == ["classify_log", "predict_log", "regress_log", "regress_log"]
    assert exported.summary.warmup == 4


def test_there_are_never_more_records_than_the_server_reads(exporter: Exporter) -> None:
    exported = exporter(EXAMPLES, warmup=True, warmup_sizes=tuple(range(1, 300)))
    assert len(logs(exported.folder)) == warmup.MAX_RECORDS


def test_a_saved_model_is_kept_as_it_is_and_so_is_the_file_that_it_brings(exporter: Exporter) -> None:
    assert not (exporter(EXAMPLES).folder / WARMUP_FILE).exists()
    brought = exporter(EXAMPLES, warmup=True)
    before = (brought.folder / WARMUP_FILE).read_bytes()
    again = exporter(str(brought.folder), warmup=True, warmup_sizes=(1, 2))
    assert (again.folder / WARMUP_FILE).read_bytes() == before
    assert again.summary.warmup == 0


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
