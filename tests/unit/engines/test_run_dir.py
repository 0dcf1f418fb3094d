"""The run directory is the label set: what was written is read back, what was half written is nothing."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from deployer.engines import run_dir
from deployer.engines.run_dir import CONFIG_DIR, LOG_FILE, RELEASE_FILE, Release
from deployer.results.deployment import Endpoints
from deployer.results.launch import Rendered
from deployer.results.served import ServedModel

RELEASE = Release(
    name="m",
    env="local",
    release="20260101-000000-000000001-abcd",
    role="candidate",
    created="2026-01-01T00:00:00Z",
    host="0.0.0.0",
    rest_port=8501,
    grpc_port=8500,
    private_rest_port=40001,
    private_grpc_port=40002,
    server_digest="digest",
    models=(ServedModel("m", (1, 3), (("stable", 1),), ("a", "b")), ServedModel("n", (7,))),
)


@pytest.mark.parametrize("release", [RELEASE, dataclasses.replace(RELEASE, pid=7, models=())])
def test_labels_are_read_back(tmp_path, release):
    run_dir.write_labels(tmp_path, release)
    assert run_dir.read_labels(tmp_path) == release
    run_dir.write_labels(tmp_path, dataclasses.replace(release, role="serving"))
    assert (run_dir.read_labels(tmp_path) or release).role == "serving"
    assert [path.name for path in tmp_path.iterdir()] == [RELEASE_FILE]


def test_a_candidate_is_seen_at_its_private_ports_and_a_serving_one_at_the_public_ones(tmp_path):
    candidate = RELEASE.deployment(tmp_path, serving=False, running=True)
    serving = RELEASE.deployment(tmp_path, serving=True, running=False)
    assert candidate.endpoints == Endpoints("http://127.0.0.1:40001", "127.0.0.1:40002")
    assert serving.endpoints == Endpoints("http://127.0.0.1:8501", "127.0.0.1:8500")
    assert (candidate.rest_port, candidate.grpc_port) == (serving.rest_port, serving.grpc_port) == (8501, 8500)
    assert (candidate.running, serving.running) == (True, False)
    six = dataclasses.replace(RELEASE, host="::1").deployment(tmp_path, serving=True, running=True)
    assert six.endpoints == Endpoints("http://[::1]:8501", "[::1]:8500")


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", "null", "[" * 100_000, '{"name": "m"}'])
def test_a_half_written_or_garbled_release_is_nothing(tmp_path, text):
    if text is not None:
        (tmp_path / RELEASE_FILE).write_text(text)
    assert run_dir.read_labels(tmp_path) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("pid", "7"), ("pid", [1]), ("rest_port", "8501"), ("rest_port", None), ("models", "m"), ("models", [{}]),
     ("models", [{"name": "m", "versions": ["1"], "labels": [], "digests": []}]), ("host", None)],
)  # fmt: skip
def test_labels_of_other_types_are_nothing(tmp_path, key, value):
    (tmp_path / RELEASE_FILE).write_text(json.dumps({**dataclasses.asdict(RELEASE), key: value}))
    assert run_dir.read_labels(tmp_path) is None


def test_the_servers_files_are_put_there_whole_and_replaced_whole(tmp_path):
    run_dir.write_config(tmp_path, Rendered({"a.config": "one", "b.config": "two"}))
    first = (tmp_path / CONFIG_DIR / "a.config").stat().st_ino
    run_dir.write_config(tmp_path, Rendered({"a.config": "new"}))
    files = {path.name: path.read_text() for path in (tmp_path / CONFIG_DIR).iterdir()}
    assert files == {"a.config": "new", "b.config": "two"}
    assert (tmp_path / CONFIG_DIR / "a.config").stat().st_ino != first


def test_releases_are_directories_in_the_order_of_their_making(tmp_path):
    home = tmp_path / "m"
    assert run_dir.release_dirs(home) == ()
    made = [run_dir.new_release_id() for _ in range(20)]
    for name in reversed(made):
        (home / name).mkdir(parents=True)
    (home / ".lock-owner").touch()
    assert [directory.name for directory in run_dir.release_dirs(home)] == made
    assert len(set(made)) == 20


def full(directory: Path) -> Path:
    run_dir.write_labels(directory, RELEASE)
    run_dir.write_config(directory, Rendered({"a.config": "one"}))
    (directory / LOG_FILE).write_text("line")
    return directory


def test_a_directory_is_removed_and_may_be_removed_again(tmp_path):
    directory = full(tmp_path / "r")
    run_dir.delete(directory)
    run_dir.delete(directory)
    assert not directory.exists()


def test_the_labels_go_last_so_that_a_killed_removal_is_found_and_finished(tmp_path, monkeypatch):
    directory = full(tmp_path / "r")
    removed: list[str] = []

    def die_in_the_config(path: Path, **_: object) -> None:
        removed.append(path.name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_dir.shutil, "rmtree", die_in_the_config)
        with pytest.raises(KeyboardInterrupt):
            run_dir.delete(directory)
    assert removed == [CONFIG_DIR]
    assert run_dir.read_labels(directory) == RELEASE
    run_dir.delete(directory)
    assert not directory.exists()


def test_a_link_in_the_directory_goes_and_what_it_leads_to_stays(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    directory = full(tmp_path / "r")
    (directory / "directory-link").symlink_to(kept)
    (directory / "file-link").symlink_to(kept / "file")
    (directory / "dangling").symlink_to(tmp_path / "nowhere")
    run_dir.delete(directory)
    assert not directory.exists()
    assert (kept / "file").exists()


@pytest.mark.parametrize("umask", [0o027, 0o077])
def test_a_servers_user_may_read_its_config_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        run_dir.write_config(tmp_path / "release", Rendered({"models.config": "x"}))
    finally:
        os.umask(before)
    config = tmp_path / "release" / CONFIG_DIR
    assert (config.stat().st_mode & 0o777, (config / "models.config").stat().st_mode & 0o777) == (0o755, 0o644)
