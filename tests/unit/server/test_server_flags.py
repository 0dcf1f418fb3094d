"""The command line is read by TensorFlow's rules, and refused before TensorFlow is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deployer.server.checks import check
from deployer.server.flag_table import FLAGS, OWN_FLAGS, SERVING_FLAGS, Flag
from deployer.server.flags import UsageError, parse, usage
from deployer.server.status import ServingError


def test_the_table_holds_all_flags_of_tensorflow_serving_and_names_none_twice() -> None:
    assert len(SERVING_FLAGS) == 48
    names = [flag.name for flag in SERVING_FLAGS + OWN_FLAGS]
    assert len(set(names)) == len(names)


def test_defaults_hold_where_nothing_is_given() -> None:
    options = parse([])
    assert options.number("port") == 8500
    assert options.number("rest_api_port") == 0
    assert options.text("model_name") == "default"
    assert options.on("flush_filesystem_caches")
    assert options.explicit == frozenset()


@pytest.mark.parametrize("text", ["", "=true", "=True", "=TRUE", "=tRuE", "=1"])
def test_a_boolean_is_switched_on_as_tensorflow_reads_it(text: str) -> None:
    assert parse([f"--reuse_port{text}"]).on("reuse_port")


@pytest.mark.parametrize("text", ["=false", "=False", "=FALSE", "=0"])
def test_a_boolean_is_switched_off_as_tensorflow_reads_it(text: str) -> None:
    assert not parse([f"--flush_filesystem_caches{text}"]).on("flush_filesystem_caches")


def test_the_last_value_wins() -> None:
    assert parse(["--port=1", "--port=2"]).number("port") == 2


@pytest.mark.parametrize("argument", ["--no_such_flag=1", "--port", "8500", "-port=1", "--Port=1", "--port:1", ""])
def test_what_is_no_flag_is_kept_as_unknown(argument: str) -> None:
    options = parse([argument])
    assert options.unknown == (argument,)
    assert options.number("port") == 8500


@pytest.mark.parametrize(
    "argument",
    [
        "--enable_batching=maybe",
        "--enable_batching=",
        "--enable_batching=yes",
        "--enable_batching=01",
        "--enable_batching= true",
        "--port=",
        "--port=85x",
        "--port=8.5",
        "--port=9223372036854775808",
        "--per_process_gpu_memory_fraction=half",
        "--help",
    ],
)
def test_a_bad_value_of_a_known_flag_is_an_error(argument: str) -> None:
    with pytest.raises(UsageError):
        parse([argument])


INTEGERS = [flag for flag in FLAGS.values() if type(flag.default) is int]
OF_64_BITS = {
    "load_retry_interval_micros",
    "tensorflow_session_parallelism",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
}
"""Those that are int64 in TensorFlow Serving's `main.cc`; all others are int32."""


@pytest.mark.parametrize("flag", INTEGERS, ids=lambda flag: flag.name)
def test_an_integer_has_the_bits_that_tensorflow_serving_gives_it(flag: Flag) -> None:
    limit = 2**63 if flag.name in OF_64_BITS else 2**31
    for value in (limit - 1, -limit):
        assert parse([f"--{flag.name}={value}"]).number(flag.name) == value
    for value in (limit, -limit - 1, 2**64 + 1, 10**400):
        with pytest.raises(UsageError, match=flag.name):
            parse([f"--{flag.name}={value}"])


def test_arguments_after_two_dashes_are_unknown_ones() -> None:
    options = parse(["--port=1", "--", "--port=2", "--help"])
    assert options.number("port") == 1
    assert options.unknown == ("--", "--port=2", "--help")


def test_help_behind_another_unknown_argument_is_one_itself() -> None:
    assert parse(["--no_such_flag", "--help"]).unknown == ("--no_such_flag", "--help")


def test_flags_without_effect_are_named_only_when_they_ask_for_something() -> None:
    options = parse(["--enable_profiler=true", "--prefer_tflite_model=true", "--port=1"])
    assert options.ignored_flags() == ["prefer_tflite_model"]


def test_usage_tells_every_flag_with_its_default() -> None:
    text = usage("server")
    assert '--model_name="default"' in text
    assert "--port=8500" in text
    assert "--flush_filesystem_caches=true" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port=0", "--model_base_path=/m"], "grpc_port or server_options.grpc_socket_path"),
        (["--rest_api_port=70000", "--model_base_path=/m"], "--rest_api_port=70000 is not a port"),
        (["--port=-1", "--model_base_path=/m"], "--port=-1 is not a port"),
        (["--public_rest_api_port=65536", "--model_base_path=/m"], "--public_rest_api_port=65536 is not a port"),
        ([], "Both server_options.model_base_path and server_options.model_config_file are empty!"),
        (["--model_base_path=/m", "--ssl_config_file=/s"], "NOT_FOUND: /s; No such file or directory"),
        (
            ["--model_base_path=/m", "--ssl_config_file=/s", "--use_alts_credentials"],
            "Either use_alts_credentials must be false or ssl_config_file must be empty",
        ),
        (
            [
                "--model_base_path=/m",
                *(f"--tensorflow_{n}_parallelism=2" for n in ("session", "intra_op", "inter_op")),
            ],
            "You cannot configure all",
        ),
        (["--model_base_path=/m", "--platform_config_file=/p"], "asks for what this server cannot do yet"),
        (["--model_base_path=/m", "--use_alts_credentials"], "only TensorFlow Serving itself can do"),
        (["--model_base_path=/m", "--batching_parameters_file=/b"], "without setting server_options.enable_batching"),
    ],
)
def test_flags_that_contradict_each_other_are_refused(arguments: list[str], said: str) -> None:
    with pytest.raises((ValueError, ServingError), match=said):
        check(parse(arguments))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--enable_batching=maybe"], 255, "Couldn't interpret value maybe for flag enable_batching."),
        (["--model_config_file=/no/such/file"], 255, "NOT_FOUND: /no/such/file; No such file or directory"),
        (["--model_base_path=relative"], 255, "got base_path()=relative"),
        (["--unknown=1"], 255, "unknown argument: --unknown=1"),
    ],
)
def test_refusals_come_before_tensorflow_is_imported(arguments: list[str], code: int, said: str) -> None:
    program = (
        "import sys; from deployer.server.__main__ import main; code = main(sys.argv[1:]);"
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stdout
