"""Known log lines become a cause and a next step; others are left alone."""

from __future__ import annotations

import re

import pytest

from deployer.rollout.log_patterns import KNOWN_CAUSES, explain, without_noise

# Lines as TensorFlow Serving writes them (recorded, or quoted in its sources), with a word that the cause must hold.
LINES = [
    ("Could not find base path /models/m for servable m with error NOT_FOUND: /models/m not found", "/models/m"),
    ("No versions of servable m found under base path /models/m. Did you forget to name your leaf", "version of m"),
    (
        "FileSystemStoragePathSource encountered a filesystem access error: /models/m; Permission denied",
        "may not read /models/m",
    ),
    ("DATA_LOSS: corrupted record at 0. Please verify your warmup data is in TFRecord format.", "warm-up file"),
    ("INVALID_ARGUMENT: Failed to parse warmup record: x from /m", "warm-up file"),
    ("UNIMPLEMENTED: File system scheme 's3' not implemented (file: 's3://b/m')", "reads no s3:// paths"),
    ("PERMISSION_DENIED: /models/m/1/saved_model.pb; Permission denied", "may not read /models/m/1/saved_model.pb"),
    ("PermissionError: [Errno 13] Permission denied: '/models/m/1/saved_model.pb'", "may not read /models/m/1/saved"),
    ("Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '/config/x'", "/config/x"),
    ("Could not find variable dense/kernel. This could mean that the variable has been deleted.", "dense/kernel"),
    ("{{{name: m version: 1} due to error: DATA_LOSS: Can't parse /m/saved_model.pb as binary proto}, }", "damaged"),
    ("Op type not registered 'FancyOp' in binary running on host", "FancyOp"),
    ("ValueError: callback pyfunc_0 is not found", "Python"),
    ("Could not find meta graph def matching supplied tags: { tpu }. To inspect", "{ tpu }"),
    ("Request to assign label to version 3 of model m, which is not currently available for inference", "m:3"),
    ("Expected model m to have an absolute path or URI; got base_path()=rel/path", "absolute"),
    ("INVALID_ARGUMENT: No request-logger-creator provided.", "logging_config"),
    ("Failed to start HTTP Server at localhost:8501", "8501"),
    (
        "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 32",
        "allowed_batch_sizes",
    ),
    ("INTERNAL: XLA compilation disabled\n\t [[{{node XlaCallModule}}]]", "XLA must compile"),
    (
        "INVALID_ARGUMENT: Cannot assign a device for operation sum: {{node sum}} was explicitly assigned to "
        "/device:GPU:0 but available devices are [ /job:localhost/replica:0/task:0/device:CPU:0 ]",
        "docker.gpus",
    ),
    ("exec /usr/bin/tf_serving_entrypoint.sh: exec format error", "another processor"),
    ("[FATAL tini (7)] exec /usr/bin/tf_serving_entrypoint.sh failed: Exec format error", "another processor"),
    ("unknown argument: --no_such_flag=1", "--no_such_flag=1"),
]


@pytest.mark.parametrize(("line", "says"), LINES)
def test_a_known_line_is_explained_with_a_next_step(line, says):
    explained = explain(["something else", line])
    assert explained is not None
    assert says in explained
    assert "{" not in explained.replace("{ tpu }", "")


def test_every_row_of_the_table_is_proven_by_a_line():
    for known in KNOWN_CAUSES:
        assert any(re.search(known.pattern, line) for line, _ in LINES), known.pattern


def test_other_lines_are_left_alone():
    assert explain(["Successfully loaded servable version {name: m version: 1}", ""]) is None
    assert explain([]) is None


def test_lines_of_every_start_are_left_out_and_others_stay():
    noise = [
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "I0000 port.cc:153] oneDNN custom operations are on. You may see slightly different numerical results",
        "I0000 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.",
        "E0000 cuda_dnn.cc:8310] Unable to register cuDNN factory: Attempting to register factory",
        "To enable the following instructions: AVX2 FMA, rebuild TensorFlow with the appropriate compiler flags.",
        "2026-01-01 tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow binary is optimized",
    ]
    reasons = ["Failed to start server. Error: x", "Cannot assign a device for operation a: /device:GPU:0", ""]
    assert without_noise([*noise, *reasons]) == tuple(reasons)
