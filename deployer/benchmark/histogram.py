"""A histogram of latencies in buckets that are 1 % wide: its size does not grow with the number of requests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

GROWTH = 1.01
"""The quotient of the ends of a bucket. The first one begins at a microsecond."""
MICROSECOND = 1e-6
_PER_LOG = 1 / math.log(GROWTH)
_LOG_UNIT = math.log(MICROSECOND)


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket of a latency; 0 for a microsecond or less."""
    return int((math.log(seconds) - _LOG_UNIT) * _PER_LOG) if seconds > MICROSECOND else 0


def upper_end(bucket: int) -> float:
    """Return the end of a bucket, in seconds."""
    return float(MICROSECOND * GROWTH ** (bucket + 1))


@dataclass
class Histogram:
    """Counts of latencies by bucket, with the exact least, largest and mean one."""

    counts: Counter[int] = field(default_factory=Counter)
    total: float = 0.0
    least: float = math.inf
    largest: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a latency."""
        self.counts[bucket_of(seconds)] += 1
        self.total += seconds
        self.largest = max(self.largest, seconds)
        self.least = min(self.least, seconds)

    def merge(self, other: Histogram) -> None:
        """Count what another histogram has counted."""
        self.counts.update(other.counts)
        self.total += other.total
        self.least = min(self.least, other.least)
        self.largest = max(self.largest, other.largest)

    @property
    def size(self) -> int:
        """How many latencies were counted."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """The mean latency, in seconds."""
        return self.total / self.size

    def percentile(self, percent: float) -> float:
        """Return the latency that so many percent do not exceed, in seconds, by at most half a bucket wrong."""
        rank = max(1, math.ceil(self.size * percent / 100 - 1e-9))
        for bucket in sorted(self.counts):
            rank -= self.counts[bucket]
            if rank <= 0:
                middle = upper_end(bucket) / math.sqrt(GROWTH)
                return min(max(middle, self.least), self.largest)
        return self.largest


def coarser(counts: Mapping[int, int], buckets: int) -> Iterator[tuple[float, int]]:
    """Yield the ends, in seconds, and the counts of buckets that are each as wide as so many, without empty ones."""
    joined: Counter[int] = Counter()
    for bucket, count in counts.items():
        joined[bucket // buckets] += count
    for number in sorted(joined):
        yield upper_end(number * buckets + buckets - 1), joined[number]
