"""Models are copied out of an image, whatever its author put beside them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from deployer.engines.docker.model_image.extraction import COPY_LABEL, Extraction
from deployer.errors import EngineError

FILES = {"models/half/1/saved_model.pb": b"graph", "models/half/1/variables/index": b"v" * 3000, "models/b/2/x": b"x"}


def archive(*members: tuple[str, bytes | str | None], kind: bytes = tarfile.SYMTYPE) -> bytes:
    """A tar of files; text is the target of a link, None makes a directory."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                entry.type, entry.linkname = kind, content
            else:
                entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return data.getvalue()


class Engine:
    """An engine with one image; `data` is the archive that it sends."""

    def __init__(self, data: bytes) -> None:
        self.timeout, self.data = 30, data
        self.removed: list[str] = []

    def containers(self, **_: Any) -> tuple[dict[str, Any], ...]:
        return ()

    def create_container(self, image: str, **more: Any) -> dict[str, str]:
        assert COPY_LABEL in more["labels"]
        return {"Id": f"of {image}"}

    def get_archive(self, container: str, path: str) -> tuple[Iterator[bytes], dict[str, Any]]:
        assert (container, path) == ("of image", "/models")
        return iter([self.data[start : start + 700] for start in range(0, len(self.data), 700)]), {}

    def remove_container(self, container: str, **_: Any) -> None:
        self.removed.append(container)


def copied(engine: Engine, target: Path, limit: int = 10_000) -> dict[str, bytes]:
    Extraction(SimpleNamespace(api=engine), "image", 60.0, limit).run(["half/1"], target)  # type: ignore[arg-type]
    return {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def test_the_files_of_the_versions_are_copied_and_the_container_is_removed(tmp_path: Path) -> None:
    engine = Engine(archive(("models", None), ("models/half/1", None), *FILES.items()))
    found = copied(engine, tmp_path)
    assert found == {name.removeprefix("models/"): text for name, text in FILES.items() if "half" in name}
    assert engine.removed == ["of image"]
    assert engine.timeout == 30


@pytest.mark.parametrize(
    "members",
    [
        [("models/../../escaped", b"x")],
        [("/models/half/1/escaped", b"x")],
        [("etc/passwd", b"x")],
        [("models/half/1/../../../escaped", b"x")],
        [("models/half/1/link", "/etc/passwd")],
        [("models/half/1/variables", "/tmp"), ("models/half/1/variables/escaped", b"x")],
        [("models/half/1/twice", b"x"), ("models/half/1/twice", b"y")],
        [("models/half/1/large", b"x" * 11_000)],
        [("models/half/1/a", b"x" * 6_000), ("models/half/1/b", b"x" * 6_000)],
    ],
    ids=lambda members: members[0][0],
)
def test_what_would_leave_the_directory_is_refused(tmp_path: Path, members: list[tuple[str, Any]]) -> None:
    target = tmp_path / "in" / "side"
    target.mkdir(parents=True)
    engine = Engine(archive(*members))
    with pytest.raises(EngineError):
        copied(engine, target)
    assert engine.removed == ["of image"]
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_only_files_and_directories_come_out(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(EngineError, match="is no file"):
        copied(Engine(archive(("models/half/1/odd", "models/half/1/other"), kind=kind)), tmp_path)


@pytest.mark.parametrize("data", [b"no tar at all" * 100, archive(*FILES.items())[:2000]])
def test_an_archive_that_cannot_be_read_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(EngineError):
        copied(Engine(data), tmp_path)


def test_an_image_without_models_is_refused(tmp_path: Path) -> None:
    class Empty(Engine):
        def get_archive(self, container: str, path: str) -> Any:
            raise docker.errors.NotFound(f"{container} has no {path}")

    with pytest.raises(EngineError, match="/models"):
        copied(Empty(b""), tmp_path)
