"""A file of what an engine sends in chunks."""

from __future__ import annotations

from collections.abc import Iterator


class ChunkReader:
    """A file of the chunks of an answer, to be read once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer than `size` at the end only."""
        parts, missing = [self._rest], size - len(self._rest)
        while missing > 0 and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            missing -= len(chunk)
        whole = b"".join(parts)
        self._rest = whole[size:]
        return whole[:size]
