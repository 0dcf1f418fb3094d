"""A real Docker Engine and an image, which DEPLOYER_TEST_IMAGE names; without it nothing here is collected.

DEPLOYER_TEST_IMAGE=tensorflow/serving:2.20.0 make test
"""

from __future__ import annotations

import os

import pytest

IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
collect_ignore_glob = [] if IMAGE else ["test_*.py"]


@pytest.fixture(scope="session")
def server_image() -> str:
    """The image under test."""
    return IMAGE
