"""Read config files in protobuf's text format, with TensorFlow Serving's codes and messages. Needs no TensorFlow.

Source: `tensorflow_serving/util/proto_util.h`.
"""

from __future__ import annotations

import os
from pathlib import Path

from google.protobuf.message import Message

from deployer.server import text_syntax
from deployer.server.log import LOG
from deployer.server.status import Code, ServingError, invalid


def read(path: str, message: Message) -> Message:
    """Fill a message from a file and return it. Raises ServingError (NOT_FOUND, INVALID_ARGUMENT)."""
    try:
        return text_syntax.parse(Path(path).read_bytes(), message)
    except OSError as error:
        code = Code.NOT_FOUND if isinstance(error, FileNotFoundError) else Code.FAILED_PRECONDITION
        raise ServingError(code, f"{path}; {os.strerror(error.errno or 0)}") from error
    except text_syntax.TextSyntaxError as error:
        LOG.error("Error parsing text-format %s: %s", message.DESCRIPTOR.full_name, error)
        raise invalid(f"Invalid protobuf file: '{path}'") from error
