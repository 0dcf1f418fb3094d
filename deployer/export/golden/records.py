"""Write TFRecord files with TensorFlow's own writer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deployer.export.runtime import tf_module


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write the records to a new file and create its directory if necessary."""
    path.parent.mkdir(exist_ok=True)
    with tf_module("tensorflow.python.lib.io.tf_record").TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
