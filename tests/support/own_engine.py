"""A Docker Engine of a test's own, in a network namespace of its own: one that may be stopped. Takes root on Linux."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from support.cli import Ended, command, environment
from support.world import eventually

SECONDS = 180
START_SECONDS = 60
HIDING = 'while [ "$1" != -- ]; do mount -t tmpfs tmpfs "$1"; shift; done; shift; exec "$@"'


class OwnEngine:
    """dockerd with all its state below `directory`; what runs `inside` shares its loopback. It sees the
    directories that it `hides` from itself as empty ones."""

    def __init__(self, directory: Path, hides: Sequence[Path] = ()) -> None:
        self._hidden = tuple(map(str, hides))
        self.socket = f"unix://{directory}/docker.sock"
        self._directory = directory
        holder = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 900"]
        self._holder = subprocess.Popen(holder, stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout
        assert self._holder.stdout.readline() == "up\n"
        self._daemon: subprocess.Popen[bytes] | None = None

    def inside(self, *words: str) -> list[str]:
        """The command in the engine's network namespace."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *words]

    def start(self) -> None:
        """Start it, or start it again with all it had."""
        directory = self._directory
        # A containerd that died with its engine passes for alive where nobody reaps orphans.
        (directory / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        own = (f"--data-root={directory}/data", f"--exec-root={directory}/exec", f"--pidfile={directory}/pid")
        with (directory / "log").open("ab") as log:
            self._daemon = subprocess.Popen(
                self.inside(*self._blind(), "dockerd", f"--host={self.socket}", *own),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        eventually(self._answers, f"the engine answers: {directory}/log", START_SECONDS)

    def _blind(self) -> tuple[str, ...]:
        if not self._hidden:
            return ()
        return ("unshare", "--mount", "--propagation", "private", "sh", "-c", HIDING, "sh", *self._hidden, "--")

    def end(self, number: int) -> None:
        """Send the engine a signal and wait for its end."""
        assert self._daemon
        self._daemon.send_signal(number)
        self._daemon.wait(SECONDS)

    def docker(self, *arguments: str) -> str:
        """What `docker ARGUMENTS` prints."""
        ended = subprocess.run(
            ["docker", "--host", self.socket, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def load(self, image: str) -> None:
        """Bring an image over from the usual engine."""
        saved = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
        subprocess.run(["docker", "--host", self.socket, "load"], stdin=saved.stdout, check=True, timeout=SECONDS,
                       capture_output=True)  # fmt: skip
        assert saved.wait(SECONDS) == 0

    def launch(self, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
        """`deployer ARGUMENTS` inside, under way."""
        mine = environment(DEPLOYER_ENGINE="docker", DOCKER_HOST=self.socket)
        return subprocess.Popen(
            self.inside(*command(*arguments)), cwd=cwd, env=mine, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def deployer(self, *arguments: str, cwd: Path) -> Ended:
        """`deployer ARGUMENTS` inside, to its end."""
        return ended(self.launch(*arguments, cwd=cwd))

    def close(self) -> None:
        """End all that runs, and delete all that it kept."""
        if self._daemon and self._daemon.poll() is None:
            self.end(15)
        ours = [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(str(self._directory) in word for word in process.info["cmdline"] or ())
        ]
        for process in ours:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(ours, SECONDS)  # until then they may write into the directory
        self._holder.kill()
        self._holder.wait(SECONDS)
        _unmount(self._directory)
        shutil.rmtree(self._directory)

    def _answers(self) -> bool:
        asked = ["docker", "--host", self.socket, "version"]
        return subprocess.run(asked, capture_output=True, timeout=SECONDS, check=False).returncode == 0


def ended(child: subprocess.Popen[str]) -> Ended:
    """A command under way, at its end."""
    out, err = child.communicate(timeout=SECONDS)
    return Ended(child.returncode, out, err)


@contextmanager
def own_engine(directory: Path, hides: Sequence[Path] = ()) -> Iterator[OwnEngine]:
    """An engine for a block."""
    engine = OwnEngine(directory, hides)
    try:
        engine.start()
        yield engine
    finally:
        engine.close()


def _unmount(directory: Path) -> None:
    """An engine that was killed leaves its containers' file systems mounted."""
    with Path("/proc/self/mounts").open() as mounts:
        below = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{directory}/")]
    for mount in reversed(below):
        subprocess.run(["umount", "--lazy", mount], check=False, timeout=SECONDS)


def can_be_had() -> bool:
    """Whether this machine can run one."""
    return os.name == "posix" and os.geteuid() == 0 and all(map(shutil.which, ("dockerd", "unshare", "nsenter", "ip")))
