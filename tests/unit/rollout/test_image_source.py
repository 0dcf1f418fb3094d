"""Images as targets: what is one, and which settings do not go with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import in_process

from deployer.config.flags import parse_flags
from deployer.errors import InvalidValue
from deployer.rollout.targets import is_image

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (DIGEST, True),
        (f"registry.example.com:5000/team/half@{DIGEST}", True),
        (f"half@{DIGEST}", True),
        (f"half:1@{DIGEST}", True),
        ("half:1", False),
        ("registry/half:1", False),
        (DIGEST[:-1], False),
        (f"{DIGEST}0", False),
        (f"ha lf@{DIGEST}", False),
        (f"@{DIGEST}", False),
        ("./file.keras", False),
        (None, False),
    ],
)
def test_an_image_is_named_by_its_digest(target: str | None, expected: bool) -> None:
    assert is_image(target) is expected


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--input", "x:float32[?]"), 2, "--input"),
        (("--force",), 2, "--force"),
        (("--image", "tensorflow/serving:2.20.0"), 2, "--image"),
        (("--models-dir", "elsewhere"), 2, "--models-dir"),
        (("--engine", "embedded"), 3, "runs no containers"),
        ((), 6, "/nowhere.sock"),
    ],
    ids=str,
)
def test_settings_that_do_not_go_with_an_image_are_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, says: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    monkeypatch.setenv("DEPLOYER_ENGINE", "auto")
    ended = in_process("up", f"half@{DIGEST}", *arguments, cwd=tmp_path)
    assert ended.code == code, ended.err
    assert says in ended.err
    assert not (tmp_path / ".deployer" / "images").exists()


@pytest.mark.parametrize("target", ["registry.example.com/team/digits:2", "127.0.0.1:5000/digits:latest"])
def test_an_image_by_its_tag_is_refused_with_the_way_to_name_it(tmp_path: Path, target: str) -> None:
    ended = in_process("up", target, cwd=tmp_path)
    assert ended.code == 4
    assert "@sha256:" in ended.err


def test_flags_are_read_as_the_document_has_them() -> None:
    texts = {"grpc_max_threads": "7", "enable_model_warmup": "false", "xla_cpu_compilation_enabled": "true"}
    assert parse_flags(texts) == {
        "grpc_max_threads": 7, "enable_model_warmup": False, "xla_cpu_compilation_enabled": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("grpc_max_threads", "x"), ("enable_model_warmup", "1"), ("no_such_flag", "1"), ("model_config_file", "/etc"),
        ("grpc_max_threads", "-99999999999"), ("", "1"),
    ],
)  # fmt: skip
def test_flags_that_no_document_can_have_are_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_flags({name: text})
