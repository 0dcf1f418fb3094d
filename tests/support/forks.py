"""Commands in processes forked from one that is ready for them: most of a command's time is its imports.

The process, its descriptors, directory, environment and signals are its own, as if it had been started from a shell.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

WITH_TENSORFLOW = ("deployer.export", "deployer.server", "deployer.__main__")
MOST_READ = 64 * 2**20


def run(arguments: tuple[str, ...], cwd: Path, environ: dict[str, str], seconds: int, **more: Any) -> dict[str, Any]:
    """How `deployer ARGUMENTS` ended: `code`, `out` and `err`. With `dies` it is killed as support.dying says."""
    order = {"arguments": arguments, "cwd": str(cwd.resolve()), "environ": environ, "seconds": seconds, **more}
    fork_server = _fork_server()
    assert fork_server.stdin
    assert fork_server.stdout
    fork_server.stdin.write(json.dumps(order) + "\n")
    fork_server.stdin.flush()
    return dict(json.loads(fork_server.stdout.readline()))


@cache
def _fork_server() -> subprocess.Popen[str]:
    """One for all tests of this process; it ends with its standard input."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DEPLOYER_")}
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    fork_server = subprocess.Popen(
        [sys.executable, "-m", "support.forks"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**clean, "PYTHONPATH": paths},
    )  # fmt: skip
    atexit.register(fork_server.communicate)
    return fork_server


def _main() -> None:
    _import_all()
    _make_what_all_need()
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(_run_child(json.loads(line))), flush=True)


def _import_all() -> None:
    import importlib
    import pkgutil

    import deployer
    from deployer.client.client import Client

    for found in pkgutil.walk_packages(deployer.__path__, "deployer."):
        if not found.name.startswith(WITH_TENSORFLOW):
            importlib.import_module(found.name)
    for name in ("docker", "pydantic", "tomllib" if sys.version_info >= (3, 11) else "tomli"):
        importlib.import_module(name)
    Client.preload()


def build_once() -> None:
    """Typer makes all commands anew for each command line: half of the time of a short one."""
    import typer.main

    typer.main.get_command = cache(typer.main.get_command)


def _make_what_all_need() -> None:
    """Options, templates, messages: the first plan makes them, or finds them made."""
    import typer.main

    from deployer import cli
    from deployer.config import templates
    from deployer.config.options import Settings
    from deployer.operations.up import up
    from support.world import MODELS

    build_once()
    typer.main.get_command(cli.app)
    environment = templates._environment(None)
    for name in environment.list_templates():
        environment.get_template(name)
    up("half_plus_two", settings=Settings(engine="embedded", models_dir=MODELS, skip_gate=True), dry_run=True)


def _run_child(order: dict[str, Any]) -> dict[str, Any]:
    """How a child ended that carried an order out, and what it said."""
    said = [os.memfd_create(name) for name in ("out", "err")]
    child = os.fork()
    if child == 0:
        _child_main(order, *said)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    out, err = map(_read, said)
    return {"code": code, "out": out, "err": err}


def _read(said: int) -> str:
    """Whatever it started and left behind may still hold the file: nobody waits for that."""
    text = os.pread(said, MOST_READ, 0).decode(errors="replace")
    os.close(said)
    return text


def _child_main(order: dict[str, Any], out: int, err: int) -> None:
    """Never returns."""
    code = 1
    try:
        _settle(order, out, err)
        from deployer.__main__ import run as run_command

        code = run_command()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        os._exit(code)


def _settle(order: dict[str, Any], out: int, err: int) -> None:
    """As the child of a shell finds its world."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for taken, number in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(taken, number)
        os.close(taken)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (
        open(number, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        for number in (1, 2)
    )
    signal.alarm(order["seconds"])
    os.environ.clear()
    os.environ.update(order["environ"])
    os.chdir(order["cwd"])
    sys.path[0] = order["cwd"]
    sys.argv = ["deployer", *order["arguments"]]
    if "dies" in order:
        from support.dying import die_at

        die_at(*order["dies"])


if __name__ == "__main__":
    _main()
