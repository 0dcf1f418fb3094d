"""When requests are due: at a fixed rate, whatever the server does."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Requests at a fixed rate from `began` on, of which one process sends every `step`-th, from `first` on."""

    began: float
    rate: float
    first: int = 0
    step: int = 1

    def due(self, number: int) -> float:
        """Return when a request is due, in seconds of the clock of `began`."""
        return self.began + number / self.rate

    def due_between(self, start: float, end: float, least: int = 0) -> int:
        """Return how many requests of this process with the number `least` or a higher one are due in a time."""
        return len(range(max(least, self.first_due(start)), self._number_from(end), self.step))

    def first_due(self, time: float) -> int:
        """Return the number of the first request of this process that is due at a time, or later."""
        number = self._number_from(time)
        return number + -(number - self.first) % self.step

    def _number_from(self, time: float) -> int:
        """Return the number of the first request that is due at a time, or later."""
        return max(0, math.ceil((time - self.began) * self.rate - 1e-9))
