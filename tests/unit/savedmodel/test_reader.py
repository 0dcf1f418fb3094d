"""Reading a SavedModel without TensorFlow: what it declares, and what would load and then fail every request."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.world import MODELS

from deployer.errors import BrokenModel
from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel import reader
from deployer.savedmodel.layout import is_saved_model
from deployer.savedmodel.messages import message_class

METHOD = "tensorflow/serving/predict"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """half_plus_two as a copy that a test may spoil."""
    return Path(shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "m"))


def message() -> Any:
    """A SavedModel with one graph, no variables and no signature yet."""
    made = message_class("tensorflow.SavedModel")(saved_model_schema_version=1)
    made.meta_graphs.add().meta_info_def.tags.append("serve")
    return made


def written(directory: Path, content: Any) -> Path:
    (directory / "saved_model.pb").write_bytes(content.SerializeToString())
    return directory


def names(specs: tuple[TensorSpec, ...]) -> list[str]:
    return [spec.name for spec in specs]


def test_signatures_tags_versions_and_size_are_read(directory):
    info = reader.read(directory)
    x, y = TensorSpec("x", "float32", (None,)), TensorSpec("y", "float32", (None,))
    assert Signature("serving_default", METHOD, (x,), (y,)) in info.signatures
    assert [signature.name for signature in info.signatures] == sorted(found.name for found in info.signatures)
    assert info.tags == ("serve",)
    assert info.tensorflow.startswith("2.")
    assert info.keras is None
    loaded = [directory / "saved_model.pb", *(directory / "variables").iterdir()]
    assert info.size_bytes == sum(path.stat().st_size for path in loaded)


@pytest.mark.parametrize("name", ["golden.tfrecord", "tf_serving_warmup_requests", "manifest.json"])
def test_the_size_is_that_of_what_a_server_loads(directory, name):
    before = reader.read(directory).size_bytes
    (directory / "assets.extra").mkdir()
    (directory / "assets.extra" / name).write_bytes(bytes(1 << 20))
    assert reader.read(directory).size_bytes == before
    (directory / "assets").mkdir()
    (directory / "assets" / "words.txt").write_bytes(bytes(100))
    assert reader.read(directory).size_bytes == before + 100


@pytest.mark.parametrize("name", ["variables.data-00000-of-00001", "variables.index"])
def test_what_a_broken_directory_declares_can_be_read_all_the_same(directory, name):
    whole = reader.read(directory)
    assert reader.read_incomplete(directory) == (whole, None)
    (directory / "variables" / name).unlink()
    info, fault = reader.read_incomplete(directory)
    assert info.signatures == whole.signatures
    assert fault
    assert name in fault.message
    with pytest.raises(BrokenModel):
        reader.read(directory)


def test_the_fingerprint_tells_content_apart(directory):
    prints = [reader.read(MODELS / "half_plus_two" / version).fingerprint for version in ("1", "2")]
    assert reader.read(directory).fingerprint == prints[0] != prints[1]
    (directory / "fingerprint.pb").unlink()
    assert reader.read(directory).fingerprint is None


def test_a_garbled_fingerprint_is_a_broken_model(directory):
    (directory / "fingerprint.pb").write_bytes(b"\xff\xff")
    with pytest.raises(BrokenModel, match=r"fingerprint\.pb cannot be parsed"):
        reader.read(directory)


def test_inputs_and_outputs_are_sorted_by_name_and_keep_their_dtypes():
    found = {signature.name: signature for signature in reader.read(MODELS / "several" / "1").signatures}
    assert names(found["serving_default"].inputs) == ["left", "right"]
    assert names(found["serving_default"].outputs) == ["dot", "sum"]
    dtypes = {found.name: found.inputs[0].dtype for found in reader.read(MODELS / "types" / "1").signatures}
    assert dtypes.pop("serving_default") == "float64"
    assert dtypes == {name: name for name in dtypes}
    assert len(dtypes) == 12


def test_the_init_op_is_no_signature(tmp_path):
    content = message()
    content.meta_graphs[0].signature_def["__saved_model_init_op"].outputs["op"].name = "init"
    content.meta_graphs[0].signature_def["serving_default"].method_name = METHOD
    info = reader.read(written(tmp_path, content))
    assert info.signatures == (Signature("serving_default", METHOD, (), ()),)
    assert info.tensorflow == "unknown"


def shape(content: Any, name: str) -> Any:
    return content.meta_graphs[0].signature_def["s"].inputs[name].tensor_shape


def test_unknown_ranks_open_dimensions_and_scalars_are_three_things(tmp_path):
    content = message()
    shape(content, "any").unknown_rank = True
    shape(content, "open").dim.add(size=-1)
    shape(content, "open").dim.add(size=28)
    shape(content, "scalar").SetInParent()
    for tensor in content.meta_graphs[0].signature_def["s"].inputs.values():
        tensor.dtype = 1
    found = reader.read(written(tmp_path, content)).signatures[0].inputs
    assert [(spec.name, spec.shape) for spec in found] == [("any", None), ("open", (None, 28)), ("scalar", ())]
    assert [str(spec) for spec in found] == ["float32 of any shape", "float32[?,28]", "float32[]"]


def test_a_reference_counts_as_its_base_and_a_ragged_tensor_as_composite(tmp_path):
    content = message()
    inputs = content.meta_graphs[0].signature_def["s"].inputs
    inputs["reference"].dtype = 101
    inputs["ragged"].composite_tensor.type_spec.SetInParent()
    found = reader.read(written(tmp_path, content)).signatures[0].inputs
    assert [(spec.name, spec.dtype) for spec in found] == [("ragged", "composite"), ("reference", "float32")]


def test_a_dtype_that_tensorflow_does_not_have_is_a_broken_model(tmp_path):
    content = message()
    content.meta_graphs[0].signature_def["s"].inputs["x"].dtype = 99
    with pytest.raises(BrokenModel, match="99"):
        reader.read(written(tmp_path, content))


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_cut_file_is_a_broken_model(directory, kept):
    file = directory / "saved_model.pb"
    content = file.read_bytes()
    file.write_bytes(content[: kept if isinstance(kept, int) else int(len(content) * kept)])
    with pytest.raises(BrokenModel, match="cut short"):
        reader.read(directory)


def test_garbage_is_a_broken_model(directory):
    (directory / "saved_model.pb").write_bytes(b"\x0a" * 4096)
    with pytest.raises(BrokenModel, match=r"saved_model\.pb cannot be parsed"):
        reader.read(directory)


@pytest.mark.parametrize("tags", [("train",), ("serve", "gpu"), ()])
def test_a_graph_of_other_tags_is_not_what_a_server_loads(directory, tags):
    content = message_class("tensorflow.SavedModel")()
    content.ParseFromString((directory / "saved_model.pb").read_bytes())
    content.meta_graphs[0].meta_info_def.tags[:] = tags
    with pytest.raises(BrokenModel, match=r"no graph tagged \{serve\}") as refused:
        reader.read(written(directory, content))
    assert "{" + ", ".join(sorted(tags)) + "}" in refused.value.message


def test_the_graph_with_the_requested_tags_is_taken(tmp_path):
    content = message()
    content.meta_graphs[0].signature_def["serving"].method_name = METHOD
    other = content.meta_graphs.add()
    other.meta_info_def.tags.append("train")
    other.signature_def["training"].method_name = METHOD
    written(tmp_path, content)
    assert [found.name for found in reader.read(tmp_path).signatures] == ["serving"]
    assert [found.name for found in reader.read(tmp_path, ["train"]).signatures] == ["training"]


def test_variables_that_the_graph_uses_must_be_there(directory):
    shutil.rmtree(directory / "variables")
    with pytest.raises(BrokenModel, match=r"no variables/variables\.index, but its graph uses variables") as refused:
        reader.read(directory)
    assert refused.value.hint


def test_a_graph_without_variables_needs_none(tmp_path):
    assert reader.read(written(tmp_path, message())).signatures == ()


@pytest.mark.parametrize(
    ("there", "missing"),
    [((), "variables.data-00000-of-00001"), (("00000-of-00003", "00002-of-00003"), "variables.data-00001-of-00003")],
)
def test_every_shard_of_the_variables_must_be_there(directory, there, missing):
    variables = directory / "variables"
    for shard in variables.glob("variables.data-*"):
        shard.unlink()
    for name in there:
        (variables / f"variables.data-{name}").touch()
    with pytest.raises(BrokenModel, match=f"lacks {missing}"):
        reader.read(directory)


def test_a_directory_of_versions_says_which_to_name():
    with pytest.raises(BrokenModel, match=r"is not a SavedModel: it has no saved_model\.pb") as refused:
        reader.read(MODELS / "half_plus_two")
    assert refused.value.hint == "it holds SavedModels in 1, 2, 3: name one of them"
    assert not is_saved_model(MODELS / "half_plus_two")
    assert is_saved_model(MODELS / "half_plus_two" / "1")


def test_of_a_base_path_the_newest_version_is_taken(tmp_path):
    for name in ("9", "0010", "old", ".11", "99999999999999999999"):
        shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "m" / name)
    assert reader.newest_version(tmp_path / "m") == tmp_path / "m" / "0010"
    (tmp_path / "m" / "12").mkdir()
    assert reader.newest_version(tmp_path / "m") == tmp_path / "m" / "12", "half copied, it is the newest still"


@pytest.mark.parametrize(
    ("names", "taken", "told"),
    [
        (("0",), "0", ["'0' is not kept"]),
        (("-3",), "-3", ["'-3' is not kept"]),
        (("0007",), "0007", ["'0007' is version 7"]),
        (("00000123", "123"), "123", ["'00000123'"]),
        (("1 ",), "1 ", ["'1 ' is version 1"]),
        (("+5", "4"), "+5", ["'+5' is version 5", "5 was taken, not 4"]),
        (("7", "9223372036854775808"), "7", ["'9223372036854775808'"]),
        (("3", "2.bak", "v4", "4-old", "\u0665", "5_0", "0x9"), "3", []),
        (("9223372036854775807", "1"), "9223372036854775807", ["not 1"]),
        (("123", "124", "9"), "124", ["124 was taken, not 123, 9"]),
        (tuple("12345678"), "8", ["8 was taken, not 7, 6, 5, 4, 3 and 2 more"]),
    ],
)
def test_a_version_directory_is_what_tensorflow_serving_takes_for_one(tmp_path, names, taken, told):
    for name in names:
        shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / name)
    assert reader.newest_version(tmp_path) == tmp_path / taken
    notes = reader.version_notes(tmp_path)
    assert len(notes) == len(told)
    assert all(text in note for text, note in zip(told, notes, strict=True))


def test_a_base_path_without_a_number_that_fits_is_refused_rather_than_renumbered(tmp_path):
    large = tmp_path / "m" / "9223372036854775808"
    shutil.copytree(MODELS / "half_plus_two" / "1", large)
    with pytest.raises(BrokenModel, match="is more than 9223372036854775807") as refused:
        reader.newest_version(tmp_path / "m")
    assert refused.value.hint == f"name the directory itself: {large}"
    assert "is not kept" in "".join(reader.version_notes(large))


@pytest.mark.parametrize("name", ["", "nowhere", "m/1", "named", "empty"])
def test_another_directory_is_no_base_path(tmp_path, name):
    for place in ("m/1", "named/first"):
        shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / place)
    (tmp_path / "empty" / "3").mkdir(parents=True)
    assert reader.newest_version(tmp_path / name) is None


@pytest.mark.parametrize("name", ["nowhere", "empty", "file", "m/saved_model.pb"])
def test_what_is_no_savedmodel_directory_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "m" / "saved_model.pb").mkdir(parents=True)
    with pytest.raises(BrokenModel, match="is not a SavedModel"):
        reader.read(tmp_path / name)
    assert not is_saved_model(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "version"),
    [(b'\x0a{"keras_version": "2.12.0"}', "2.12.0"), (b'..."keras_version":"2.4.0"', "2.4.0"), (b"\x00", "2.x")],
)
def test_keras_2_leaves_its_version_beside_the_graph(directory, content, version):
    (directory / "keras_metadata.pb").write_bytes(content)
    assert reader.read(directory).keras == version
