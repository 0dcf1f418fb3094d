"""`doctor` finds what `up` refuses before it starts anything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS

MODEL = "[models.m]\n"
REFUSED = {
    "gateway": f"{MODEL}[gateway]\nenabled = true\n",
    "flag": f"{MODEL}[server.flags]\nprefer_tflite_model = true\n",
    "version": f"{MODEL}versions = [9]\n",
    "label": f"{MODEL}labels = {{ stable = 9 }}\n",
    "model": "[models.other]\n",
    "source": f'{MODEL}source = "missing.keras"\n',
    "name": f"{MODEL}[models.other]\n",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / "m" / "1")
    monkeypatch.setenv("DEPLOYER_ENGINE", "embedded")
    monkeypatch.setenv("DEPLOYER_SERVER_REST_PORT", "0")
    return tmp_path


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_doctor_finds_what_up_refuses(project, text):
    (project / "deployer.toml").write_text(text)
    up, doctor = in_process("up", "--dry-run", "--json", cwd=project), in_process("doctor", "--json", cwd=project)
    assert (up.code != 0, doctor.code) == (True, 6)
    (found,) = [each for each in doctor.json["findings"] if each["check"] == "settings"]
    error = up.json["error"]
    assert (found["severity"], found["message"]) == ("error", error["message"])


@pytest.mark.parametrize("text", [MODEL, "", "[gateway]\nenabled = false\n", f"{MODEL}versions = [1]\n"])
def test_doctor_says_that_other_settings_are_fine(project, text):
    (project / "deployer.toml").write_text(text)
    found = in_process("doctor", "--json", cwd=project).json["findings"]
    assert [each["severity"] for each in found if each["check"] == "settings"] == ["ok"]


def test_a_gateway_is_refused_without_models_too(project):
    (project / "deployer.toml").write_text("[gateway]\nenabled = true\n")
    assert in_process("doctor", cwd=project).code == 6
