from __future__ import annotations

from pathlib import Path

import pytest
from support.exporting import Exporter


@pytest.fixture
def exporter(tmp_path: Path) -> Exporter:
    return Exporter(tmp_path)
