"""Known causes in the logs of TensorFlow Serving 2.8 to 2.20, each with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownCause:
    """A log line with its cause and remedy; `{0}` and `{1}` in them stand for the groups of the pattern."""

    pattern: str
    cause: str
    remedy: str


UNREADABLE = "make it readable for every user with chmod -R a+rX on its directory in the store, or set docker.user"
KNOWN_CAUSES = (
    KnownCause(
        r"Could not find base path (\S+) for servable",
        "the server does not see the directory {0}",
        "check that models_dir is on the engine's own machine and shared with it; `deployer doctor` looks",
    ),
    KnownCause(
        r"File system scheme '([^']+)' not implemented",
        "the server reads no {0}:// paths",
        "copy the model to the server's machine, and give its path",
    ),
    KnownCause(
        r"No versions of servable (\S+) found under base path",
        "the server sees no version of {0}: a version's directory is a whole number",
        "deployer versions {0}",
    ),
    KnownCause(
        r"(/[^\s;']+); Permission denied",
        "the server's user may not read {0}",
        UNREADABLE,
    ),
    KnownCause(
        r"Permission denied: '([^']+)'",
        "the server's user may not read {0}",
        UNREADABLE,
    ),
    KnownCause(
        r"(?i)invalid protobuf file: '([^']+)'",
        "the server cannot parse {0}",
        "deployer render shows it; look at your templates_dir",
    ),
    KnownCause(
        r"Could not find variable (\S+?)\.",
        "the version was loaded without its variables ({0})",
        "export the model again: its variables directory is missing or cut short",
    ),
    KnownCause(
        r"verify your warmup data|Failed to parse warmup record|Number of warmup records exceeds|log_type for warmup",
        "the warm-up file of the version cannot be replayed",
        "deployer export the model again with --no-warmup, or with --warmup for another file",
    ),
    KnownCause(
        r"(?:Read less bytes than requested|DATA_LOSS|Can't parse \S+ as binary proto)",
        "a file of the model is cut short or damaged",
        "deployer export makes a new version",
    ),
    KnownCause(
        r"Op type not registered '([^']+)'",
        "the server's TensorFlow does not know the op {0}",
        "take a newer image (docker.image), or leave the op out of the served graph",
    ),
    KnownCause(
        r"(?:PyFunc|EagerPyFunc|pyfunc_\d+)",
        "the graph calls back into Python, which no server can do",
        "replace tf.py_function and tf.numpy_function by TensorFlow ops",
    ),
    KnownCause(
        r"Could not find meta graph def matching supplied tags: (\{[^}]*\})",
        "the SavedModel has no graph tagged {0}",
        "save it with the tag `serve`",
    ),
    KnownCause(
        r"Request to assign label to version (\d+) of model (\S+), which is not currently available",
        "a label points to {1}:{0}, which is not loaded",
        "list that version under models.{1}.versions",
    ),
    KnownCause(
        r"Expected model (\S+) to have an absolute path or URI",
        "the base path of {0} is not absolute",
        "use deployer's own template, or write absolute paths",
    ),
    KnownCause(
        r"No request-logger-creator provided",
        "the config has a logging_config, which the stock server cannot do",
        "take logging_config out of your template",
    ),
    KnownCause(
        r"Failed to start HTTP Server at \S+?:(\d+)",
        "the REST port {0} is taken inside the server's network",
        "choose another with --rest-port",
    ),
    KnownCause(
        r"XLA compilation disabled",
        "the model has parts that XLA must compile, and the server leaves that off",
        "write xla_cpu_compilation_enabled = true under [server.flags] in deployer.toml",
    ),
    KnownCause(
        r"Last entry in allowed_batch_sizes must match max_batch_size",
        "allowed_batch_sizes does not end with max_batch_size",
        "mend [batching] in deployer.toml",
    ),
    KnownCause(
        r"Cannot assign a device for operation .*/device:GPU",
        "the graph has ops that may run on a GPU only, and the server has none",
        "set docker.gpus, and install the NVIDIA container toolkit; or save the model without tf.device",
    ),
    KnownCause(
        r"(?i)cannot execute binary file|exec format error|illegal instruction",
        "the image is for another processor",
        "set docker.platform, build docker/server/Dockerfile for this machine, or use --engine embedded",
    ),
    KnownCause(
        r"unknown argument: (\S+)",
        "the image's server does not know the flag {0}, and ignores it",
        "take it out of server.flags, or take a newer image",
    ),
)


NOISE = re.compile(
    r"absl::InitializeLog|oneDNN custom operations|Could not find cuda drivers|cpu_feature_guard|cudart_stub"
    r"|computation_placer|Unable to register cu\w+ (?:factory|plugin)|TensorFlow binary is optimized"
    r"|rebuild TensorFlow with the appropriate compiler flags|Cannot dlopen some GPU libraries|TF-TRT Warning"
    r"|successful NUMA node read|failed call to cuInit|MLIR V1 optimization|GPU will not be used"
)
"""Lines that TensorFlow writes at each start, with and without success."""


def without_noise(lines: Iterable[str]) -> tuple[str, ...]:
    """Return a log without the lines that TensorFlow writes at each start."""
    return tuple(line for line in lines if not NOISE.search(line))


def explain(lines: Iterable[str]) -> str | None:
    """Return cause and remedy of the most important known line; None if there is none."""
    text = "\n".join(lines)
    for known in KNOWN_CAUSES:
        if match := re.search(known.pattern, text):
            found = match.groups()
            return f"{known.cause.format(*found)}: {known.remedy.format(*found)}"
    return None
