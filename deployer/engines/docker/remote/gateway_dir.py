"""The directory of a gateway on another machine: a volume, next to the directory of this machine that is the record.

Each change is made in the volume first: the record never names what the volume does not have. A command that is killed
in between leaves a record of the state before, to which the next command returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from docker.types import Mount

from deployer.engines.docker.gateway.directory import (
    ACTIVE,
    CURRENT,
    MOUNT,
    NOBODY,
    PREDECESSOR,
    SOCKET,
    Active,
    GatewayDir,
)
from deployer.errors import EngineError, EngineUnavailable

if TYPE_CHECKING:
    from deployer.engines.docker.remote.session import Session
    from deployer.engines.docker.remote.volume import Volume

MAKE = 'cd "$1" && chown "$3:$3" . "$2" && chmod 700 . "$2"'
LINK = 'cd "$1" && ln -sfn "$3" ".new-link" && mv -T ".new-link" "$2"'
DROP = 'cd "$1" && rm -rf "$2"'
PRUNE = """
cd "$1" || exit; shift
for found in *; do
    [ -L "$found" ] && continue
    case " $* " in *" $found "*) ;; *) rm -rf "$found" ;; esac
done
"""
ASK = """
perl -MIO::Socket::UNIX -e '
    $socket = IO::Socket::UNIX->new(Peer => $ARGV[0], Timeout => 10) or die "$!\\n";
    print $socket "$ARGV[1]\\n"; $socket->flush; print while <$socket>;
' "$1" "$2"
"""
"""Debian and Ubuntu, and so TensorFlow Serving's image, always have perl; nothing else there opens such a socket."""


@dataclass(frozen=True)
class VolumeGatewayDir(GatewayDir):
    """The gateway's directory, of which `volume` has what the gateway's container sees.

    The helper of `session` mounts the volume, and `remove` removes the volume.
    """

    volume: Volume = field(kw_only=True)
    session: Session = field(compare=False, kw_only=True)
    remove: Callable[[], None] = field(compare=False, kw_only=True)

    @property
    def owner(self) -> tuple[int, int]:
        return NOBODY, NOBODY

    @property
    def mount(self) -> Mount:
        return Mount(target=MOUNT, source=self.volume.name, type="volume")

    def ask(self, generation_dir: Path, command: str) -> str:
        try:
            return self.session.run(ASK, f"{MOUNT}/{generation_dir.name}/{SOCKET}", command)
        except EngineUnavailable:
            raise
        except EngineError as error:
            raise ConnectionError(error.message) from error

    def make(self, generation: str, slot: str, files: Mapping[str, str]) -> None:
        self.volume.create()
        named = {f"{generation}/{name}": text for name, text in files.items()}
        self.session.use(lambda helper: helper.put_texts(MOUNT, named, mode=0o600, owner=NOBODY))
        self.session.run(MAKE, MOUNT, generation, str(NOBODY))
        super().make(generation, slot, files)

    def set_slot(self, generation: str, slot: str) -> None:
        self._link(f"{generation}/{ACTIVE}", f"{slot}.cfg")
        super().set_slot(generation, slot)

    def restore(self, active: Active) -> None:
        self._link(f"{active.generation}/{ACTIVE}", f"{active.slot}.cfg")

    def activate(self, generation: str) -> None:
        self._link(CURRENT, generation)
        super().activate(generation)

    def deactivate(self) -> None:
        self._drop(CURRENT)
        super().deactivate()

    def set_predecessor(self, generation: str, predecessor: str | None) -> None:
        if predecessor is None:
            self._drop(f"{generation}/{PREDECESSOR}")
        else:
            self._link(f"{generation}/{PREDECESSOR}", f"../{predecessor}")
        super().set_predecessor(generation, predecessor)

    def drop(self, generation: str) -> None:
        self._drop(generation)
        super().drop(generation)

    def prune(self, kept: set[str]) -> None:
        if self.volume.exists():
            self.session.run(PRUNE, MOUNT, *kept)
        for generation in () if not self.run.is_dir() else self.run.iterdir():
            if generation.is_dir() and not generation.is_symlink() and generation.name not in kept:
                super().drop(generation.name)

    def clear(self) -> None:
        self.remove()
        super().clear()

    def _drop(self, path: str) -> None:
        if self.volume.exists():
            self.session.run(DROP, MOUNT, path)

    def _link(self, path: str, target: str) -> None:
        self.session.run(LINK, MOUNT, path, target)
