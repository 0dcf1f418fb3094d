"""Every result is one JSON object without loss."""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import pkgutil
from importlib import import_module
from typing import Any

import pytest
from support import schemas
from support.results import (
    PROOF,
    RESULTS,
    STATUS,
    UP,
)

from deployer import console, results
from deployer.errors import VerificationFailed
from deployer.results.checks import DoctorResult, Finding, MissingPackages, Report
from deployer.results.differences import Numbers
from deployer.results.launch import Rendered

FAILURE = VerificationFailed("it answered wrong", hint="look at it", log=("first", "last"))


VALUES = ("deployment", "launch", "model", "plan", "progress", "served", "steps")


def test_every_result_of_a_verb_is_among_the_samples():
    modules = [
        import_module(f"deployer.results.{module.name}")
        for module in pkgutil.iter_modules(results.__path__)
        if module.name not in VALUES
    ]
    kinds = {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, dataclasses.is_dataclass)
        if kind.__module__ == module.__name__
    }
    assert kinds == {type(result) for result in RESULTS}


def only_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and only_json(item) for key, item in value.items())
    return all(map(only_json, value)) if type(value) is list else type(value) in (str, int, float, bool, type(None))


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_result_is_one_object_with_all_of_its_fields(result, capsys):
    assert only_json(console.objects.json_value(result))
    console.objects.show_json(result)
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"schema": console.objects.SCHEMA, **console.objects.json_value(result)}
    if type(result) not in (MissingPackages, Numbers):  # no command prints them
        schemas.check(type(result).__name__, json.loads(shown.out))
    assert {field.name for field in dataclasses.fields(result)} <= set(json.loads(shown.out))
    assert shown.err == ""


def test_what_scripts_read_has_its_names(capsys):
    console.objects.show_json(UP)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["engine"], shown["plan"]["change"]) == ("m", "embedded", "create")
    assert shown["models"][0] == {
        "name": "m", "versions": [1, 2], "labels": [["stable", 1]], "digests": ["a", "b"],
    }  # fmt: skip
    assert shown["endpoints"] == {"rest": "http://127.0.0.1:8501", "grpc": "127.0.0.1:8500"}
    assert shown["report"]["ok"] is False
    assert [check["ok"] for check in shown["report"]["checks"]] == [True, False]


def test_proofs_and_examinations_tell_whether_they_are_fine():
    assert console.objects.json_value(Report(()))["ok"] is False
    assert console.objects.json_value(Report(PROOF.checks[:1]))["ok"] is True
    assert console.objects.json_value(DoctorResult((Finding("x", "warning", "y"),)))["ok"] is True
    assert console.objects.json_value(DoctorResult((Finding("x", "error", "y"),)))["ok"] is False


def test_rendered_files_are_an_object_by_name():
    assert console.objects.json_value(Rendered({"a.config": "text"})) == {"files": {"a.config": "text"}, "notices": []}


def test_an_error_as_json_is_one_object_on_stdout(capsys):
    console.objects.error_json(FAILURE)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "schema": console.objects.SCHEMA,
        "error": {"code": 8, "message": "it answered wrong", "hint": "look at it", "log": ["first", "last"]},
    }
    schemas.check("Failure", json.loads(shown.out))


def test_an_answer_of_a_server_stays_as_it_is(capsys):
    console.objects.show_answer({"predictions": [1]})
    assert json.loads(capsys.readouterr().out) == {"predictions": [1]}


def test_an_error_has_what_succeeded(capsys):
    failure = VerificationFailed("one engine does not answer")
    failure.results = (STATUS,)
    console.objects.error_json(failure)
    schemas.check("Failure", json.loads(capsys.readouterr().out))


def test_json_is_json_on_a_terminal_without_umlauts(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    console.objects.show_json({"name": "m\u00fc\udcff"})
    assert json.loads(written.getvalue())["name"] == "m\u00fc\udcff"
