"""The flags of TensorFlow Serving that `[server] flags` can set on the embedded engine."""

from __future__ import annotations

import json

from chapters.markdown import code, table
from deployer.config.flags import is_set_by_deployer
from deployer.engines.flags import EMBEDDED, refusal_reason
from deployer.server.flag_table import INT32, INT64, SERVING_FLAGS, Flag
from deployer.server.flag_table import OWN_FLAGS as FLAGS_OF_THIS_SERVER

HEAD = """## Server flags

`[server] flags = { file_system_poll_wait_seconds = 5 }` passes flags of `tensorflow_model_server` to the server. Before
anything starts, `deployer` refuses (exit code 3) an unknown flag, a flag that the engine does not support or that
`deployer` sets itself, and a value of the wrong type or out of range.

`grpc_max_threads` defaults to 256. The server refuses gRPC calls that find no free thread
(`RESOURCE_EXHAUSTED: Server Threadpool Exhausted`) instead of queueing them. Its own default is 4 threads per CPU, one
of which waits for the next call. Threads start on demand. Set a lower value if concurrent calls need too much memory,
and a higher one for more than 64 CPUs. Clients should retry refused calls.
"""
TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}
OWN_HEAD = """`python -m deployer.server` has more flags, which `[server] flags` does not accept: limits of the REST
port, and how the server starts and stops.
"""
BY_CORES = {"rest_api_num_threads": "4 per core", "grpc_max_threads": "4 per core", "num_tflite_pools": "1 per core"}


def text() -> str:
    """The chapter."""
    theirs = table(("Flag", "Type", "Default", "Embedded engine", "Meaning"), map(_row, SERVING_FLAGS))
    ours = table(("Flag", "Default", "Meaning"), map(_own_row, FLAGS_OF_THIS_SERVER))
    return f"{HEAD}\n{theirs}\n{OWN_HEAD}\n{ours}"


def _row(flag: Flag) -> tuple[str, ...]:
    return code(flag.name), _type(flag), _default(flag), _standing(flag), flag.meaning


def _own_row(flag: Flag) -> tuple[str, ...]:
    return code(flag.name), _default(flag), flag.meaning


def _default(flag: Flag) -> str:
    value = str(flag.default).lower() if isinstance(flag.default, bool) else str(flag.default)
    return BY_CORES.get(flag.name, code(value))


def _type(flag: Flag) -> str:
    kind = TYPES[type(flag.default)]
    if flag.choices:
        return " or ".join(code(json.dumps(choice)) for choice in flag.choices)
    if isinstance(flag.default, (bool, str)) or is_set_by_deployer(flag):
        return kind
    if (flag.least, flag.most) == INT64:
        return f"{kind} of 64 bits"
    least = "" if flag.least == INT32[0] else f" from {flag.least:g}"
    most = "" if flag.most in (INT32[1], 1e6) else f" to {flag.most:g}"
    docker = f"; from {flag.least_of_serving} on Docker" if flag.least_of_serving else ""
    return f"{kind}{least}{most}{docker}"


def _standing(flag: Flag) -> str:
    if is_set_by_deployer(flag):
        return f"set by deployer: {flag.setting}"
    if reason := refusal_reason(EMBEDDED, flag):
        return f"refused: {reason}"
    return "honoured"
