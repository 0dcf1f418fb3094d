"""Templates of the user's directory are those of the current one."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config.templates import render_template
from deployer.errors import TemplateError


def test_two_working_directories_have_templates_of_their_own(tmp_path, monkeypatch):
    for name in ("first", "second"):
        own = tmp_path / name / "own"
        own.mkdir(parents=True)
        (own / "note.j2").write_text(name)
        monkeypatch.chdir(tmp_path / name)
        assert render_template("note", Path("own")) == name


def test_a_directory_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(TemplateError, match=str(tmp_path / "none")):
        render_template("model_config.config", tmp_path / "none")
