"""Files as people have them: as text, as pointers, half, packed on other systems, or of another library."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.cli import Ended, in_process
from support.exporting import Exporter
from support.files import POINTER, as_text, copy_model
from support.world import MODELS

from deployer.savedmodel import reader


def notes_of(project: Path, name: str = "m") -> list[str]:
    return list(in_process("inspect", name, "--json", cwd=project).json["model"]["notes"])


def refused(ended: Ended, told: str) -> None:
    assert ended.code == 4, ended.err
    assert told in ended.err
    assert "hint:" in ended.err


def test_a_saved_model_as_text_is_stored_in_binary(tmp_path: Path) -> None:
    as_text(copy_model(tmp_path / "text"))
    assert in_process("inspect", "./text", cwd=tmp_path).code == 0
    assert in_process("export", "./text", "--name", "m", cwd=tmp_path).code == 0
    assert sorted(path.name for path in (tmp_path / "models/m/1").iterdir()) == [
        "assets.extra",
        "fingerprint.pb",
        "saved_model.pb",
        "variables",
    ]
    assert any("saved_model.pbtxt" in note for note in notes_of(tmp_path))
    answers = Exporter(tmp_path)(str(tmp_path / "models/m/1"), prove=False).ask({"x": np.float32([2.0])})
    assert answers["y"].tolist() == [3.0]


def trained(directory: Path) -> Path:
    """The same with other tags than a server loads."""
    message = reader.parse(directory)
    message.meta_graphs[0].meta_info_def.tags[:] = ["train"]
    (directory / "saved_model.pb").write_bytes(message.SerializeToString())
    return directory


@pytest.mark.parametrize("packed", [False, True], ids=["directory", "archive"])
@pytest.mark.parametrize(
    ("change", "options", "rewritten"),
    [
        (Path, (), False),
        (Path, ("--warmup",), False),
        (as_text, (), True),
        (trained, ("--tags", "train"), True),
        (Path, ("--default-signature", "serving_default"), True),
    ],
    ids=["as it is", "warm-up", "text", "tags", "default signature"],
)
def test_only_what_is_stored_as_it_was_is_said_to_be_byte_for_byte(tmp_path, change, options, rewritten, packed):
    source = change(copy_model(tmp_path / "saved"))
    before = (source / "saved_model.pb").read_bytes() if (source / "saved_model.pb").is_file() else b""
    given = shutil.make_archive(str(tmp_path / "saved"), "zip", tmp_path, "saved") if packed else "./saved"
    ended = in_process("export", given, "--name", "m", *options, "--json", "-q", cwd=tmp_path)
    assert ended.code == 0, ended.err
    golden = ended.json["model"]["golden"]
    stored = (tmp_path / "models/m/1/saved_model.pb").read_bytes()
    assert (golden["itself"], golden["rewritten"]) == (True, rewritten)
    assert rewritten or stored == before
    assert ("graph" in golden["fidelity"]) is rewritten


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.data-00000-of-00001", "assets/words.txt"])
def test_a_pointer_of_git_lfs_is_neither_exported_nor_deployed(tmp_path: Path, name: str) -> None:
    directory = copy_model(tmp_path / "saved")
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_bytes(POINTER)
    for verb in ("export", "up"):
        refused(in_process(verb, "./saved", "--name", "m", cwd=tmp_path), "git lfs pull")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables/variables.data-00000-of-00001", "assets.extra/golden.tfrecord"]
)
def test_a_stored_version_that_is_pointers_is_not_deployed(tmp_path: Path, name: str) -> None:
    copy_model(tmp_path / "saved")
    assert in_process("export", "./saved", "--name", "m", cwd=tmp_path).code == 0
    (tmp_path / "models/m/1" / name).unlink()
    (tmp_path / "models/m/1" / name).write_bytes(POINTER)
    refused(in_process("up", "m", cwd=tmp_path), "git lfs pull")


def test_an_asset_of_a_users_code_that_is_a_pointer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes(POINTER)
    (tmp_path / "train.py").write_text(
        """
import tensorflow as tf

class Model(tf.Module):
    def __init__(self):
        init = tf.lookup.TextFileInitializer(
            "words.txt", tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(init, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="word")])
    def __call__(self, word):
        return {"id": self.table.lookup(word)}

model = Model()
"""
    )
    refused(in_process("export", "train.py:model", "--name", "m", cwd=tmp_path), "words.txt is a Git LFS pointer")


@pytest.mark.parametrize("name", ["variables.data-00000-of-00001", "variables.index"])
def test_a_saved_model_that_lacks_variables_is_shown_with_a_warning(tmp_path: Path, name: str) -> None:
    directory = copy_model(tmp_path / "models" / "m" / "1")
    (directory / "variables" / name).unlink()
    for target in ("models/m", "models/m/1", "m", "m:1"):
        shown = in_process("inspect", target, "--json", cwd=tmp_path)
        assert shown.code == 0, shown.err
        assert {found["name"] for found in shown.json["model"]["info"]["signatures"]} >= {"serving_default"}
        assert name in shown.json["notes"][0]
    refused(in_process("export", "models/m", "--name", "n", cwd=tmp_path), name)
    refused(in_process("up", "m", cwd=tmp_path), name)


@pytest.mark.parametrize(
    ("name", "what"), [("m.onnx", "ONNX"), ("m.pt", "PyTorch"), ("m.safetensors", "safetensors"), ("m.pkl", "pickled")]
)
def test_a_file_of_another_library_is_named(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    for verb in ("export", "up", "inspect"):
        refused(in_process(verb, name, cwd=tmp_path), what)
    (tmp_path / "directory").mkdir()
    (tmp_path / name).rename(tmp_path / "directory" / name)
    for verb in ("export", "up", "inspect"):
        refused(in_process(verb, "directory", cwd=tmp_path), what)


@pytest.mark.parametrize("verb", ["up", "export", "inspect", "plan"])
def test_a_model_on_another_machine_is_refused_with_a_command(tmp_path: Path, verb: str) -> None:
    refused(in_process(verb, "s3://bucket/m", cwd=tmp_path), "aws s3 cp")
    refused(in_process(verb, "hf://google/bert", cwd=tmp_path), "hf download google/bert")
    assert list(tmp_path.iterdir()) == []


def test_a_file_uri_is_a_source(tmp_path: Path) -> None:
    uri = copy_model(tmp_path / "my model" / "4").as_uri()
    assert "%20" in uri
    for place in (uri, f"file://{tmp_path}/my model"):
        assert in_process("inspect", place, "--json", cwd=tmp_path).json["model"]["version"] == 4
        assert in_process("export", place, "--name", "m", "--json", cwd=tmp_path).json["model"]["version"] == 4


def packed(directory: Path, target: Path, form: str) -> str:
    return shutil.make_archive(str(target), form, directory)


@pytest.mark.parametrize(
    ("place", "form", "version"), [("m/7", "gztar", 7), ("7", "zip", 7), ("m", "zip", 1), ("m/0007", "tar", 1)]
)
def test_the_version_number_in_an_archive_is_kept(tmp_path: Path, place: str, form: str, version: int) -> None:
    copy_model(tmp_path / "in" / place)
    archive = packed(tmp_path / "in", tmp_path / "half", form)
    plan = in_process("plan", archive, "--json", cwd=tmp_path)
    assert plan.json["models"][0]["versions"] == [version]
    made = in_process("export", archive, "--json", cwd=tmp_path)
    assert made.json["model"]["version"] == version
    again = in_process("export", archive, "--json", cwd=tmp_path)
    assert (again.json["model"]["version"], again.json["created"]) == (version, False)


def test_the_newest_of_several_versions_in_an_archive_is_taken_and_said(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        copy_model(tmp_path / "in" / "m" / str(number), version=number)
    made = in_process("export", packed(tmp_path / "in", tmp_path / "m", "gztar"), "--json", cwd=tmp_path)
    assert made.json["model"]["version"] == 3
    assert "not 1, 2" in made.json["model"]["notes"][0]
    assert (tmp_path / "models/m/3/saved_model.pb").read_bytes() == (
        MODELS / "half_plus_two/3/saved_model.pb"
    ).read_bytes()


def test_a_version_of_an_archive_goes_above_those_of_the_store(tmp_path: Path) -> None:
    copy_model(tmp_path / "models" / "m" / "9", version=2)
    copy_model(tmp_path / "in" / "7")
    made = in_process("export", packed(tmp_path / "in", tmp_path / "m", "zip"), "--json", cwd=tmp_path)
    assert made.json["model"]["version"] == 10


@pytest.mark.parametrize("name", ["._saved_model.pb", ".DS_Store", "variables/._variables.index", "assets/Thumbs.db"])
def test_what_desktops_leave_in_directories_is_left_out(tmp_path: Path, name: str) -> None:
    directory = copy_model(tmp_path / "in" / "m")
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_bytes(b"x")
    (tmp_path / "in" / "__MACOSX").mkdir()
    (tmp_path / "in" / "__MACOSX" / "._m").write_bytes(b"x")
    archive = packed(tmp_path / "in", tmp_path / "packed", "zip")
    for source, target in ((str(directory), "one"), (archive, "two")):
        assert in_process("export", source, "--name", target, cwd=tmp_path).code == 0
        assert not (tmp_path / "models" / target / "1" / name).exists()
        assert any(name in note for note in notes_of(tmp_path, target))


def test_a_zip_of_windows_is_taken(tmp_path: Path) -> None:
    directory = copy_model(tmp_path / "m")
    with zipfile.ZipFile(tmp_path / "half.zip", "w") as archive:
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                archive.writestr(
                    "half\\5\\" + str(path.relative_to(directory)).replace(os.sep, "\\"), path.read_bytes()
                )
    made = in_process("export", "half.zip", "--json", cwd=tmp_path)
    assert made.json["model"]["version"] == 5
    assert json.loads((tmp_path / "models/half/5/assets.extra/manifest.json").read_text())["golden"]["cases"] > 0


def test_an_archive_of_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "model.keras").write_bytes(b"x")
    refused(in_process("export", packed(tmp_path / "in", tmp_path / "m", "gztar"), cwd=tmp_path), "holds model.keras")
