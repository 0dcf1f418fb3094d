"""Commands on a server that serves, once the values that `up` needed are gone."""

from __future__ import annotations

import pytest
from support.cli import ANY_PORTS, deployer

DOCUMENT = """
env_file = "v.env"
templates_dir = "${OWN}"
[models.half_plus_two]
versions = [1]
signature = "${SIGNATURE:-serving_default}"
"""


@pytest.mark.parametrize("way", ["no file", "no value"])
def test_a_server_can_be_used_and_removed_without_the_values_it_was_started_with(project, way):
    (project / "own").mkdir()
    (project / "deployer.toml").write_text(DOCUMENT)
    (project / "v.env").write_text("OWN=own\n")
    assert deployer("up", *ANY_PORTS, cwd=project).code == 0
    (project / "v.env").write_text("") if way == "no value" else (project / "v.env").unlink()
    assert deployer("up", cwd=project).code == 3
    for command in ("status --exit-code", "predict", "logs", "history", "down"):
        ended = deployer(*command.split(), cwd=project)
        assert ended.code == 0, ended.err
        assert not {"OWN", "v.env"} & set(ended.err.replace(":", " ").split())
    assert deployer("status", "--exit-code", cwd=project).code == 10
