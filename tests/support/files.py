"""Files as people have them."""

from __future__ import annotations

import shutil
from pathlib import Path

from google.protobuf import text_format

from deployer.savedmodel import reader
from support.world import MODELS

POINTER = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
"""


def copy_model(directory: Path, name: str = "half_plus_two", version: int = 1) -> Path:
    """A SavedModel that a test may spoil."""
    return Path(shutil.copytree(MODELS / name / str(version), directory, copy_function=shutil.copyfile))


def as_text(directory: Path) -> Path:
    """The same with `saved_model.pbtxt` in the place of `saved_model.pb`."""
    text = text_format.MessageToString(reader.parse(directory))
    (directory / "saved_model.pbtxt").write_text(text)
    (directory / "saved_model.pb").unlink()
    return directory
