"""Layers, configuration and archive of an image: the same bytes each time, whatever the files' times and owners."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from deployer.engines.docker.model_image.assembly import ModelImage
from deployer.engines.docker.model_image.base_image import EPOCH, BaseImage
from deployer.engines.docker.model_image.layers import Layer, LayerFile
from deployer.errors import BrokenModel

PINNED = "sha256:17837ff07edb4ca8ed8a147125f5654052db1a1f3ea0a78275be43dcad49775a"
"""The digest of `small()`: it must not change with the release of Python or of this tool."""

INSPECTED = {
    "Id": "sha256:base",
    "Architecture": "arm64",
    "Variant": "v8",
    "Os": "linux",
    "Created": "2025-01-02T03:04:05.6Z",
    "Config": {
        "Env": ["A=b"], "Entrypoint": ["/run"], "Cmd": ["not", "kept"], "Labels": {"theirs": "1"}, "Hostname": "h",
        "ExposedPorts": {"1/tcp": {}},
    },
    "RootFS": {"Layers": ["sha256:l0", "sha256:l1"]},
}  # fmt: skip


def small() -> Layer:
    texts = {"models/a/1/saved_model.pb": b"graph", "models/a/1/variables/" + "v" * 120: b"v" * 600, "config/ü": b""}
    return Layer(tuple(LayerFile.of_bytes(path, text) for path, text in texts.items()), "a:1")


def image(*layers: Layer, **labels: str) -> ModelImage:
    return ModelImage(BaseImage.parse(INSPECTED), layers or (small(),), {"Cmd": ["--x"], "User": "1:1"}, labels)


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member for member in archive}


def test_a_layer_has_one_digest_on_every_python_and_machine() -> None:
    assert small().diff_id == PINNED


def test_order_and_times_of_files_do_not_matter(tmp_path: Path) -> None:
    files = []
    for name in ("x", "y"):
        path = tmp_path / name
        path.write_bytes(name.encode() * 700)
        os.utime(path, (7, 7))
        files.append(LayerFile(f"models/{name}", path, 700))
    first = Layer(tuple(files), "")
    os.utime(tmp_path / "x", (9, 9))
    (tmp_path / "x").chmod(0o600)
    assert Layer(tuple(reversed(files)), "").diff_id == first.diff_id


def test_a_layer_is_a_tar_of_readable_files_with_their_directories() -> None:
    data = b"".join(small().blocks())
    found = members(data)
    assert len(data) == small().size
    assert hashlib.sha256(data).hexdigest() == small().diff_id.removeprefix("sha256:")
    assert {name for name, member in found.items() if member.isdir()} == {
        "models", "models/a", "models/a/1", "models/a/1/variables", "config"
    }  # fmt: skip
    assert {(m.uid, m.gid, m.mtime, m.uname) for m in found.values()} == {(0, 0, 0, "")}
    assert {m.mode for m in found.values()} == {0o644, 0o755}
    assert found["models/a/1/variables/" + "v" * 120].size == 600


@pytest.mark.parametrize("change", ["longer", "shorter", "other", "gone"])
def test_a_file_that_is_not_the_exported_one_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "variables"
    path.write_bytes(b"12345")
    file = LayerFile("v", path, 5, hashlib.sha256(b"12345").hexdigest())
    assert b"".join(file.chunks()) == b"12345"
    path.unlink() if change == "gone" else path.write_bytes(
        {"longer": b"123456", "shorter": b"1"}.get(change, b"54321")
    )
    with pytest.raises(BrokenModel, match="variables"):
        list(file.chunks())


def test_the_configuration_inherits_from_the_base_image() -> None:
    document: dict[str, Any] = json.loads(image(ours="2").document)
    assert document["config"] == {
        "Env": ["A=b"], "Entrypoint": ["/run"], "ExposedPorts": {"1/tcp": {}}, "Cmd": ["--x"], "User": "1:1",
        "Labels": {"theirs": "1", "ours": "2"},
    }  # fmt: skip
    assert document["rootfs"]["diff_ids"] == ["sha256:l0", "sha256:l1", PINNED]
    assert (document["architecture"], document["variant"], document["os"]) == ("arm64", "v8", "linux")
    assert document["created"] == INSPECTED["Created"]
    assert len(document["history"]) == len(document["rootfs"]["diff_ids"])


def test_an_image_without_a_time_is_of_the_epoch() -> None:
    assert BaseImage.parse({"Id": "x", "Config": None}).created == EPOCH


@pytest.mark.parametrize("base_layers", [None, ("b0/layer.tar", "b1/layer.tar")])
def test_an_archive_names_the_layers_of_the_base_image_first(base_layers: tuple[str, ...] | None) -> None:
    built = image()
    data = b"".join(built.entries(base_layers)) + b"\0" * 1024
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        text = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    (manifest,) = json.loads(text["manifest.json"])
    assert manifest["RepoTags"] is None
    assert manifest["Layers"][:2] == list(base_layers or ("base/0", "base/1"))
    assert hashlib.sha256(text[manifest["Layers"][2]]).hexdigest() == PINNED.removeprefix("sha256:")
    assert hashlib.sha256(text[manifest["Config"]]).hexdigest() == built.id.removeprefix("sha256:")


def test_two_archives_are_equal_byte_for_byte() -> None:
    assert b"".join(image(a="1").archive()) == b"".join(image(a="1").archive())
    assert image(a="1").id != image(a="2").id
