"""Observer hooks of the simulator: it calls them, and knows nothing of who listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """Folds of a systolic array in the order in which it takes them; columns of equal length.

    Attributes:
        number: int64 [n], number of the fold, counted from 0.
        group: int64 [n], group of a grouped convolution.
        row_fold: int64 [n], which part of what is folded over the rows.
        column_fold: int64 [n], which part of what is folded over the columns.
        rows: int64 [n], rows of the array in use.
        columns: int64 [n], columns in use.
        start: int64 [n], array cycle in which lane 0 takes step 0. Array cycles count only cycles
            in which the array advances; with the stalls they give clock cycles.
    """

    number: NDArray[np.int64]
    group: NDArray[np.int64]
    row_fold: NDArray[np.int64]
    column_fold: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    start: NDArray[np.int64]


LINK_BITS = 10
"""Bits of a link in a chain of waiting."""

MOST_LINKS = 6
"""Links of the longest chain."""


def links_of(chain: int, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a chain of waiting, the cause first.

    A chain names what an array waits for, what that waited for, and so on. It is one number: the
    indices of the names, ``LINK_BITS`` bits each, the first one lowest. The first of all names can
    only begin a chain: further up, 0 says that it ends.
    """
    found: list[str] = []
    while not found or chain:
        found.append(names[chain & ((1 << LINK_BITS) - 1)])
        chain >>= LINK_BITS
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class Chains:
    """More of several waits of an array: where it stood, and what was behind their causes.

    Attributes:
        step: int64 [n], step that could not begin, counted from 0; -1 where no steps are counted.
        chain: int64 [n], chain of waiting, see ``links_of``; its first link is the cause.
    """

    step: NDArray[np.int64]
    chain: NDArray[np.int64]


class Probe(Protocol):
    """Receives what a simulation does, in batches, in the order of the simulated program."""

    def wants(self, memory: str) -> bool:
        """Return whether requests at ``memory`` (or a fan-out's network) are of interest.

        Others are not worked out.
        """
        ...

    def requests(
        self,
        stream: str,
        request_cycle: NDArray[np.int64],
        response_cycle: NDArray[np.int64],
        address: NDArray[np.uint64],
        size: NDArray[np.uint32],
        tile: NDArray[np.uint32],
        port: NDArray[np.uint16],
    ) -> None:
        """Take requests of one stream, ordered by request cycle and, within a cycle, by port.

        Args:
            stream: ``memory/tensor/direction``, direction ``read`` or ``write``; of the network of
                a fan-out ``network/fan-out/tensor/direction``, ``down`` or ``up``; of the links
                between its children one of ``arch.interconnect.DIRECTIONS``.
            request_cycle: [n] cycle in which the request is issued.
            response_cycle: [n] cycle in which its last word has arrived; not before the request.
            address: [n] byte address of the first word.
            size: [n] bytes; consecutive addresses, except on networks (a whole transfer).
            tile: [n] number of the tile that asked for it, counted from 0 per stream.
            port: [n] lane of a systolic array (row for operands that enter on the left, column for
                those that enter at the top and for results), channel of an off-chip memory, number
                of the instance of other memories, or of the child that a link leads to. Arrays that
                share their SRAMs have one numbering: see ``Folding.shares``.
        """
        ...

    def stalls(
        self,
        clock_cycle: NDArray[np.int64],
        cycles: NDArray[np.int64],
        cause: NDArray[np.int64],
        names: tuple[str, ...],
        chains: Chains | None = None,
    ) -> None:
        """Take waits of the array, in order; per cause they add up to the Report's stall cycles.

        Gaps (``gap_<tensor>`` of a systolic array) are no waits: lanes are left empty while the
        array goes on.

        Args:
            clock_cycle: [n] cycle in which the wait begins.
            cycles: [n] cycles it lasts; the array does not advance in them.
            cause: [n] index into ``names``.
            names: of the causes, as the Report spells them; alike in all calls of a run.
            chains: what the causes waited for in turn; None from who does not know. Its links are
                indices into ``names`` too, which then has names that are no cause.
        """
        ...

    def folds(self, folds: Folds) -> None:
        """Take the next folds of a systolic array."""
        ...

    def step_cycle(self, tau: NDArray[np.int64]) -> None:
        """Take, once per run of a systolic array, when lane 0 takes every step of a fold.

        Args:
            tau: [T] array cycle of each step, relative to step 0.
        """
        ...


class OneOfMany:
    """What one of several arrays tells: its requests at once, the rest when it is asked for.

    A Report of several arrays has the stalls of the one that is through last, and so has whoever
    observes: its waits, folds and steps are told, those of the others are not.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._kept: list[Callable[[], None]] = []

    def wants(self, memory: str) -> bool:
        """Return whether the observer wants ``memory``."""
        return self._probe.wants(memory)

    def requests(
        self,
        stream: str,
        request_cycle: NDArray[np.int64],
        response_cycle: NDArray[np.int64],
        address: NDArray[np.uint64],
        size: NDArray[np.uint32],
        tile: NDArray[np.uint32],
        port: NDArray[np.uint16],
    ) -> None:
        """Tell requests: see ``Probe``."""
        self._probe.requests(stream, request_cycle, response_cycle, address, size, tile, port)

    def stalls(
        self,
        clock_cycle: NDArray[np.int64],
        cycles: NDArray[np.int64],
        cause: NDArray[np.int64],
        names: tuple[str, ...],
        chains: Chains | None = None,
    ) -> None:
        """Keep waits: see ``Probe``."""
        self._kept.append(partial(self._probe.stalls, clock_cycle, cycles, cause, names, chains))

    def folds(self, folds: Folds) -> None:
        """Keep folds: see ``Probe``."""
        self._kept.append(partial(self._probe.folds, folds))

    def step_cycle(self, tau: NDArray[np.int64]) -> None:
        """Keep the cycles of the steps: see ``Probe``."""
        self._kept.append(partial(self._probe.step_cycle, tau))

    def release(self) -> None:
        """Tell what was kept, in order."""
        for tell in self._kept:
            tell()
        self._kept.clear()
