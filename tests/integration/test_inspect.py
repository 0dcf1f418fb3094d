"""The `curl` lines that `inspect` draws are typed into a shell, and the server answers them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, in_process
from support.world import MODELS


@pytest.mark.parametrize("name", ["examples", "text", "several", "half_plus_two"])
def test_every_line_works_at_the_port_that_serves(empty_project: Path, name: str) -> None:
    source = str(MODELS / name / "1")
    up = in_process("up", source, "--name", name, *ANY_PORTS, "--json", "-q", cwd=empty_project)
    assert up.code == 0, up.err
    shown = in_process("inspect", name, "--json", cwd=empty_project).json
    assert len(shown["curl"]) == len(shown["model"]["info"]["signatures"])
    assert (shown["served"], shown["stored"]) == (True, True)
    assert shutil.which("curl"), "the test wants curl"
    for line in shown["curl"]:
        assert up.json["endpoints"]["rest"] + "/" in line
        answer = subprocess.run(["sh", "-c", f"{line} -s -m 60"], capture_output=True, check=True, timeout=90).stdout
        assert {"outputs", "results"} & set(json.loads(answer)), answer


def test_classify_and_regress_are_asked_by_their_own_methods(empty_project: Path) -> None:
    source = str(MODELS / "examples" / "1")
    assert in_process("export", source, "--name", "examples", "-q", cwd=empty_project).code == 0
    lines = in_process("inspect", "examples", "--json", cwd=empty_project).json["curl"]
    ends = [line.rpartition("http://127.0.0.1:8501/v1/models/examples:")[2] for line in lines]
    assert ends == ["classify", "predict", "regress", "regress"]


def test_a_directory_that_nobody_asked_yet_gets_lines_from_its_shapes() -> None:
    shown = in_process("inspect", str(MODELS / "half_plus_two" / "1"), "--json", cwd=Path()).json
    assert (shown["served"], shown["stored"]) == (None, False)
    (line,) = shown["curl"]
    assert line.endswith("http://127.0.0.1:8501/v1/models/half_plus_two:predict")
    assert '"x": [0.5]' in line
