"""What a probe sees of a systolic design: every access of the array to its SRAMs, with its stamp.

Streams are ``<sram>/<tensor>/read`` and ``write``; one word per record, its address that of the
word off-chip, ``port`` its lane of the array, ``tile`` the number of the fold. A request is stamped
with the cycle in which the array passes the word, plus its turn when the port needs more than one
cycle for a cycle of the wavefront; the response comes the memory's latency later (the sequencer
asks that much ahead, so latency delays no cycle). At banks the request is stamped with the turn of
the word's line, and the response counts from when the word passes. Padding is not accessed, but
keeps its turn.

Records come by request cycle and then in the order of the port: see ``edge``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.cycle.systolic.addresses import Addresses
from arraysmith.sim.cycle.systolic.banks import (
    STREAMS,
    BankedMemory,
    BankedPorts,
    Stream,
    port_rates,
)
from arraysmith.sim.cycle.systolic.edge import Edge, Records
from arraysmith.sim.cycle.systolic.schedule import Placed
from arraysmith.sim.cycle.systolic.window import Window
from arraysmith.sim.probe import LINK_BITS, Chains, Folds, Probe
from arraysmith.sim.systolic_machine import SystolicMachine

Int = NDArray[np.int64]


class SystolicStreams:
    """Turns windows and chunks into requests and hands them to a probe."""

    def __init__(
        self,
        machine: SystolicMachine,
        ports: BankedPorts,
        edge: Edge,
        addresses: Addresses,
        probe: Probe,
        chunk_records: int,
        suffix: str = "",
    ) -> None:
        """Take the parts; ``suffix`` follows the names of the SRAMs, one set of many."""
        self._machine = machine
        self._ports = ports
        self._rates = port_rates(machine)
        self._edge = edge
        self._addresses = addresses
        self._probe = probe
        self._suffix = suffix
        self._chunk = max(chunk_records, machine.array.mesh_x + machine.array.mesh_y)
        self._folds: list[tuple[int, ...]] = []
        self._stalls: list[tuple[int, int, int]] = []  # clock cycle, cycles, chain
        self._chained = False
        self._causes: dict[str, int] = {}

    def tell_window(self, alive: Sequence[Placed], begin: int, window: Window, clock: Int) -> None:
        """Tell the array's accesses between two fold starts.

        Args:
            alive: the folds that move, later ones first.
            begin: array cycle in which the window begins.
            window: the window.
            clock: int64 [cycles], clock cycle in which each of its array cycles begins.
        """
        for stream in STREAMS:
            memory = self._machine.buffer(stream.tensor)
            if self._probe.wants(memory.name) and not self._ports.banked(memory):
                self._tell(stream, alive, begin, window, clock)
        for banked in self._ports.memories:
            if self._probe.wants(banked.name):
                self._tell_banked(banked, alive, begin, window, clock)

    def tell_fold(self, placed: Placed) -> None:
        """Tell that a fold was placed."""
        fold = placed.fold
        row = (placed.number, fold.group, fold.row, fold.column, *placed.plan.wave.used)
        self._folds.append((*row, placed.start))
        if len(self._folds) >= self._chunk:
            self._flush_folds()

    def tell_stall(self, clock: int, cycles: int, links: tuple[str, ...]) -> None:
        """Tell a wait of the array, its cause first among ``links``; waits are told in order."""
        chain = 0
        for link in reversed(links):
            chain = chain << LINK_BITS | self._causes[link]
        self._stalls.append((clock, cycles, chain))
        if len(self._stalls) >= self._chunk:
            self._flush_stalls()

    def tell_steps(self, tau: Int, causes: Sequence[str], behind: Sequence[str] = ()) -> None:
        """Tell, first of all, the cycles of the steps.

        ``causes`` are those that will be told, ``behind`` what may stand behind one in a chain.
        """
        self._causes = {cause: number for number, cause in enumerate((*causes, *behind))}
        self._chained = bool(behind)
        self._probe.step_cycle(tau)

    def finish(self) -> None:
        """Tell what is left, last of all."""
        self._flush_folds()
        self._flush_stalls()

    def _flush_folds(self) -> None:
        if self._folds:
            table = np.array(self._folds, np.int64)
            self._probe.folds(Folds(*(column.copy() for column in table.T)))
            self._folds.clear()

    def _flush_stalls(self) -> None:
        if self._stalls:
            table = np.array(self._stalls, np.int64)
            clock, cycles, chain = (column.copy() for column in table.T)
            step = np.full(len(chain), -1)  # waits are within steps, which overlap
            told = Chains(step, chain) if self._chained else None
            first = chain & ((1 << LINK_BITS) - 1)
            self._probe.stalls(clock, cycles, first, tuple(self._causes), told)
            self._stalls.clear()

    def _tell(
        self, stream: Stream, alive: Sequence[Placed], begin: int, window: Window, clock: Int
    ) -> None:
        moving = stream.moving(alive)
        if not moving:
            return
        listing = self._edge.listing(stream.tensor, moving, begin, begin + len(clock))
        after = clock + window.read_turn if stream.written else clock
        taken = window.taken.get(stream, np.empty(0, np.int64))
        for found in listing.records(after, self._rates[stream], taken, self._chunk):
            self._request(stream, found, found.clock, found.clock)

    def _tell_banked(
        self,
        banked: BankedMemory,
        alive: Sequence[Placed],
        begin: int,
        window: Window,
        clock: Int,
    ) -> None:
        for piece in banked.pieces(alive, begin, begin + len(clock), window.read_turn):
            for stream, found, turn, passed in piece.records(clock[piece.begin - begin :]):
                # In the order of their turns; lanes stay in order.
                order = np.argsort(found.clock + turn, kind="stable")
                self._request(
                    stream,
                    Records(
                        found.word[order],
                        found.clock[order],
                        found.tile[order],
                        found.lane[order],
                        found.counts,
                    ),
                    (found.clock + turn)[order],
                    (found.clock + passed)[order],
                )

    def _request(self, stream: Stream, found: Records, asked: Int, passed: Int) -> None:
        memory = self._machine.buffer(stream.tensor)
        self._probe.requests(
            f"{memory.name}{self._suffix}/{stream.tensor}/{'write' if stream.written else 'read'}",
            asked,
            passed + memory.latency_cycles,
            self._addresses.address(stream.tensor, found.word),
            np.full(len(asked), self._addresses.word_bytes(stream.tensor), np.uint32),
            found.tile.astype(np.uint32),
            found.lane.astype(np.uint16),
        )
