"""The file that `env_file` names."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.config import env_file, loader
from deployer.config.interpolation import reveal
from deployer.errors import ConfigError

TEXT = """\ufeff# a comment
A=1
export B='two  words # and more'
C="x\\ny"
D=plain # a comment
E=has#hash=and=signs
F=
ONLY_A_NAME

G=$A${B}
A=2
"""


def test_lines_are_read_as_compose_reads_them(tmp_path):
    (tmp_path / "file").write_text(TEXT.replace("\n", "\r\n"))
    assert env_file.read(tmp_path / "file", "here") == {
        "A": "2", "B": "two  words # and more", "C": "x\ny", "D": "plain", "E": "has#hash=and=signs", "F": "",
        "G": "$A${B}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"A=1\nno line\n", "line 2 is not of the form NAME=value"),
        (b"A='open\n", "line 1 is not of the form NAME=value"),
        (b"A=a\0b\n", "line 1 is not of the form NAME=value"),
        (b"A=\xff\n", "cannot be read"),
        (b"A=1\nDEPLOYER_DOCKER_IMAGE=a:1\n", "line 2: DEPLOYER_DOCKER_IMAGE is a setting of deployer"),
    ],
)
def test_a_file_with_an_error_is_refused_with_its_line(tmp_path, content, says):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ConfigError, match=r"^deployer\.toml: env_file: .*/file") as refused:
        env_file.read(tmp_path / "file", "deployer.toml: env_file")
    assert says in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir])
def test_a_file_that_is_none_is_refused(tmp_path, make):
    make(tmp_path / "file")
    (tmp_path / "deployer.toml").write_text('env_file = "file"')
    with pytest.raises(ConfigError, match=r"deployer\.toml: env_file: .*/file cannot be read") as refused:
        loader.load(tmp_path / "deployer.toml", environ={})
    assert refused.value.exit_code == 3


def test_its_variables_are_those_of_the_document_and_the_environment_wins(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".env").write_text("TAG=1\nTOKEN=a\n")
    (tmp_path / "sub" / "staging.env").write_text("TAG=2\n")
    file = tmp_path / "sub" / "deployer.toml"
    file.write_text(
        'env_file = ".env"\n[docker]\nimage = "a:${TAG}"\nenvironment = { T = "${TOKEN:-none}" }\n'
        '[env.staging]\nenv_file = "${WHICH}.env"\n'
    )

    def loaded(env: str | None = None, **environ: str) -> tuple[str, dict[str, str]]:
        docker = loader.load(file, env, environ=environ).docker
        return docker.image, reveal(docker.environment)

    assert loaded() == ("a:1", {"T": "a"})
    assert loaded(TAG="3") == ("a:3", {"T": "a"})
    assert loaded("staging", WHICH="staging") == ("a:2", {"T": "none"})
    assert loaded(DEPLOYER_ENV_FILE=str(tmp_path / "sub" / "staging.env"))[0] == "a:2"


def test_the_variable_that_names_another_file_is_in_its_errors(tmp_path):
    with pytest.raises(ConfigError, match=r"^DEPLOYER_ENV_FILE: nowhere cannot be read"):
        loader.load(environ={"DEPLOYER_ENV_FILE": "nowhere"})


def test_the_spec_has_the_path(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "deployer.toml").write_text('env_file = "file"')
    assert loader.load(tmp_path / "deployer.toml", environ={}).env_file == tmp_path / "file"
