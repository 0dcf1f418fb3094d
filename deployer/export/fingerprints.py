"""The fingerprint of a SavedModel without its random part, so that one source always gives the same files."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from deployer.savedmodel.messages import message_class

FILE = "fingerprint.pb"


def make_repeatable(directory: Path) -> None:
    """Replace the random `uuid` of a fingerprint, which TensorFlow draws at each save, by a digest of its hashes.

    TensorFlow and TensorFlow Serving read it for metrics only. Does nothing without a fingerprint. Raises OSError.
    """
    path = directory / FILE
    if not path.is_file():
        return
    message = message_class("tensorflow.FingerprintDef")()
    message.ParseFromString(path.read_bytes())
    message.uuid = ""
    message.uuid = str(int(hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()[:32], 16))
    # By renaming: the file may be a hard link to the user's.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{FILE}.", dir=directory)
    with os.fdopen(descriptor, "wb") as file:
        file.write(message.SerializeToString(deterministic=True))
    Path(temporary).replace(path)
