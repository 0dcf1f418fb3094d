"""What a hint says to type is typed: it works, and it is what was needed."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
from collections.abc import Iterator

import keras
import pytest
from support.cli import ANY_PORTS, Ended, in_process


def hint(ended: Ended) -> str:
    """The hint of a command that failed."""
    found = re.search(r"^hint: (.*)", ended.err, re.MULTILINE | re.DOTALL)
    assert found, ended.err
    return found[1].strip()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that something listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def to_type(ended: Ended, option: str) -> list[str]:
    """An option with its value, as the hint says it."""
    words = hint(ended).split()
    start = words.index(option)
    return words[start : start + 2]


@pytest.mark.parametrize("which", ["rest", "grpc"])
@pytest.mark.parametrize("asked_by", ["option", "file", "variable"])
def test_a_port_that_is_taken_is_left_with_the_option_of_the_hint(project, monkeypatch, taken, which, asked_by):
    option, setting = f"--{which}-port", f"{which}_port"
    given = [option, str(taken)] if asked_by == "option" else []
    if asked_by == "file":
        (project / "deployer.toml").write_text(f"[server]\n{setting} = {taken}\n")
    if asked_by == "variable":
        monkeypatch.setenv(f"DEPLOYER_SERVER_{setting.upper()}", str(taken))
    for verb in ("plan", "up") if asked_by == "option" else ("plan",):
        refused = in_process(verb, "half_plus_two:1", *given, cwd=project)
        assert (refused.code, str(taken) in refused.err) == (6, True)
        ended = in_process(verb, "half_plus_two:1", *to_type(refused, option), cwd=project)
        assert ended.code == 0, ended.err


def test_both_ports_that_are_taken_are_left_one_after_the_other(project, taken):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = {"--rest-port": str(taken), "--grpc-port": str(other.getsockname()[1])}
        for option in tuple(ports):
            refused = in_process("plan", "half_plus_two", *sum(ports.items(), ()), cwd=project)
            ports |= [tuple(to_type(refused, option))]
        assert in_process("plan", "half_plus_two", *sum(ports.items(), ()), cwd=project).code == 0


@pytest.mark.parametrize("which", ["rest", "grpc"])
def test_a_change_without_such_options_names_the_line_to_write(project, taken, which):
    assert in_process("up", "half_plus_two:1", "-q", *ANY_PORTS, cwd=project).code == 0
    (project / "deployer.toml").write_text(f"server.{which}_port = {taken}\n")
    refused = in_process("redeploy", "half_plus_two", cwd=project)
    assert refused.code == 6
    line = re.match(r".* = \d+", hint(refused))
    assert line
    (project / "deployer.toml").write_text(line[0])
    assert in_process("redeploy", "half_plus_two", cwd=project).code == 0


@pytest.mark.parametrize("verb", ["up", "plan"])
@pytest.mark.parametrize(
    "source", ["nosuch.keras", "nosuch.h5", "nosuch.zip", "nosuch.pb", "nosuch.py:model", "nosuch/directory", "empty"]
)
def test_a_source_that_is_not_there_is_said_before_a_port_that_is_taken(tmp_path, taken, verb, source):
    (tmp_path / "empty").mkdir()
    ended = in_process(verb, source, "--name", "m", "--rest-port", str(taken), cwd=tmp_path)
    assert (ended.code, source.partition(":")[0] in ended.err, str(taken) in ended.err) == (4, True, False), ended.err


@pytest.mark.parametrize(
    ("verb", "takes_directory", "takes_file"),
    [
        (("up",), True, True),
        (("plan",), True, True),
        (("inspect",), True, False),
        (("render", "config"), False, False),
        (("render", "compose"), False, False),
        (("render", "docker-run"), False, False),
    ],
)
def test_an_unknown_name_is_answered_with_what_the_verb_takes(project, verb, takes_directory, takes_file):
    refused = in_process(*verb, "zz", cwd=project)
    assert refused.code == 4
    told = hint(refused)
    assert ("NAME[:VERSION]" in told, "SavedModel directory" in told, "file.py:name" in told) == (
        True, takes_directory, takes_file,
    )  # fmt: skip


@pytest.mark.parametrize("served", [False, True], ids=["nothing deployed", "a model deployed"])
@pytest.mark.parametrize(
    ("target", "verbs"), [("code.py:zzz", ("export", "up")), ("no.py:f", ("export", "up", "plan"))]
)
def test_every_verb_says_alike_that_a_name_is_not_in_the_code(project, served, target, verbs):
    """A plan does not run code, and so cannot tell what is in it."""
    (project / "code.py").write_text("def f(): pass\ndef g(): pass\n")
    if served:
        assert in_process("up", "half_plus_two:1", "-q", *ANY_PORTS, cwd=project).code == 0
    errors = [in_process(verb, target, "--name", "z", "--json", cwd=project).json["error"] for verb in verbs]
    assert errors == [errors[0]] * len(verbs)
    assert (errors[0]["code"], "--name" in (errors[0]["hint"] or "")) == (4, False)


@pytest.mark.parametrize("verb", ["export", "plan", "up"])
def test_what_exports_after_the_store_is_lost_says_which_version_the_server_unloads(project, verb):
    name = "half_plus_two"
    assert in_process("up", f"{name}:1", "-q", *ANY_PORTS, cwd=project).code == 0
    shutil.copytree(project / "models" / name / "2", project / name)
    shutil.rmtree(project / "models")
    ended = in_process(verb, name, "--name", name, "--json", cwd=project)
    (said,) = (text for text in ended.json["notices"] if "404" in text)
    assert (f"{name}:1" in said, f"{name}:2" in said) == (True, True)


def test_what_a_lost_store_is_made_again_with_works_as_typed(project):
    """The directory of models is gone; a SavedModel of the same name is left."""
    name = "half_plus_two"
    assert in_process("up", f"{name}:1", "-q", "--env", "staging", *ANY_PORTS, cwd=project).code == 0
    shutil.copytree(project / "models" / name / "1", project / name)
    (project / "models").rename(project / "lost")

    def verbs(version: int) -> tuple[tuple[str, ...], ...]:
        label, inspect = ("label", name, f"canary={version}"), ("inspect", f"{name}:{version}")
        return ("redeploy", name), label, ("predict", name), inspect

    commands = set()
    for verb in verbs(1):
        ended = in_process(*verb, "--env", "staging", cwd=project)
        assert ended.code == 4, ended.err
        commands.add(tuple(command_of(hint(ended), "up")))
    (command,) = commands
    made = in_process(*command, *ANY_PORTS, cwd=project)
    assert made.code == 0, made.err
    (version,) = (int(each.name) for each in (project / "models" / name).iterdir() if each.name.isdecimal())
    assert version == 2  # a server has 1
    (said,) = (line for line in made.err.splitlines() if "404" in line)
    assert f"{name}:1" in said
    assert f"{name}:2" in said
    for verb in verbs(version):
        assert in_process(*verb, "--env", "staging", cwd=project).code == 0
    assert in_process("down", name, "--env", "staging", cwd=project).code == 0


def command_of(text: str, start: str) -> list[str]:
    """The command in a hint that begins with these words, up to what it does."""
    found = re.search(rf"deployer ({re.escape(start)}.*?) (deploys|shows|takes|exports)\b", text)
    assert found, text
    return found[1].split()


VERBS = ("down", "logs", "status", "predict", "smoke", "redeploy", "rollback")
FILE = "[server]\nrest_port = 0\ngrpc_port = 0\n"


@pytest.mark.parametrize(
    ("verb", "env"), [*((verb, []) for verb in (*VERBS, "down --all")), ("logs", ["--env", "staging"])]
)
def test_where_nothing_is_deployed_the_hint_deploys_what_there_is(project, verb, env):
    (project / "deployer.toml").write_text(FILE + "[env.staging]\n")
    words = verb.split() if verb == "down --all" else [verb, "half_plus_two", *env]
    ended = in_process(*words, cwd=project)
    assert ended.code == 10
    typed = command_of(hint(ended), "up")
    assert typed[1:2] == ["half_plus_two"] or verb == "down --all"
    assert in_process("plan", *typed[1:], "--exit-code", cwd=project).code == 20


def test_where_another_store_was_named_the_hint_names_it_too(project):
    (project / "models").rename(project / "a store")
    ended = in_process("predict", "half_plus_two", "--models-dir", "a store", "--env", "staging", cwd=project)
    assert ended.code == 10
    (typed,) = re.findall(r"deployer (up .*?) deploys", hint(ended))
    assert in_process("plan", *shlex.split(typed)[1:], "--exit-code", cwd=project).code == 20


def test_inspect_shows_the_way_to_the_plan_where_another_version_is_deployed(project):
    assert in_process("up", "half_plus_two:1", "-q", *ANY_PORTS, cwd=project).code == 0
    found = in_process("inspect", "half_plus_two:2", "--json", cwd=project).json
    (command,) = re.findall(r"deployer (plan .+) shows", found["notes"][0])
    assert in_process(*shlex.split(command), "--exit-code", cwd=project).code == 20
    assert in_process("down", "half_plus_two", cwd=project).code == 0


@pytest.mark.parametrize("words", [["down", "--all"], ["logs", "net"], ["down"], ["predict"]], ids=" ".join)
def test_what_deployer_toml_lists_is_deployed_without_a_name(project, words):
    (project / "deployer.toml").write_text('name = "net"\n' + FILE + "[models.half_plus_two]\n")
    ended = in_process(*words, cwd=project)
    assert ended.code == 10
    assert command_of(hint(ended), "up") == ["up"]
    assert in_process("plan", "--exit-code", cwd=project).code == 20


@pytest.mark.parametrize("words", [["down", "--all"], ["logs", "net"], ["down"], ["down", "net"]], ids=" ".join)
def test_an_empty_project_is_told_how_a_model_is_deployed(empty_project, words):
    ended = in_process(*words, cwd=empty_project)
    assert (ended.code, "deployer up SOURCE" in hint(ended)) == (10, True)


def test_of_another_name_the_hint_shows_what_is_deployed(project):
    (project / "deployer.toml").write_text(FILE + "[env.staging]\n")
    assert in_process("up", "half_plus_two:1", "--env", "staging", "-q", cwd=project).code == 0
    for verb in VERBS:
        ended = in_process(verb, "half_plus_tow", cwd=project)
        assert ended.code == 10
        assert "did you mean half_plus_two?" in hint(ended)
        shown = in_process(*command_of(hint(ended), "status"), "--json", cwd=project)
        assert [each["deployment"]["name"] for each in shown.json["deployments"]] == ["half_plus_two"]
    unnamed = in_process("down", cwd=project)
    assert (unnamed.code, "half_plus_two [staging]" in hint(unnamed)) == (10, True)


def typed_commands(text: str) -> list[list[str]]:
    """The commands of a hint, each up to what it does."""
    found = re.findall(r"deployer (.+?)(?= (?:asks|serves|shows|goes|exports)\b|; |$)", text)
    return [shlex.split(command) for command in found]


def test_a_version_that_is_not_served_is_answered_with_what_is_and_how_it_would_be(project):
    assert in_process("up", "half_plus_two:2", "-q", *ANY_PORTS, cwd=project).code == 0
    for more in ([], ["--input", '{"instances": [2.0]}']):
        ended = in_process("predict", "half_plus_two", "--version", "1", *more, cwd=project)
        assert (ended.code, "served: 2" in ended.err) == (2, True)
        ask, serve = typed_commands(hint(ended))
        assert (ask[0], in_process(*ask, *more, cwd=project).code) == ("predict", 0)
    assert in_process(*serve, cwd=project).code == 0
    assert in_process("predict", "half_plus_two", "--version", "1", cwd=project).code == 0
    missing = in_process("predict", "half_plus_two", "--version", "77", cwd=project)
    assert (missing.code, "served: 1" in missing.err) == (2, True)
    assert all(in_process(*command, cwd=project).code == 0 for command in typed_commands(hint(missing)))


@pytest.mark.parametrize("model", ["half_plus_two", "text", "several"])
def test_without_a_golden_question_the_hint_asks_one_that_is_answered(project, model):
    assert in_process("up", model, "-q", *ANY_PORTS, cwd=project).code == 0
    golden = next((project / "models" / model).glob("*/assets.extra"))
    shutil.rmtree(golden)
    for gone in (golden, project / "models"):
        shutil.rmtree(gone, ignore_errors=True)
        ended = in_process("predict", model, cwd=project)
        assert ended.code == 4
        (command,) = (typed for typed in typed_commands(hint(ended)) if typed[0] == "predict")
        asked = in_process(*command, cwd=project)
        assert asked.code == 0, asked.err
        assert asked.json["outputs"]


@pytest.mark.parametrize("harm", ["removed", "changed"])
def test_a_rollback_that_cannot_be_names_what_can_be_done(project, harm):
    source = project / "net.keras"
    for size in (1, 2, 3):
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(size, name="dense")]).save(source)
        up = in_process("up", "net.keras", "--allow-breaking", "-q", *ANY_PORTS, cwd=project)
        assert up.code == 0, up.err
    version = project / "models" / "net" / "2"
    if harm == "removed":
        shutil.rmtree(version)
    else:
        (version / "fingerprint.pb").unlink()
        (version / "fingerprint.pb").write_bytes(b"x")
    ended = in_process("rollback", "net", cwd=project)
    assert ended.code == 4
    back, export = typed_commands(hint(ended))
    assert in_process(*export, cwd=project).code == 0
    assert in_process(*back, cwd=project).code == 0
    (serving,) = in_process("status", "--json", cwd=project).json["deployments"]
    assert serving["deployment"]["models"][0]["versions"] == [1]


def test_init_ends_with_the_command_that_deploys(empty_project):
    def next_step() -> list[str]:
        ended = in_process("init", "--name", "net", "--force", cwd=empty_project)
        assert (ended.code, ended.out) == (0, "wrote deployer.toml\n")
        return shlex.split(ended.err.strip().splitlines()[-1].partition("deployer ")[2])

    assert next_step() == ["up", "SOURCE", "--name", "net"]
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(empty_project / "my net.keras")
    command = next_step()
    assert command == ["up", "my net.keras", "--name", "net"]
    shutil.copy(empty_project / "my net.keras", empty_project / "a.keras")
    assert next_step() == ["up", "SOURCE", "--name", "net"]
    shutil.copy(empty_project / "my net.keras", empty_project / "net.keras")
    assert next_step() == ["up", "net.keras", "--name", "net"]
    assert in_process(*command, "-q", *ANY_PORTS, cwd=empty_project).code == 0
    assert next_step() == ["up"]
    assert in_process("up", "-q", cwd=empty_project).code == 0
    assert in_process("init", "--name", "net", "--force", "--json", cwd=empty_project).err == ""
