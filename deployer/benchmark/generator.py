"""The load of one stage, sent by one event loop: open, at the times that requests are due, or closed."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from time import perf_counter

from deployer.benchmark.job import MAX_SAMPLE_BYTES, MAX_SAMPLES, SAMPLE_EVERY, Job, Measured
from deployer.benchmark.schedule import Schedule
from deployer.benchmark.senders import Answer, Sender, open_sender
from deployer.benchmark.timer import Timer

GRACE_SECONDS = 0.1
"""How much later than the end of the stage a request that was due before may still be sent."""
PAUSE_SECONDS = 0.02
"""How long a client of the closed loop waits after a failure: a port that refuses does so at once."""


async def generate(job: Job, began: float, generators: list[Generator]) -> Measured:
    """Send the load of a job from `began` on, and return what was seen.

    Until it ends, the generator is in `generators`, for a caller that stops it.
    """
    kind = OpenLoop if job.stage.rate else ClosedLoop
    generator = kind(job, began, asyncio.get_running_loop())
    generators.append(generator)
    try:
        return await generator.run()
    finally:
        generators.remove(generator)


class Generator:
    """Sends requests until the stage ends, and counts those from the end of the warm-up on."""

    def __init__(self, job: Job, began: float, loop: asyncio.AbstractEventLoop) -> None:
        self._job, self._loop, self._began = job, loop, began
        self._from = began + job.stage.warmup
        self._end = self._from + job.stage.seconds
        self._sender: Sender = open_sender(job, loop)
        self._over: asyncio.Future[None] = loop.create_future()
        self._in_flight = 0
        self._answers = 0
        self._sample_bytes = 0
        self._last = self._from
        self._is_ending = False
        self.seen = Measured()

    async def run(self) -> Measured:
        """Send the load, wait for the last answers, and return what was seen."""
        self._loop.call_later(max(0.0, self._began - perf_counter()), self._start)
        self._loop.call_later(self._end + GRACE_SECONDS - perf_counter(), self._end_sending)
        used = time.process_time()
        await self._over
        took = perf_counter() - self._began
        self._sender.close()
        self.seen.processor = (time.process_time() - used) / took if took > 0 else 0.0
        self.seen.seconds = max(0.0, max(self._end, self._last) - self._from)
        return self.seen

    def stop(self) -> None:
        """End at once; what is under way is not counted."""
        self._end = min(self._end, perf_counter())
        self._is_ending = True
        self._finish()

    def _start(self) -> None:
        """Begin to send."""
        raise NotImplementedError

    def _goes_on(self, answer: Answer) -> None:
        """Send what may be sent now that a request has ended."""
        raise NotImplementedError

    def _end_sending(self) -> None:
        """Send nothing more, and end with the last answer, or when its deadline has passed."""
        if self._is_ending:
            return
        self._is_ending = True
        if self._in_flight:
            self._loop.call_later(self._job.deadline + 1, self._finish)
        else:
            self._finish()

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _send(self, number: int, due: float) -> None:
        self._in_flight += 1
        if due >= self._from:
            self.seen.sent += 1
        payload = number % len(self._job.payloads)
        self._sender.send(self._job.payloads[payload], partial(self._finished, payload, due))

    def _finished(self, payload: int, due: float, answer: Answer) -> None:
        now = perf_counter()
        self._in_flight -= 1
        if self._over.done():
            return
        if due >= self._from:
            self._last = now
            self._record(payload, now - due, answer)
        if not self._is_ending:
            self._goes_on(answer)
        elif not self._in_flight:
            self._finish()

    def _record(self, payload: int, latency: float, answer: Answer) -> None:
        seen = self.seen
        if answer.failure:
            seen.failures[answer.failure] += 1
            seen.examples.setdefault(answer.failure, answer.example)
            return
        seen.latencies.add(latency)
        self._answers += 1
        if self._answers % SAMPLE_EVERY == 1 and len(seen.samples) < MAX_SAMPLES:
            self._sample_bytes += len(answer.body)
            if self._sample_bytes <= MAX_SAMPLE_BYTES:
                seen.samples.append((payload, answer.body))


class OpenLoop(Generator):
    """Sends requests when they are due. One that has to wait for a connection is late, and its latency says so."""

    def __init__(self, job: Job, began: float, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(job, began, loop)
        self._schedule = Schedule(began, job.stage.rate or 1.0, job.first, job.step)
        self._next = job.first
        self._first = self._schedule.first_due(self._from)
        self._is_held_back = False
        self._timer = Timer(loop, self._send_due)

    def _start(self) -> None:
        self._send_due()

    def _goes_on(self, answer: Answer) -> None:
        del answer
        if self._in_flight == self._job.clients - 1:
            self._send_due()  # requests may have waited for this

    def _send_due(self) -> None:
        while not self._is_ending:
            now = perf_counter()
            if now >= self._from:
                self._next = max(self._next, self._first)  # what was late in the warm-up is not sent any more
            due = self._schedule.due(self._next)
            if due >= self._end:
                self._end_sending()
            elif due > now:
                self._is_held_back = False
                self._timer.set(due)
                return
            elif self._in_flight >= self._job.clients:
                self._is_held_back = True
                self.seen.held_back += 1
                return
            else:
                self._send(self._next, due)
                if due >= self._from and not self._is_held_back:
                    self.seen.delays.add(now - due)
                self._next += self._job.step

    def _finish(self) -> None:
        if not self._over.done():
            self._timer.close()
            self.seen.unsent = self._schedule.due_between(self._from, self._end, self._next)
        super()._finish()


class ClosedLoop(Generator):
    """Has clients that each send the next request when they have the answer to the last one."""

    def _start(self) -> None:
        self._next = self._job.first
        for _ in range(self._job.clients):
            self._ask()

    def _goes_on(self, answer: Answer) -> None:
        if answer.failure:
            self._loop.call_later(PAUSE_SECONDS, self._ask)
        else:
            self._ask()

    def _ask(self) -> None:
        now = perf_counter()
        if now < self._end and not self._is_ending:
            self._next += self._job.step
            self._send(self._next, now)
        elif not self._in_flight:
            self._end_sending()
