"""The program: `python -m deployer.server --port=8500 --rest_api_port=8501 --model_config_file=...`.

Flags and configuration files are checked before TensorFlow is imported, which takes seconds.
"""

from __future__ import annotations

import gc
import os
import queue
import signal
import sys
import threading
from typing import NoReturn

from google.protobuf.message import Message

from deployer._version import __version__
from deployer.server import checks, flags, log
from deployer.server import config as configs
from deployer.server.flag_table import FLAGS
from deployer.server.flags import Options, UsageError
from deployer.server.log import LOG
from deployer.server.status import ServingError

PROGRAM = "python -m deployer.server"
_FAILED = 255
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def main(arguments: list[str]) -> int:
    """Run the server until a signal stops it, and return the exit code."""
    try:
        options = flags.parse(arguments)
    except UsageError as error:
        print(error, flags.usage(PROGRAM), sep="\n", flush=True)
        return _FAILED
    if options.on("version"):
        return _print_version()
    if options.unknown:
        print(*(f"unknown argument: {name}" for name in options.unknown), flags.usage(PROGRAM), sep="\n", flush=True)
    return _serve(options)


def _print_version() -> int:
    print(f"TensorFlow ModelServer: deployer {__version__}\nTensorFlow Library: {_tensorflow_version()}")
    return 0


def _tensorflow_version() -> str:
    """Return the version of the installed package, without importing TensorFlow; the CPU build has its own name."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tensorflow")
    except PackageNotFoundError:
        return version("tensorflow-cpu")


def _serve(options: Options) -> int:
    log.set_up()
    for name in options.ignored_flags():
        LOG.warning("--%s is accepted and has no effect in this server: %s", name, FLAGS[name].idle)
    try:
        checks.check(options)
        message = first_config(options)
        configs.models(message, {})
        return _run(options, message)
    except (ServingError, ValueError) as error:
        print(f"Failed to start server. Error: {error}", flush=True)
        return _FAILED


def first_config(options: Options) -> Message:
    """Return the ModelServerConfig to start with: that of the file, or one model from the flags."""
    if options.text("model_config_file"):
        return configs.read_file(options.text("model_config_file"))
    return configs.single(options.text("model_name"), options.text("model_base_path"))


def _run(options: Options, message: Message) -> int:
    """Start and serve; a thread receives signals, so that none interrupts a call in flight."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    signals = Signals()
    signals.start()
    gc.disable()  # imports create many objects and no garbage
    from deployer.server.listeners import PortError
    from deployer.server.serve import Server

    gc.freeze()  # otherwise the first collection would traverse all of TensorFlow and delay every request
    gc.enable()
    server = Server(options)
    try:
        server.start(message)
    except PortError as error:
        print(f"Failed to start server. Error: UNKNOWN: Failed to BuildAndStart gRPC server at {error}", flush=True)
        return _FAILED
    signals.serving = True
    while signals.arrived.get() == signal.SIGUSR1:
        try:
            server.promote()
        except (PortError, OSError) as error:  # noqa: PERF203 - the server continues without public ports
            LOG.error("Failed to open the public ports: %s", error)
    LOG.info("Stopping: requests in flight get up to %s s", options.text("drain_seconds"))
    server.stop()
    LOG.info("Stopped")
    return 0


class Signals:
    """A thread that receives signals and forwards them; a stop before anything is served is immediate."""

    def __init__(self) -> None:
        self.serving = False
        self.arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)

    def start(self) -> None:
        """Start receiving; the signals must be blocked in every thread."""
        self._thread.start()

    def _run(self) -> None:
        while True:
            number = signal.sigwait(_SIGNALS)
            if not self.serving and number != signal.SIGUSR1:
                LOG.info("Stopped before anything was served")
                leave(0)
            self.arrived.put(number)


def leave(code: int) -> NoReturn:
    """Exit immediately: nothing is left to wait for, and TensorFlow's threads would delay a normal exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
