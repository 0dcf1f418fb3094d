"""Writes TFRecord files with TensorFlow's own writer, checksums and all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deployer.export.runtime import tf_module


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """The records into a new file; its folder is made where it is missing."""
    path.parent.mkdir(exist_ok=True)
    with tf_module("tensorflow.python.lib.io.tf_record").TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
