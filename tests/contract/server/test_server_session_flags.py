"""Flags that change how a Session runs a model: XLA and mixed precision."""

from __future__ import annotations

from pathlib import Path

from contract.server.server_process import MODELS, serving

COMPILED = ("--model_name=compiled", f"--model_base_path={MODELS / 'compiled'}")


def test_a_model_that_asks_for_xla_has_it(tmp_path: Path) -> None:
    with serving(tmp_path, *COMPILED, "--xla_cpu_compilation_enabled=true") as server:
        assert server.wait_ready().predict("compiled", 1.0) == (200, {"predictions": [2.5]})


def test_mixed_precision_is_bfloat16_or_none(tmp_path: Path) -> None:
    model = ("--model_name=half_plus_two", f"--model_base_path={MODELS / 'half_plus_two'}")
    for value, said in (
        ("bfloat16", "Running inference with bfloat16 auto mixed precision"),
        ("float8", "float8 auto mixed precision is not supported. Valid option: bfloat16"),
    ):
        with serving(tmp_path, *model, f"--mixed_precision={value}") as server:
            assert server.wait_ready().predict("half_plus_two/versions/3", 2.0)[0] == 200
            assert said in server.log


def test_a_flag_without_effect_is_named_with_the_reason(tmp_path: Path) -> None:
    flags = ("--prefer_tflite_model=true", "--num_unload_threads=0", "--enable_profiler=false")
    with serving(tmp_path, *COMPILED, *flags) as server:
        server.wait_ready()
        assert "--prefer_tflite_model is accepted and has no effect in this server: TF Lite is" in server.log
        assert "--enable_profiler is accepted and has no effect in this server: there is no profiler" in server.log
        assert "--num_unload_threads" not in server.log
