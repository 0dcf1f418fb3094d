"""The manifests of a document, as files to review: RENEW_GOLDEN=1 writes them again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
KSERVE = """
project = "shop"
name = "texts"
[models.text]
[docker]
cpus = 2
memory = "4g"
[kubernetes]
models_claim = "models"
max_replicas = 4
[env.production.kubernetes]
namespace = "production"
replicas = 3
"""


@pytest.mark.parametrize("form", ["k8s", "kserve"])
def test_the_files_are_those_that_were_reviewed(rich, form):
    if form == "kserve":
        rich.write(KSERVE)
    files, golden = rich.files(form), GOLDEN / form
    if os.environ.get("RENEW_GOLDEN"):
        shutil.rmtree(golden, ignore_errors=True)
        for name, text in files.items():
            (golden / name).parent.mkdir(parents=True, exist_ok=True)
            (golden / name).write_text(text)
    reviewed = {str(path.relative_to(golden)): path.read_text() for path in golden.rglob("*") if path.is_file()}
    assert files == reviewed, "compare with git diff after RENEW_GOLDEN=1 make unit ARGS=tests/unit/manifests"
