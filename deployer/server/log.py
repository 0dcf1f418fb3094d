"""The server's log: lines on stderr in TensorFlow's format."""

from __future__ import annotations

import logging
import sys

LOG = logging.getLogger("deployer.server")


def set_up() -> None:
    """Send the log to stderr, one flushed line per event."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("%(asctime)s.%(msecs)03d: %(levelname).1s %(module)s] %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    LOG.handlers[:] = [handler]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
