"""A memory controller that is fed with requests and told how far to run.

    controller = Controller(load_device("ddr4_2400"), Fraction(6, 5))  # DRAM cycles per own cycle
    numbers = controller.submit(address=0, size=256, write=False, cycle=100)
    back = controller.advance(until=400)  # back.ident, back.accepted, back.returned

Cycles are the caller's: cycle c of the caller begins with cycle c x ratio of the DRAM. A request is
offered in the first DRAM cycle that begins no earlier than its own cycle; what comes back is there
in the first of the caller's cycles that begins no earlier. With ratio 1 both count alike.

``advance(until)`` simulates what begins before cycle ``until``, so that requests of that cycle may
still be submitted. What it returns is known by then, but may come back later: a read is known as
soon as its command is out. Nobody who submits in order is ever too late.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arraysmith.arch.errors import ArraysmithError
from arraysmith.sim.dram import columns as at
from arraysmith.sim.dram.device import Device
from arraysmith.sim.dram.kernel import (
    AT_COMPLETION,
    AT_CYCLE,
    AT_EMPTY,
    AT_LAST,
    LOG_FULL,
    NO_PROGRESS,
    advance,
    next_event,
)
from arraysmith.sim.dram.parameters import parameters
from arraysmith.sim.dram.requests import submit
from arraysmith.sim.dram.stats import Stats, stats_of

Int = NDArray[np.int64]

COMMANDS = (
    "none", "activate", "precharge", "read", "write", "read_precharge", "write_precharge",
    "refresh",
)  # fmt: skip
"""Names of commands by their number in the log."""

ControllerState = tuple[Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int, Int]
"""What ``kernel.advance`` works on: its arguments from ``slot`` on."""

_LONG_AGO = -(1 << 40)
_SLOTS = 1024
_LOG_ROWS = 4096


def _scaled(cycles: Int, ratio: Fraction) -> Int:
    """Return cycles x ratio, rounded up, exactly."""
    if len(cycles) and int(abs(cycles).max()) * ratio.numerator >= at.NEVER:
        exact = [ceil(cycle * ratio) for cycle in cycles.tolist()]
        return np.array(exact, np.int64)
    return -(-cycles * ratio.numerator // ratio.denominator)


class DramError(ArraysmithError):
    """A request that the memory cannot serve, or a controller that does not get on."""


@dataclass(frozen=True, slots=True, eq=False)
class Completions:
    """Requests whose return is known, in the order in which it became known.

    Attributes:
        ident: int64 [n], numbers that ``submit`` gave.
        accepted: int64 [n], cycle in which the controller accepted the (first burst of the)
            request.
        returned: int64 [n], cycle in which its (last) data are there; of a write, in which it is
            safe in the buffer.
        channel: int64 [n], channel of the burst that came back last.
        reason: int64 [n], index into ``use.REASONS``: what that burst waited for last before its
            command; of a write, before the buffer took it.
    """

    ident: Int
    accepted: Int
    returned: Int
    channel: Int
    reason: Int

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.ident)


class Controller:
    """The controllers of all channels of a DRAM; see the module."""

    def __init__(
        self,
        device: Device,
        cycles_per_own: Fraction | int = 1,
        *,
        log: bool = False,
        owners: int = 1,
    ) -> None:
        """Begin in cycle 0 with all rows closed.

        Args:
            device: the memory.
            cycles_per_own: DRAM cycles per cycle of the caller, above 0; see
                ``Device.cycles_per``.
            log: whether to keep every command.
            owners: whose writes are told apart by ``written``.
        """
        if cycles_per_own <= 0:
            raise DramError(f"DRAM cycles per cycle must be above 0, not {cycles_per_own}")
        self.device = device
        self.cycles_per_own = Fraction(cycles_per_own)
        shape, policy = device.organisation, device.policy
        channels, banks = shape.channels, shape.banks
        self._par = parameters(device)
        queue = max(policy.read_queue, policy.write_queue)
        if policy.scheduler == "fcfs":
            queue = policy.read_queue + policy.write_queue
        self._waiting = np.zeros((channels, 2, queue), np.int64)
        self._queue = np.zeros((channels * banks, policy.bank_queue), np.int64)
        self._bank = np.zeros((channels * banks, at.BANK_COLUMNS), np.int64)
        self._bank[:, [at.OPEN_ROW, at.FIRST_READ, at.FIRST_WRITE]] = -1
        self._bank[:, at.OPENED_AFTER] = at.BY_ROW
        places = np.arange(channels * banks)
        self._bank[:, at.OWN_GROUP] = places // shape.banks_per_group
        self._bank[:, at.OWN_RANK] = places // (shape.bank_groups * shape.banks_per_group)
        groups = channels * shape.ranks * shape.bank_groups
        self._group = np.zeros((groups, at.GROUP_COLUMNS), np.int64)
        self._rank = np.zeros((channels * shape.ranks, at.RANK_COLUMNS), np.int64)
        self._rank[:, at.WINDOW : at.WINDOW + 4] = _LONG_AGO
        self._channel = np.zeros((channels, at.CHANNEL_COLUMNS), np.int64)
        first = int(self._par[at.INTERVAL]) if policy.refresh else at.NEVER
        self._channel[:, [at.WAKE, at.REFRESH_AT]] = first
        self._channel[:, at.COMMAND_AT] = at.NEVER
        self._channel[:, at.BUSY] = -1
        self._channel[:, at.TURN] = places[::banks]
        waiting = channels * (2 * queue + banks * policy.bank_queue)
        self._table = np.full(1 << (2 * waiting).bit_length(), -1, np.int64)
        self._whole = np.zeros(at.WHOLE_COLUMNS + at.OF_OWNER * owners, np.int64)
        self._whole[at.WHOLE_COLUMNS + at.WRITTEN :: at.OF_OWNER] = -1
        self._whole[[at.IN_FIRST, at.IN_LAST]] = -1
        self._whole[[at.FREE, at.FREE_ASK]] = -1
        self._whole[[at.LAST_ACCEPT, at.LAST_RETURN, at.LAST_COLUMN]] = -1
        self._slot = np.zeros((0, at.SLOT_COLUMNS), np.int64)
        self._ask = np.zeros((0, at.ASK_COLUMNS), np.int64)
        self._done = np.zeros((0, at.DONE_COLUMNS), np.int64)
        self._grow(_SLOTS)
        self._log = np.zeros((_LOG_ROWS + 2 * channels if log else 0, at.LOG_COLUMNS), np.int64)

    def submit(
        self,
        address: ArrayLike,
        size: ArrayLike,
        write: ArrayLike,
        cycle: ArrayLike,
    ) -> Int:
        """Offer requests, after all that were offered before, and return their numbers.

        They are accepted in this order: one that finds no room holds up those behind it. A request
        moves every burst that it touches; it is back with the last of them.

        Args:
            address: byte address, one or [n]; the other arguments are broadcast to it.
            size: bytes, at least 1.
            write: whether to write.
            cycle: cycle of the caller from which each is offered; cycles that have been simulated
                count as now.

        Returns:
            int64 [n], numbers, counted from 0 over the life of the controller.

        Raises:
            DramError: an address beyond the memory, or no bytes.
        """
        places, sizes, writes, cycles = (
            np.atleast_1d(x)
            for x in np.broadcast_arrays(
                np.asarray(address, np.int64),
                np.asarray(size, np.int64),
                np.asarray(write, np.int64),
                np.asarray(cycle, np.int64),
            )
        )
        if len(places) == 0:
            return np.zeros(0, np.int64)
        first, bursts = self.place(places, sizes)
        start = int(self._whole[at.NEXT_IDENT])
        arrive = _scaled(cycles, self.cycles_per_own)
        submit(first, bursts, writes != 0, arrive, self._slot, self._ask, self._whole, self._par)
        return np.arange(start, start + len(places), dtype=np.int64)

    def place(self, address: Int, size: Int) -> tuple[Int, Int]:
        """Return number of the first burst and bursts of requests, and make room for them.

        Args:
            address: int64 [n], n at least 1, byte addresses.
            size: int64 [n], bytes.

        Raises:
            DramError: as ``submit``.
        """
        ends = address + size
        capacity = self.device.organisation.capacity_bytes
        if size.min() < 1:
            raise DramError(f"a request must move at least 1 byte, not {size.min()}")
        if address.min() < 0 or ends.max() > capacity:
            worst = address.min() if address.min() < 0 else address[ends.argmax()]
            raise DramError(
                f"address {worst:#x} is outside of {self.device.name}, which has {capacity:,} bytes"
            )
        burst = self.device.organisation.burst_bytes
        first = address // burst
        bursts = (ends - 1) // burst - first + 1
        lacking = int(bursts.sum()) - int(self._whole[at.FREE_SLOTS])
        if lacking > 0:
            self._grow(len(self._slot) + max(lacking, len(self._slot)))
        return first, bursts

    @property
    def state(self) -> ControllerState:
        """What kernels that submit and advance by themselves work on, after ``place``."""
        return (
            self._slot, self._ask, self._done, self._waiting, self._queue, self._bank, self._group,
            self._rank, self._channel, self._table, self._log, self._whole, self._par,
        )  # fmt: skip

    def stuck(self) -> DramError:
        """Return what to raise when ``kernel.advance`` made no progress."""
        return DramError(self._waiting_chain())

    @property
    def now(self) -> int:
        """First of the caller's cycles that has not been simulated whole."""
        return int(self._whole[at.NOW] / self.cycles_per_own)

    @property
    def pending(self) -> int:
        """Bursts submitted whose return is not known."""
        return int(self._whole[at.PENDING])

    @property
    def next_event(self) -> int | None:
        """First cycle up to which ``advance`` would do anything; None if nothing is to be done.

        With nothing to serve, that is the next refresh.
        """
        cycle = next_event(self._slot, self._channel, self._whole, self._par)
        if cycle == at.NEVER:
            return None
        return int(cycle / self.cycles_per_own) + 1

    def advance(self, until: int) -> Completions:
        """Simulate what begins before cycle ``until``; return what became known of."""
        return self._advance(until, AT_CYCLE)

    def advance_to_completion(self, until: int | None = None) -> Completions:
        """Simulate until the return of a request is known, but not beyond ``until``."""
        if self.pending == 0 and until is None:
            return self._taken()
        return self._advance(until, AT_COMPLETION)

    def finish(self, *, flush: bool = False) -> Completions:
        """Simulate until the return of every request is known.

        Args:
            flush: until every buffered write has been sent to its bank, too.
        """
        if flush:
            self.begin_flush()
        try:
            return self._advance(None, AT_EMPTY if flush else AT_LAST)
        finally:
            self._whole[at.FLUSH] = 0

    def begin_flush(self) -> None:
        """From now on send buffered writes to their banks whenever nothing waits to be read."""
        self._whole[at.FLUSH] = 1
        # Buffers that rest have to be looked at.
        self._channel[:, at.STIRRED] = 1
        self._channel[:, at.WAKE] = self._whole[at.NOW]

    def written(self, owner: int = 0) -> int:
        """Return the DRAM cycle in which an owner's last write went to its bank; -1: none did."""
        return int(self._whole[at.WHOLE_COLUMNS + at.OF_OWNER * owner + at.WRITTEN])

    def stats(self) -> Stats:
        """Return what was done so far; its cycles are those of the DRAM."""
        return stats_of(self.device, self._rank, self._channel, self._whole)

    def log(self) -> Int:
        """Return the commands so far.

        Returns:
            int64 [n, 8], ordered by cycle: DRAM cycle, command (see ``COMMANDS``), channel, rank,
            bank group, bank, row, burst of the row. Of a refresh, groups and banks are 0, row and
            burst -1; row commands have burst -1.
        """
        return self._log[: self._whole[at.N_LOG]].copy()

    def _advance(self, until: int | None, stop: int) -> Completions:
        end = at.NEVER - 1 if until is None else ceil(until * self.cycles_per_own)
        while True:
            status = advance(
                end, stop, self._slot, self._ask, self._done, self._waiting, self._queue,
                self._bank, self._group, self._rank, self._channel, self._table, self._log,
                self._whole, self._par,
            )  # fmt: skip
            if status == NO_PROGRESS:
                raise self.stuck()
            if status != LOG_FULL:
                return self._taken()
            self._log = np.concatenate((self._log, np.zeros_like(self._log)))

    def _taken(self) -> Completions:
        rows = self._done[: self._whole[at.N_DONE]]
        self._whole[at.N_DONE] = 0
        accepted, returned = (
            _scaled(rows[:, x], 1 / self.cycles_per_own) for x in (at.DONE_ACCEPT, at.DONE_RETURN)
        )
        channel, reason = np.divmod(rows[:, at.DONE_WHERE], at.REASONS)
        return Completions(rows[:, at.DONE_IDENT].copy(), accepted, returned, channel, reason)

    def _grow(self, size: int) -> None:
        """Make room for ``size`` bursts under way."""
        old = len(self._slot)
        for name in ("_slot", "_ask", "_done"):
            array = getattr(self, name)
            grown = np.zeros((size, array.shape[1]), np.int64)
            grown[:old] = array
            setattr(self, name, grown)
        for array, column, free in (
            (self._slot, at.NEXT, at.FREE),
            (self._ask, at.A_NEXT, at.FREE_ASK),
        ):
            array[old:, column] = np.arange(old + 1, size + 1)
            array[-1, column] = self._whole[free]
            self._whole[free] = old
        self._whole[at.FREE_SLOTS] += size - old

    def _waiting_chain(self) -> str:
        """Return what waits for what, for people."""
        counts = self._channel[:, [at.READS, at.WRITES, at.IN_QUEUES]]
        parts = [
            f"channel {c}: {reads} reads, {writes} writes, {queued} requests at the banks"
            for c, (reads, writes, queued) in enumerate(counts)
            if reads or writes or queued
        ]
        cycle = int(self._whole[at.NOW])
        return f"{self.device.name}: no progress, DRAM cycle {cycle:,}: {'; '.join(parts)}"
