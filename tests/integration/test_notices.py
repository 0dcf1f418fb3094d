"""What a command chose, left out or found is in its result and on stderr, and `-q` silences progress alone."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, Ended, in_process
from support.files import as_text, copy_model

from deployer.engines import run_dir
from deployer.engines.run_dir import Release
from deployer.results.served import ServedModel
from deployer.rollout.ledger import LEDGER_FILE, Ledger

MODELS = (ServedModel("m", (1,), (), ("d",)),)
OLD = Release("m", "local", "1-old", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", MODELS, 0)


def litter(directory: Path) -> Path:
    (directory / ".DS_Store").write_bytes(b"\0")
    return directory


def renumbered(directory: Path) -> Path:
    """A base path whose version cannot keep its number: the store has a higher one."""
    base = directory.parent / "base"
    (directory.parent / "models/m").mkdir(parents=True)
    shutil.copytree(directory, directory.parent / "models/m/7")
    base.mkdir()
    directory.rename(base / "5")
    return base


def kept_examples(directory: Path) -> Path:
    rows = [{"x": float(number)} for number in range(40)]
    (directory.parent / "rows.json").write_text(json.dumps({"instances": rows}))
    return directory


KINDS = [
    (litter, (), ".DS_Store"),
    (as_text, (), "saved_model.pbtxt"),
    (renumbered, (), "version 5"),
    (Path, ("--no-warmup",), ""),
    (kept_examples, ("--examples", "rows.json"), "32 of 40"),
]


def said(ended: Ended) -> list[str]:
    return [line.removeprefix("note: ") for line in ended.err.splitlines() if line.startswith("note: ")]


@pytest.mark.parametrize("quiet", [(), ("-q",)], ids=["plain", "quiet"])
@pytest.mark.parametrize(("change", "options", "text"), KINDS)
def test_what_an_export_chose_is_said_once_by_export_and_by_up(empty_project, change, options, text, quiet):
    source = str(change(copy_model(empty_project / "saved")))
    arguments = (source, "--name", "m", *options, *quiet)
    ended = in_process("export", *arguments, "--force", cwd=empty_project)
    shown = in_process("export", *arguments, "--force", "--json", cwd=empty_project)
    assert ended.code == shown.code == 0, ended.err
    noted = [*shown.json["notices"], *shown.json["model"]["golden"]["notes"]]
    assert any(text in each for each in noted) is bool(text), noted
    assert len(said(ended)) == len(shown.json["notices"])
    golden = [each for each in ended.out.splitlines() if "note: " in each]
    assert sum(text in each for each in (*said(ended), *golden)) == len(noted)
    up = in_process("up", *arguments, "--force", *ANY_PORTS, "--json", cwd=empty_project)
    assert up.code == 0, up.err
    assert sum(text in each for each in up.json["notices"]) == len(noted)
    assert (up.err == "") is bool(quiet)


def test_an_overridden_backend_of_keras_is_said_quietly_too(empty_project, monkeypatch):
    import keras

    keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1)]).save(empty_project / "m.keras")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    for verb in (("export",), ("up", *ANY_PORTS)):
        ended = in_process(*verb, "m.keras", "--force", "-q", cwd=empty_project)
        assert ended.code == 0, ended.err
        assert ["KERAS_BACKEND" in each for each in said(ended)] == [True]
        assert "…" not in ended.err


@pytest.mark.parametrize("as_json", [False, True])
def test_an_error_after_an_export_has_its_notices(empty_project, as_json):
    source = litter(copy_model(empty_project / "saved"))
    port = ("--rest-port", "0", "--grpc-port", "0", "--timeout", "0.001")
    ended = in_process("up", str(source), "--name", "m", "-q", *port, *["--json"] * as_json, cwd=empty_project)
    assert ended.code == 7, ended.err
    notices = ended.json["notices"] if as_json else said(ended)
    assert [".DS_Store" in each for each in notices] == [True]


@pytest.mark.parametrize("quiet", [(), ("-q",)], ids=["plain", "quiet"])
@pytest.mark.parametrize("verb", ["up", "redeploy", "down", "down --all"])
def test_an_adoption_and_what_was_killed_are_notices(project, verb, quiet):
    """A deployment from before there were projects, and a release that never ended."""
    labels = dataclasses.replace(OLD, name="half_plus_two")
    labels = dataclasses.replace(labels, models=(ServedModel("half_plus_two", (1,), (), ("d",)),))
    run_dir.write_labels(project / ".deployer/run/local/half_plus_two/1-old", labels)
    ledger = Ledger(project / ".deployer" / LEDGER_FILE)
    for json_too in ((), ("--json",)):
        if json_too:
            in_process("down", "--all", cwd=project)
            run_dir.write_labels(project / ".deployer/run/local/half_plus_two/1-old", labels)
        ledger.begin("half_plus_two", "local", "embedded", "create", MODELS)
        target = () if verb == "down --all" else ("half_plus_two",)
        ports = ANY_PORTS if verb == "up" else ()
        ended = in_process(*verb.split(), *target, *ports, *quiet, *json_too, cwd=project)
        assert ended.code == 0, ended.err
        result = ended.json if json_too else None
        if result and verb == "down --all":
            result = result["deployments"][0]
        notices = result["notices"] if result else said(ended)
        for text in ("before there were projects", "was killed at"):
            assert sum(text in each for each in notices) == 1, notices
            assert ended.err.count(text) == (0 if json_too else 1)


def without_default(directory: Path) -> Path:
    """A SavedModel whose signatures have names of their own."""
    import tensorflow as tf

    module = tf.Module()
    spec = tf.TensorSpec([None], tf.float32, name="x")
    scale = tf.function(lambda x: {"y": x * 2.0}, input_signature=[spec])
    shift = tf.function(lambda x: {"y": x + 2.0}, input_signature=[spec])
    tf.saved_model.save(module, str(directory), signatures={"scale": scale, "shift": shift})
    return directory


def test_a_model_without_serving_default_is_noted_at_export_and_by_inspect(tmp_path):
    without_default(tmp_path / "nodef")
    made = in_process("export", "nodef", "--json", cwd=tmp_path)
    assert made.code == 0, made.err
    for notes in (made.json["notices"], in_process("inspect", "nodef:1", "--json", cwd=tmp_path).json["notes"]):
        (said,) = [note for note in notes if "--default-signature" in note]
        assert all(name in said for name in ("scale", "shift"))
    named = in_process("export", "nodef", "--default-signature", "scale", "--json", cwd=tmp_path)
    assert (named.code, named.json["model"]["version"]) == (0, 2), named.err
    assert not any("--default-signature" in note for note in named.json["notices"])


def test_predict_without_input_says_what_it_asks(tmp_path):
    copy_model(tmp_path / "m")
    made = in_process("up", "m", "-q", *ANY_PORTS, cwd=tmp_path)
    assert made.code == 0, made.err
    asked = in_process("predict", "m", cwd=tmp_path)
    (said,) = asked.err.splitlines()
    assert all(text in said for text in ("m:1", "serving_default", "golden"))
    assert in_process("predict", "m", "--input", '{"instances": [2.0]}', cwd=tmp_path).err == ""
    assert in_process("down", "m", cwd=tmp_path).code == 0
