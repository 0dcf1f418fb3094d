"""Copies versions of the store into a volume of an engine on another machine: only files that are not there yet.

A version has there what a server reads of it. Each file is sent once, by its digest, and its digest is compared on the
other side before a version uses it. A copy that was interrupted goes on where it ended. Two commands may copy at once.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from deployer.engines.docker.names import MODELS_MOUNT
from deployer.engines.docker.remote import scripts
from deployer.engines.docker.remote.helper import Helper
from deployer.errors import BrokenModel, EngineError
from deployer.results.model import Model
from deployer.results.progress import Meter, Phase, Progress
from deployer.savedmodel.layout import EXTRA, WARMUP_FILE
from deployer.store import manifest
from deployer.system.files import sha256

CHUNK_BYTES = 1 << 20
UNPACK_SECONDS = 600.0
MARGIN_BYTES = 16 << 20
LOST_FILE = "failed to create hard link"
FULL = "no space left"


@dataclass(frozen=True)
class Content:
    """What a server reads of a version: the digest of each file by its path, the files' sizes, and the directories."""

    model: Model
    digests: Mapping[str, str]
    sizes: Mapping[str, int]
    directories: tuple[str, ...]

    @classmethod
    def of(cls, model: Model) -> Content:
        """Return the content of a version. Raise BrokenModel if it cannot be read."""
        recorded = manifest.recorded_digests(model.path)
        digests, sizes, directories = {}, {}, []
        try:
            for path in sorted(model.path.rglob("*")):
                name = path.relative_to(model.path).as_posix()
                if not _is_read(name):
                    continue
                if path.is_dir():
                    directories.append(name)
                elif path.is_file():
                    sizes[name] = path.stat().st_size
                    digests[name] = recorded.get(name) or sha256(path)
        except OSError as error:
            raise BrokenModel(f"the files of {model.path} cannot be read: {error.strerror or error}") from error
        return cls(model, digests, sizes, tuple(directories))

    @property
    def link(self) -> str:
        """Its path in the volume."""
        return f"{self.model.name}/{self.model.version}"

    def listing(self) -> str:
        """Return the list from which its directory is made: digest and path of each file, ended by NUL each."""
        entries = [*(("-", name) for name in self.directories), *((each, name) for name, each in self.digests.items())]
        return "".join(f"{digest}\0{name}\0" for digest, name in entries)


@dataclass(frozen=True)
class Present:
    """What the volume has: free bytes, the target of each version, files, partial files, and whether some were bad."""

    free: int
    links: Mapping[str, str]
    complete: Set[str]
    partial: Mapping[str, int]
    damaged: Set[str]

    @classmethod
    def parse(cls, text: str) -> Present:
        """Return what the script reported."""
        rows = [line.split(" ", 2) for line in text.splitlines()]
        return cls(
            free=next(int(row[1]) for row in rows if row[0] == "free"),
            links={row[1]: row[2] for row in rows if row[0] == "link"},
            complete={row[1] for row in rows if row[0] == "have"},
            partial={row[1]: int(row[2]) for row in rows if row[0] == "part"},
            damaged={row[1] for row in rows if row[0] == "damaged"},
        )

    def has(self, content: Content) -> bool:
        """Return whether a version is there as it is here."""
        target = self.links.get(content.link, "")
        return target.startswith(f"../.trees/{content.model.digest}-") and self.damaged.isdisjoint(
            content.digests.values()
        )


@dataclass(frozen=True)
class ModelVolume:
    """The volume of models that `helper` mounts at `mount`. `machine` is the engine's machine in messages."""

    helper: Helper
    machine: str
    mount: str = MODELS_MOUNT

    @property
    def session(self) -> str:
        """The name of the directory for what this command sends."""
        return self.helper.id[:12]

    def transfer(
        self, models: Sequence[Model], live: Collection[str], taken: Callable[[str], None], progress: Progress
    ) -> None:
        """Copy versions. `live` are the sessions of all commands; `taken` may refuse to replace a version.

        Raises EngineError for a full disk, a broken connection, and a file that arrived with other bytes.
        """
        contents = [Content.of(model) for model in models]
        try:
            self._transfer(contents, live, taken, progress)
        except EngineError as error:
            if LOST_FILE not in error.message:
                raise
            # Another command has removed a file that no version had at that moment.
            self._transfer(contents, live, taken, progress)

    def _transfer(
        self, contents: Sequence[Content], live: Collection[str], taken: Callable[[str], None], progress: Progress
    ) -> None:
        files = {
            digest: (each.model.path / name, each.sizes[name])
            for each in contents
            for name, digest in each.digests.items()
        }
        present = self._prepare(files, live)
        coming = [content for content in contents if not present.has(content)]
        for content in coming:
            if content.link in present.links and not present.links[content.link].startswith(
                f"../.trees/{content.model.digest}-"
            ):
                taken(content.link)
        missing = {
            digest: present.partial.get(digest, 0)
            for content in coming
            for digest in content.digests.values()
            if digest not in present.complete
        }
        self._send({digest: (*files[digest], offset) for digest, offset in missing.items()}, present.free, progress)
        for content in coming:
            self._publish(content)
        self.helper.run(scripts.LEAVE, self.mount, self.session)

    def _prepare(self, files: Mapping[str, tuple[Path, int]], live: Collection[str]) -> Present:
        self._put({"requested": "".join(f"{digest} {size}\n" for digest, (_, size) in files.items())})
        return Present.parse(self.helper.run(scripts.PREPARE, self.mount, self.session, *live))

    def _put(self, texts: Mapping[str, str]) -> None:
        self.helper.put_texts(self.mount, {f".incoming/{self.session}/{name}": text for name, text in texts.items()})

    def _send(self, missing: Mapping[str, tuple[Path, int, int]], free: int, progress: Progress) -> None:
        """Send the files that are missing, each from its offset, and have them verified."""
        if not missing:
            return
        size = sum(whole - offset for _, whole, offset in missing.values())
        joined = sum(whole - offset for _, whole, offset in missing.values() if offset)
        if free < size + joined + MARGIN_BYTES:
            raise self._full(size + joined, free)
        self._put({"sent": "".join(f"{digest} {offset}\n" for digest, (_, _, offset) in missing.items())})
        action = f"copying models to {self.machine}"
        progress(Phase(action, 0, size))
        try:
            archive = _archive(missing, Meter(action, progress, size))
            length = _archive_size(whole - offset for _, whole, offset in missing.values())
            self.helper.put(f"{self.mount}/.incoming/{self.session}", archive, length, UNPACK_SECONDS)
            output = self.helper.run(scripts.FINISH, self.mount, self.session)
        except EngineError as error:
            if FULL in error.message.lower():
                self.helper.run(scripts.LEAVE, self.mount, self.session)
                raise self._full(size, free) from error
            raise
        for line in output.splitlines():
            digest = line.partition(" ")[2]
            raise self._wrong(missing[digest][0], digest)

    def _publish(self, content: Content) -> None:
        self._put({"list": content.listing()})
        arguments = (self.session, content.link, content.model.digest, "list")
        self.helper.run(scripts.PUBLISH, self.mount, *arguments)

    def forget(self, links: Iterable[str], *, collect: bool) -> None:
        """Remove versions; with `collect` also the files that no version has."""
        self.helper.run(scripts.FORGET, self.mount, "yes" if collect else "no", *links)

    def publish_config(self, directory: str, files: Mapping[str, str]) -> None:
        """Replace configuration files in a directory below `.config`, each atomically."""
        self._put({f"config/{name}": text for name, text in files.items()})
        self.helper.run(scripts.PUBLISH_CONFIG, self.mount, self.session, directory)

    def delete_config(self, directory: str) -> None:
        """Remove a directory below `.config`."""
        self.helper.run(scripts.DELETE_CONFIG, self.mount, directory)

    def _full(self, needed: int, free: int) -> EngineError:
        return EngineError(
            f"the disk of {self.machine} is full: {needed >> 20} MiB are needed, and {free >> 20} MiB were free",
            hint="deployer prune removes versions that nothing needs, there too; docker system df shows the rest",
        )

    def _wrong(self, path: Path, digest: str) -> EngineError:
        if sha256(path) != digest:
            return EngineError(f"{path} is not what was exported", hint="export the model again as a new version")
        return EngineError(
            f"{path} arrived on {self.machine} with other bytes; that copy was removed",
            hint="run the command again; if it happens again, check the disks and the memory of both machines",
        )


def _is_read(name: str) -> bool:
    """Return whether a server reads a file or directory of a version."""
    return name == WARMUP_FILE.as_posix() or not (name == EXTRA or name.startswith(f"{EXTRA}/"))


def _archive_size(sizes: Iterable[int]) -> int:
    """Return the size of an archive with files of these sizes."""
    return sum(tarfile.BLOCKSIZE + size + -size % tarfile.BLOCKSIZE for size in sizes) + 2 * tarfile.BLOCKSIZE


def _archive(missing: Mapping[str, tuple[Path, int, int]], meter: Meter) -> Iterator[bytes]:
    """Yield a tar archive of the missing files, each from its offset. Raise BrokenModel for one that shrinks."""
    for digest, (path, whole, offset) in missing.items():
        info = tarfile.TarInfo(f"{digest}@{offset}")
        info.size, info.mode = whole - offset, 0o644
        yield info.tobuf(tarfile.GNU_FORMAT)
        with path.open("rb") as file:
            file.seek(offset)
            left = info.size
            while left:
                chunk = file.read(min(CHUNK_BYTES, left))
                if not chunk:
                    raise BrokenModel(f"{path} became shorter while it was read")
                left -= len(chunk)
                meter.add(len(chunk))
                yield chunk
        yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
