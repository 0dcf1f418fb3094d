"""The flags of TensorFlow Serving that `[server] flags` can set on the embedded engine."""

from __future__ import annotations

from chapters.markdown import code, table
from deployer.engines.flags import embedded
from deployer.server.flag_table import OWN_FLAGS as FLAGS_OF_THIS_SERVER
from deployer.server.flag_table import SERVING_FLAGS, Flag
from deployer.spec.server import OWN_FLAGS

HEAD = """## Server flags

`[server] flags = { file_system_poll_wait_seconds = 5 }` hands flags of `tensorflow_model_server` to the server.
A flag that the engine cannot honour is refused, and so is one that `deployer` sets itself.

`grpc_max_threads` is 256 unless you set it: the server refuses gRPC calls that find no free thread
(`RESOURCE_EXHAUSTED: Server Threadpool Exhausted`) instead of queueing them, and its own default is 4 per CPU, one of
which waits for the next call. Threads are started when calls need them. Set fewer where concurrent calls would take too
much memory, and more for more than 64 CPUs; clients should ask again what is refused.
"""
WITHOUT_THE_GATE = {"ssl_config_file": "the gate asks in plain gRPC; the server by itself honours it"}
OWN_HEAD = """`python -m deployer.server` has a few flags more, which `[server] flags` does not take: what clients may
ask of the REST port, and how the server starts and stops.
"""
BY_CORES = {"rest_api_num_threads": "4 per core", "grpc_max_threads": "4 per core"}


def text() -> str:
    """The chapter."""
    theirs = table(("Flag", "Default", "Embedded engine", "Meaning"), map(_row, SERVING_FLAGS))
    ours = table(("Flag", "Default", "Meaning"), map(_own_row, FLAGS_OF_THIS_SERVER))
    return f"{HEAD}\n{theirs}\n{OWN_HEAD}\n{ours}"


def _row(flag: Flag) -> tuple[str, ...]:
    return code(flag.name), _default(flag), _standing(flag), flag.meaning


def _own_row(flag: Flag) -> tuple[str, ...]:
    return code(flag.name), _default(flag), flag.meaning


def _default(flag: Flag) -> str:
    value = str(flag.default).lower() if isinstance(flag.default, bool) else str(flag.default)
    return BY_CORES.get(flag.name, code(value))


def _standing(flag: Flag) -> str:
    if flag.name in OWN_FLAGS:
        return "set by deployer"
    if embedded(flag):
        return "honoured"
    return f"refused: {flag.idle or WITHOUT_THE_GATE[flag.name]}"
