"""The reference and the schema say all that the code does, and what they say is up to date."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.cli import deployer, environment

from deployer.config import loader, spec, tables
from deployer.errors import DeployerError, exit_codes
from deployer.results.changes import UpResult
from deployer.results.checks import Check

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
SCHEMA = json.loads((ROOT / "docs" / "deployer.schema.json").read_text())
EXAMPLE = (ROOT / "templates" / "deployer.toml.j2").read_text()
TABLES = {name: kind for name, kind in tables.TABLES.items() if name != tables.OF_A_MODEL}
KINDS = (spec.Spec, spec.ModelSpec, *TABLES.values())
VERBS = set("init export plan up down status logs smoke predict versions inspect render".split()) | {
    "image build",
    "image push",
}
KEYS = [(kind.__name__, field.name) for kind in KINDS for field in dataclasses.fields(kind)]


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def listed_verbs() -> list[str]:
    """The verbs as `deployer --help` prints them."""
    commands = deployer("--help", cwd=ROOT).out.partition("\n\nDeploy:\n")[2].partition("\n\n  'deployer help")[0]
    return re.findall(r"^  (\w+(?: \w+)?)  ", commands, re.MULTILINE)


def errors(kind: type[DeployerError] = DeployerError) -> list[type[DeployerError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in errors(child))]


def test_the_generated_files_are_up_to_date() -> None:
    ended = run("docs/generate.py", "--check")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_drift_is_noticed(tmp_path: Path) -> None:
    """In a copy of docs/, so that the checkout stays as it is."""
    import shutil

    docs = Path(shutil.copytree(ROOT / "docs", tmp_path / "docs"))
    (docs / "reference.md").write_text(REFERENCE.replace("### up", "### upp", 1))
    stale = run(str(docs / "generate.py"), "--check", cwd=tmp_path)
    assert (stale.returncode, stale.stderr) == (1, "docs/reference.md is out of date: make docs\n")
    assert run(str(docs / "generate.py"), cwd=tmp_path).returncode == 0
    assert (docs / "reference.md").read_text() == REFERENCE


def test_every_verb_is_documented_with_its_options() -> None:
    verbs = listed_verbs()
    assert {*verbs} >= VERBS
    for verb in verbs:
        chapter = REFERENCE.partition(f"\n### {verb}\n")[2].partition("\n### ")[0]
        text = deployer(*verb.split(), "--help", cwd=ROOT).out
        options = {word.strip(",") for word in text.split() if word.startswith("--") and word.strip(",") != "--help"}
        assert options, verb
        assert not {option for option in options if option not in chapter}, verb
        assert f"`{verb}`" in REFERENCE.partition("## Results as JSON")[2].partition("###")[0]


def test_no_table_is_left_out() -> None:
    assert {kind.__name__ for kind in KINDS} == {"Spec", *SCHEMA["$defs"]} - {"Overlay"}


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_every_setting_is_in_reference_schema_and_example(kind: str, key: str) -> None:
    assert f"| `{key}` |" in REFERENCE or f"### [{key}]" in REFERENCE or f"### [{key}.NAME]" in REFERENCE
    definition = SCHEMA if kind == "Spec" else SCHEMA["$defs"][kind]
    assert definition["properties"][key]["description"]
    assert key in EXAMPLE


@pytest.mark.parametrize(("name", "kind"), TABLES.items())
def test_every_setting_of_a_table_is_in_its_own_chapter(name: str, kind: type) -> None:
    chapter = REFERENCE.partition(f"\n### [{name}]\n")[2].partition("\n### ")[0]
    example = re.split(r"^(?:# )?\[", EXAMPLE.partition(f"[{name}]")[2], flags=re.MULTILINE)[0]
    keys = [field.name for field in dataclasses.fields(kind) if field.name not in TABLES]
    assert keys
    assert [key for key in keys if f"| `{key}` |" not in chapter] == []
    assert [key for key in keys if not re.search(rf"^(?:# )?{key} = ", example, re.MULTILINE)] == []


VALUES = {
    "integer": "5", "number": "0.5", "boolean": "true", "string": '"a"', "path": '"a"', "list of integers": "[32]",
    "list of strings": "[]", "table of integers": "{}", "table of strings": "{}", "table of values": "{}",
}  # fmt: skip
OWN_VALUES = {
    "monitoring.path": '"/metrics"', "gateway.tls": "true", "gateway.max_body": '"16m"', "docker.memory": '"16m"',
    "docker.shm_size": '"16m"', "docker.host": '"unix:///docker.sock"', "docker.platform": '"linux/amd64"',
    "docker.user": '"1:1"', "server.host": '"127.0.0.1"', "docker.gpus": "0",
    "kubernetes.memory_request": '"16m"', "kubernetes.max_replicas": "5", "kserve.storage_uri": '"s3://bucket/models"',
    "env_file": '"/dev/null"', "swarm.spread": '"node.labels.zone"', "swarm.reserve_memory": '"16m"',
}  # fmt: skip
TOGETHER = {"gateway.certificate": "key", "gateway.key": "certificate"}


def documented_keys() -> list[tuple[str, str, str]]:
    """The rows of the tables of `deployer.toml`: the table, the key, and the type."""
    chapter = REFERENCE.partition("\n## deployer.toml\n")[2].partition("\n## ")[0]
    titles = {f"[{name}]": name for name in TABLES} | {"At the top": "", "[models.NAME]": "models.m"}
    return [
        (titles[title], row[0].strip("`"), row[1].strip("`"))
        for title, _, text in (part.partition("\n") for part in chapter.split("\n### ")[1:])
        for row in ([cell.strip() for cell in line.split("|")[1:]] for line in text.splitlines() if line[:3] == "| `")
    ]


@pytest.mark.parametrize(("table", "key", "kind"), documented_keys())
@pytest.mark.parametrize("overlay", ["", "env.local"])
def test_a_file_and_an_overlay_may_set_each_documented_key(tmp_path, table, key, kind, overlay) -> None:
    path = ".".join(filter(None, (table, key)))
    value = OWN_VALUES.get(path) or VALUES.get(kind) or f'"{kind.partition("`")[0]}"'
    lines = [f"{path} = {value}"]
    if table == "gateway" and key != "enabled":
        lines += ["gateway.enabled = false"]
    if path in TOGETHER:
        lines += [f'gateway.{TOGETHER[path]} = "b"', "gateway.tls = true"]
    if path in ("kubernetes.ingress_class", "kubernetes.tls_secret", "kubernetes.gateway"):
        lines += ['kubernetes.host = "a.example.com"']
    if path == "kubernetes.models_path":
        lines += ['kubernetes.models_claim = "models"']
    (tmp_path / "deployer.toml").write_text("\n".join((f"[{overlay}]" if overlay else "", *lines)))
    loader.load(tmp_path / "deployer.toml", environ={})


def test_every_exit_code_and_error_is_documented() -> None:
    chapter = REFERENCE.partition("## Exit codes and errors")[2].partition("\n## ")[0]
    known = [found for found in errors() if found.__module__ == "deployer.errors"]
    assert not {found.__name__ for found in known if found.__name__ not in chapter}
    assert not {
        code for code in {found.exit_code for found in known} | {0, 20, 70, 130} if f"| `{code}` |" not in chapter
    }


def test_every_error_is_in_the_catalogue_under_its_exit_code() -> None:
    sections = re.split(r"^## (\d+): ", (ROOT / "docs" / "errors.md").read_text(), flags=re.MULTILINE)[1:]
    listed = {
        int(code): re.findall(r"^### (\w+)$", text, re.MULTILINE)
        for code, text in zip(sections[::2], sections[1::2], strict=True)
    }
    assert [*listed] == [*exit_codes()]
    known = [found for found in errors() if found.__module__ == "deployer.errors"]
    assert {(found.exit_code, found.__name__) for found in known} == {
        (code, name) for code, names in listed.items() for name in names
    }


def test_every_template_is_documented() -> None:
    names = [path.name for path in (ROOT / "templates").glob("*.j2")]
    assert names
    assert not [name for name in names if f"| `{name}` |" not in REFERENCE]


@pytest.mark.parametrize("kind", [UpResult, Check])
def test_every_field_of_a_result_is_documented(kind: Any) -> None:
    chapter = REFERENCE.partition(f"\n### {kind.__name__}\n")[2].partition("\n### ")[0]
    assert not [field.name for field in dataclasses.fields(kind) if f"| `{field.name}` |" not in chapter]


def test_overlays_may_set_what_the_document_may() -> None:
    overlay = SCHEMA["$defs"]["Overlay"]
    assert overlay["properties"].keys() == SCHEMA["properties"].keys() - {"env"}
    assert overlay["additionalProperties"] is False
