"""Which text is which kind of source, and what `identify` says of it, without TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deployer import export
from deployer.errors import BrokenModel, GoldenError, SourceNotFound
from deployer.export.digest import options_digest
from deployer.export.source_kinds import kind_of


@pytest.fixture
def keras_file(tmp_path: Path) -> Path:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential"}))
    return path


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("model.keras", "keras_file"),
        ("some/where/MODEL.H5", "keras_file"),
        ("old.hdf5", "keras_file"),
        ("train.py:model", "python"),
        ("some/where/train.py:Net.build", "python"),
        ("my.package.module:make", "python"),
        ("module:make", "python"),
    ],
)
def test_kind_follows_from_the_text(source: str, kind: str) -> None:
    found = kind_of(source)
    assert kind == found.KIND


def test_a_directory_is_a_saved_model(tmp_path: Path) -> None:
    assert kind_of(str(tmp_path)).KIND == "saved_model"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("no/such/thing", "there is no model"),
        ("train.py", "train.py:NAME"),
        ("train.py:", "there is no model"),
        ("train.py:a b", "there is no model"),
        ("a\0b", "there is no model"),
        ("", "there is no model"),
    ],
)
def test_what_is_no_source_is_told_what_would_be(source: str, told: str) -> None:
    with pytest.raises(SourceNotFound) as caught:
        kind_of(source)
    assert told in f"{caught.value.message} {caught.value.hint}"


def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.xyz"
    path.write_bytes(b"x")
    with pytest.raises(SourceNotFound, match="no kind of model file"):
        kind_of(str(path))


@pytest.mark.parametrize("source", ["missing.keras", "missing.py:model"])
def test_a_missing_file_is_not_identified(source: str, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="no file"):
        export.identify(export.ExportRequest(str(tmp_path / source)))


def test_a_directory_that_is_no_saved_model(tmp_path: Path) -> None:
    with pytest.raises(BrokenModel, match="is not a SavedModel"):
        export.identify(export.ExportRequest(str(tmp_path)))


def test_python_sources_have_no_digest(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("raise SystemExit(3)")
    source = export.identify(export.ExportRequest(f"{tmp_path}/m.py:model"))
    assert (source.kind, source.location, source.digest) == ("python", f"{tmp_path.resolve()}/m.py:model", None)


def digest(keras_file: Path, **options: object) -> str | None:
    return export.identify(export.ExportRequest(str(keras_file), **options)).digest  # type: ignore[arg-type]


def test_the_digest_is_of_bytes_and_of_what_shapes_the_export(keras_file: Path) -> None:
    plain = digest(keras_file)
    x, y = "x:float32[?,4]", "y:float32[?,4]"
    shaped = [digest(keras_file, inputs=inputs) for inputs in ((x,), (y,), (x, y), (y, x))]
    assert len({plain, digest(keras_file, signature="serve"), *shaped}) == 6
    assert digest(keras_file, trust=True) == plain == digest(keras_file)
    keras_file.write_bytes(keras_file.read_bytes() + b"\0")
    assert digest(keras_file) != plain


def test_the_digest_changes_with_the_examples(keras_file: Path, tmp_path: Path) -> None:
    examples = tmp_path / "e.json"
    examples.write_text("[1]")
    first = digest(keras_file, examples=examples)
    examples.write_text("[2]")
    assert digest(keras_file) != first != digest(keras_file, examples=examples)
    with pytest.raises(GoldenError, match="no examples file"):
        digest(keras_file, examples=tmp_path / "other.json")


def test_identify_imports_no_tensorflow(keras_file: Path) -> None:
    code = (
        "import sys; from deployer import export\n"
        "assert not {'numpy', 'h5py', 'tensorflow', 'keras'} & set(sys.modules), 'at import'\n"
        "export.identify(export.ExportRequest(sys.argv[1]))\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), 'by identify'\n"
    )
    subprocess.run([sys.executable, "-c", code, str(keras_file)], check=True, timeout=60)


def test_the_digest_of_options_stays_as_stored_versions_have_it() -> None:
    request = export.ExportRequest(
        "m.keras",
        inputs=("x:float32[?,4]",),
        signature="a",
        tags=("a",),
        default_signature="s",
        graph_inputs=("a=b",),
        signatures=("s=f.py:g",),
        serve_as=("jpeg",),
        warmup=True,
        warmup_sizes=(1, 2),
        custom_objects="f.py:X",
        weights=Path("w.h5"),
    )
    assert options_digest(request) == "05150b61a1d74cd94bbcc132f02b2049d163c750a257f1c15b40c306a7cc9472"
