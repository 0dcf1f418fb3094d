"""Archives: good ones come out whole; hostile ones are refused, and nothing is left of them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.errors import BrokenModel
from deployer.export.saved_models import unpacking
from deployer.export.saved_models.unpacking import unpacked

FILES = {"model/saved_model.pb": b"graph", "model/variables/variables.index": b"", "model/assets/wörter.txt": b"a\nb"}
Entry = tuple[tarfile.TarInfo, bytes]


def tar_entry(name: str, data: bytes = b"", **fields: object) -> Entry:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry, data


def tar(path: Path, *entries: Entry, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for entry, data in entries:
            archive.addfile(entry, io.BytesIO(data))
    return path


def zipped(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, data in entries:
            archive.writestr(entry, data)
    return path


def whole_tar(path: Path, mode: str) -> Path:
    return tar(path, *(tar_entry(name, data) for name, data in FILES.items()), mode=mode)


GOOD: dict[str, Callable[[Path], Path]] = {
    "m.tar.gz": lambda path: whole_tar(path, "w:gz"),
    "m.tgz": lambda path: whole_tar(path, "w:gz"),
    "m.tar": lambda path: whole_tar(path, "w"),
    "m.zip": lambda path: zipped(path, ("model/", b""), *FILES.items()),
    "windows.zip": lambda path: zipped(path, *((name.replace("/", "\\"), data) for name, data in FILES.items())),
    "windows directories.zip": lambda path: zipped(
        path, ("model\\", b""), *((name.replace("/", "\\", 1), data) for name, data in FILES.items())
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_archive_comes_out_whole_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    archive = GOOD[name](tmp_path / name)
    (tmp_path / "stage").mkdir()
    with unpacked(archive, tmp_path / "stage") as directory:
        found = {
            path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
        }
    assert found == FILES
    assert list((tmp_path / "stage").iterdir()) == []


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    return entry


def encrypted(path: Path) -> Path:
    """Its flags say so; nothing more is needed to have it refused."""
    data = bytearray(zipped(path, ("secret", b"x")).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


def long_header(path: Path) -> Path:
    """A header of 4 MB that claims to be a name."""
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 4 << 20
    path.write_bytes(gzip.compress(name.tobuf(tarfile.GNU_FORMAT) + bytes(4 << 20)))
    return path


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-40])
    return path


def text(path: Path, data: bytes = b"<html>not found</html>") -> Path:
    path.write_bytes(data)
    return path


LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}
HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "absolute.tar": (lambda path: tar(path, tar_entry("/tmp/out", b"x"), mode="w"), "leads out of it"),
    "parent.tgz": (lambda path: tar(path, tar_entry("ok", b"x"), tar_entry("a/../../out", b"x")), "leads out of it"),
    "symlink.tgz": (lambda path: tar(path, tar_entry("model", **LINK), tar_entry("model/out", b"x")), "is a link"),
    "hardlink.tgz": (lambda path: tar(path, tar_entry("m", type=tarfile.LNKTYPE, linkname="/etc/passwd")), "is a link"),
    "device.tgz": (lambda path: tar(path, tar_entry("zero", type=tarfile.CHRTYPE, devmajor=1, devminor=5)), "a device"),
    "fifo.tgz": (lambda path: tar(path, tar_entry("pipe", type=tarfile.FIFOTYPE)), "is a link, a device"),
    "header.tgz": (long_header, "a header is longer"),
    "twice.tgz": (lambda path: tar(path, tar_entry("a", b"x"), tar_entry("a", b"y")), "two entries"),
    "directory.zip": (lambda path: zipped(path, ("a", b"x"), ("a/b", b"y")), "two entries"),
    "absolute.zip": (lambda path: zipped(path, ("/out", b"x")), "leads out of it"),
    "parent.zip": (lambda path: zipped(path, ("../out", b"x")), "leads out of it"),
    "windows.zip": (lambda path: zipped(path, ("..\\out", b"x")), "leads out of it"),
    "deep windows.zip": (lambda path: zipped(path, ("a\\..\\..\\out", b"x")), "leads out of it"),
    "mixed windows.zip": (lambda path: zipped(path, ("a/..\\../out", b"x")), "leads out of it"),
    "drive.zip": (lambda path: zipped(path, ("C:\\out", b"x")), "leads out of it"),
    "share.zip": (lambda path: zipped(path, ("\\\\host\\share\\out", b"x")), "leads out of it"),
    "root windows.zip": (lambda path: zipped(path, ("\\out", b"x")), "leads out of it"),
    "backslash.tgz": (lambda path: tar(path, tar_entry("a\\out", b"x")), "leads out of it"),
    "symlink.zip": (lambda path: zipped(path, (link("m"), b"/etc/passwd")), "is a link"),
    "encrypted.zip": (encrypted, "is encrypted"),
    "cut.tgz": (lambda path: cut(whole_tar(path, "w:gz")), "cut short"),
    "cut.zip": (lambda path: cut(GOOD["m.zip"](path)), "cut short"),
    "text.zip": (text, "no archive"),
    "empty.tar": (lambda path: text(path, b""), "no archive"),
}  # fmt: skip


def refuse(archive: Path, within: Path, told: str) -> None:
    within.mkdir()
    with pytest.raises(BrokenModel, match=told) as caught, unpacked(archive, within):
        pass
    assert caught.value.hint
    assert list(within.iterdir()) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    make, told = HOSTILE[name]
    before = make(tmp_path / name).read_bytes()
    refuse(tmp_path / name, tmp_path / "stage", told)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "stage"])
    assert (tmp_path / name).read_bytes() == before


@pytest.mark.parametrize("suffix", [".zip", ".tgz"])
def test_bombs_are_refused_by_ratio_size_and_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    zeros = bytes(3 << 20)
    entries = [(f"v{number}", zeros) for number in range(2)]
    archive = tmp_path / f"bomb{suffix}"
    if suffix == ".zip":
        zipped(archive, *entries)
    else:
        tar(archive, *(tar_entry(*entry) for entry in entries))
    with unpacked(archive, tmp_path) as directory:
        assert len(list(directory.iterdir())) == 2
    for limit, value, told in (
        ("RATIO_EXEMPT_BYTES", 1 << 20, "times its size"),
        ("MAX_UNPACKED_BYTES", 4 << 20, "unpacks to more than"),
        ("MAX_ENTRIES", 1, "more than 1 files"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(unpacking, limit, value)
            refuse(archive, tmp_path / limit, told)
