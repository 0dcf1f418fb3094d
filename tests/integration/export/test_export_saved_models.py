"""SavedModel directories, and the golden set of what is saved."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.exporting import Exporter
from support.source_kinds import hub_module

import deployer
from deployer.errors import BrokenModel, ExportFailed, GoldenError
from deployer.results.progress import Event, Phase
from deployer.savedmodel import reader
from deployer.verification import golden


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with variables, an asset, extra assets, and signatures of several kinds."""
    import tensorflow as tf

    root = tmp_path_factory.mktemp("saved")
    (root / "words.txt").write_text("red\ngreen\n")
    lines = tf.lookup.TextFileInitializer(
        str(root / "words.txt"),
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    module = tf.Module()
    module.weights = tf.Variable([[1.0], [2.0]])
    module.table = tf.lookup.StaticHashTable(lines, -1)
    floats = tf.TensorSpec([None, 2], tf.float32, name="x")
    signatures = {
        "serving_default": tf.function(lambda x: {"y": x @ module.weights}, input_signature=[floats]),
        "noisy": tf.function(lambda x: {"z": x + tf.random.normal(tf.shape(x))}, input_signature=[floats]),
        "lookup": tf.function(
            lambda words: {"id": module.table.lookup(words)},
            input_signature=[tf.TensorSpec([None], tf.string, "words")],
        ),
        "parse": tf.function(
            lambda examples: {"v": tf.io.parse_example(examples, {"v": tf.io.FixedLenFeature([1], tf.float32)})["v"]},
            input_signature=[tf.TensorSpec([None], tf.string, "examples")],
        ),
    }
    path = root / "model"
    tf.saved_model.save(module, str(path), signatures=signatures)
    (path / "assets.extra").mkdir()
    for name in ("notes.txt", "manifest.json", "golden.tfrecord"):
        (path / "assets.extra" / name).write_text("of another version")
    return path


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_directory_is_taken_over_byte_for_byte(exporter: Exporter, directory: Path) -> None:
    before = files_of(directory)
    exported = exporter(str(directory))
    taken = {
        name: data for name, data in files_of(exported.directory).items() if name != "assets.extra/golden.tfrecord"
    }
    ours = {"assets.extra/manifest.json", "assets.extra/golden.tfrecord"}
    assert taken == {name: data for name, data in before.items() if name not in ours}
    assert files_of(directory) == before


def test_how_far_its_copy_has_come_is_told(tmp_path: Path, directory: Path) -> None:
    events: list[Event] = []
    deployer.export_model(
        str(directory),
        options=deployer.ExportOptions(name="m"),
        settings=deployer.Settings(models_dir=tmp_path / "models"),
        progress=events.append,
    )
    copied = [event for event in events if isinstance(event, Phase) and "copying" in event.action]
    assert (copied[0].percent, copied[-1].percent) == (0, 100)
    assert len({event.action for event in copied}) == 1


def test_large_files_are_not_copied(exporter: Exporter, directory: Path) -> None:
    shard = "variables/variables.data-00000-of-00001"
    exported = exporter(str(directory), prove=False)
    probe = exported.directory.parent / "probe"
    try:
        os.link(directory / shard, probe)
    except OSError:
        assert (exported.directory / shard).read_bytes() == (directory / shard).read_bytes()
    else:
        assert (directory / shard).stat().st_nlink == 1 or (exported.directory / shard).samefile(directory / shard)


def test_a_model_that_is_saved_again_at_the_same_place_leaves_the_version_as_it_was(exporter: Exporter) -> None:
    import tensorflow as tf

    place = exporter.root / "again"

    def save(weights: list[float]) -> None:
        module = tf.Module()
        module.weights = tf.Variable(weights)
        spec = tf.TensorSpec([None], tf.float32, name="x")
        function = tf.function(lambda x: {"y": tf.reduce_sum(module.weights) * x}, input_signature=[spec])
        tf.saved_model.save(module, str(place), signatures=function)

    save([1.0, 2.0])
    exported = exporter(str(place))
    before = files_of(exported.directory)
    save([3.0, 4.0, 5.0])
    assert files_of(exported.directory) == before
    np.testing.assert_allclose(exported.ask({"x": np.float32([2.0])})["y"], [6.0])


def test_every_signature_is_proven(exporter: Exporter, directory: Path) -> None:
    exported = exporter(str(directory))
    summary = exported.summary
    assert {case.signature for case in exported.cases()} == {"serving_default", "noisy", "lookup", "parse"}
    assert summary.cases == len(exported.cases())
    assert summary.random_outputs == ("noisy/z",)
    assert summary.skipped == ()
    for case in exported.cases():
        if case.signature == "serving_default":
            np.testing.assert_allclose(case.outputs["y"], case.inputs["x"] @ np.array([[1.0], [2.0]]), rtol=1e-5)


def test_the_golden_set_is_the_same_every_time(exporter: Exporter, directory: Path) -> None:
    def told(cases: tuple[golden.GoldenCase, ...]) -> list[Any]:
        steady = [case for case in cases if case.signature != "noisy"]
        return [
            [case.signature, *[array.tolist() for array in (*case.inputs.values(), *case.outputs.values())]]
            for case in steady
        ]

    assert told(exporter(str(directory)).cases()) == told(exporter(str(directory)).cases())


def test_examples_are_asked_instead_of_made_up_ones(exporter: Exporter, directory: Path, tmp_path: Path) -> None:
    examples = tmp_path / "examples.jsonl"
    examples.write_text("\n".join(json.dumps([place, 1]) for place in range(40)))
    exported = exporter(str(directory), examples=examples)
    given = [case for case in exported.cases() if case.signature == "serving_default"]
    assert [case.outputs["y"].tolist() for case in given] == [[[2.0]], [[place + 2.0] for place in range(32)]]
    assert "32 of 40 examples are kept" in exported.summary.notes
    assert exported.summary.origin == "examples in examples.jsonl"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"instances": [[1, 2, 3]]}, r"'x' wants float32\[\?,2\], got the shape \[1, 3\]"),
        ({"signature_name": "parse", "instances": ["no example"]}, "TensorFlow refused an example for parse"),
        ({"signature_name": "nothing", "instances": [1]}, "'nothing'; the model has"),
    ],
)
def test_examples_that_do_not_fit(exporter: Exporter, directory: Path, tmp_path: Path, content: Any, told: str) -> None:
    examples = tmp_path / "examples.json"
    examples.write_text(json.dumps(content))
    with pytest.raises(GoldenError, match=told):
        exporter(str(directory), examples=examples)


def damaged(directory: Path, tmp_path: Path, part: str) -> Path:
    copy = tmp_path / "damaged"
    shutil.copytree(directory, copy)
    if part == "variables":
        shutil.rmtree(copy / "variables")
    elif part == "shard":
        shard = copy / "variables" / "variables.data-00000-of-00001"
        shard.write_bytes(shard.read_bytes()[:3])
    elif part == "asset":
        (copy / "assets" / "words.txt").unlink()
    else:
        (copy / "saved_model.pb").write_bytes((copy / "saved_model.pb").read_bytes()[:-100])
    return copy


@pytest.mark.parametrize("part", ["variables", "shard", "asset", "pb"])
def test_a_damaged_directory_is_broken(exporter: Exporter, directory: Path, tmp_path: Path, part: str) -> None:
    with pytest.raises(BrokenModel):
        exporter(str(damaged(directory, tmp_path, part)))


def test_a_directory_of_models_points_to_them(exporter: Exporter, directory: Path, tmp_path: Path) -> None:
    shutil.copytree(directory, tmp_path / "models" / "first")
    with pytest.raises(BrokenModel) as caught:
        exporter(str(tmp_path / "models"))
    assert "first" in str(caught.value.hint)


def test_what_cannot_change_a_saved_model_is_refused(exporter: Exporter, directory: Path) -> None:
    with pytest.raises(ExportFailed, match=r"--input cannot change .*: the signatures of a SavedModel are fixed"):
        exporter(str(directory), "x:float32[?,2]")
    with pytest.raises(ExportFailed, match="'other'; it has lookup, noisy, parse, serving_default"):
        exporter(str(directory), signature="other")


def test_a_model_without_signature_is_refused(exporter: Exporter, tmp_path: Path) -> None:
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    with pytest.raises(ExportFailed, match="has no signature"):
        exporter(str(tmp_path / "bare"))


def test_a_tagged_graph_is_taken_alone_and_served_under_the_usual_tag(exporter: Exporter, tmp_path: Path) -> None:
    answer = hub_module(tmp_path / "hub")
    before = files_of(tmp_path / "hub")
    with pytest.raises(BrokenModel, match=r"it has \{train\}, \{\}") as caught:
        exporter(str(tmp_path / "hub"))
    assert caught.value.hint == "--tags '' takes one of them, and has it served"
    exported = exporter(str(tmp_path / "hub"), tags=(), default_signature="default")
    assert exported.names() == ["default", "serving_default"]
    assert exported.signature().method == "tensorflow/serving/predict"
    np.testing.assert_allclose(exported.ask(answer.inputs)["default"], answer.outputs["default"], rtol=1e-5)
    assert len(reader.parse(exported.directory).meta_graphs) == 1
    assert files_of(tmp_path / "hub") == before


def test_a_default_signature_is_added_and_the_source_stays_as_it_is(exporter: Exporter, directory: Path) -> None:
    before = files_of(directory)
    exported = exporter(str(directory), default_signature="lookup")
    assert exported.names() == ["lookup", "noisy", "parse", "serving_default"]
    assert exported.declared() == exported.declared("lookup")
    assert exported.ask({"words": np.array([b"green"], object)})["id"].tolist() == [1]
    assert files_of(directory) == before
    changed = {name for name, data in files_of(exported.directory).items() if before.get(name) != data}
    assert changed == {"saved_model.pb", "fingerprint.pb", "assets.extra/golden.tfrecord"}
    again = exporter(str(directory), default_signature="lookup")
    prints = {reader.read(found.directory).fingerprint for found in (exported, again)}
    assert len(prints) == 1
    assert reader.read(directory).fingerprint not in prints


def test_a_default_signature_that_is_not_there(exporter: Exporter, directory: Path) -> None:
    with pytest.raises(ExportFailed, match="no signature 'other' to serve as serving_default; it has lookup, noisy"):
        exporter(str(directory), default_signature="other")


@pytest.mark.parametrize("form", ["zip", "gztar"])
def test_an_archive_is_taken_over_byte_for_byte(exporter: Exporter, directory: Path, tmp_path: Path, form: str) -> None:
    packed = shutil.make_archive(str(tmp_path / "packed"), form, directory)
    exported = exporter(packed)
    ours = {"assets.extra/manifest.json", "assets.extra/golden.tfrecord"}
    taken, given = files_of(exported.directory), files_of(directory)
    assert {name: taken[name] for name in set(taken) - ours} == {name: given[name] for name in set(given) - ours}
    assert not (exported.directory / ".unpacked").exists()


def test_an_archive_of_no_model_or_of_several(exporter: Exporter, directory: Path, tmp_path: Path) -> None:
    for model in ("a", "b"):
        shutil.copytree(directory, tmp_path / "versions" / model)
    with pytest.raises(BrokenModel, match="holds 2 SavedModels: a, b"):
        exporter(shutil.make_archive(str(tmp_path / "two"), "gztar", tmp_path / "versions"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BrokenModel, match=r"holds no saved_model\.pb"):
        exporter(shutil.make_archive(str(tmp_path / "none"), "zip", tmp_path / "empty"))


def test_tags_go_with_a_saved_model_only(exporter: Exporter) -> None:
    with pytest.raises(ExportFailed, match="--tags cannot change"):
        exporter(exporter.file("model = 1") + ":model", tags=("serve",))
