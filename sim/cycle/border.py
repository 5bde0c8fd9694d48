"""The off-chip requests of a spatial design's transfers: exact addresses, in program order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.cycle.boxes import Int, padded
from arraysmith.sim.cycle.listing import listed, scratch_of, view_of
from arraysmith.sim.cycle.machine import Machine
from arraysmith.sim.cycle.offchip import Bursts
from arraysmith.sim.cycle.schedule import Epoch
from arraysmith.sim.cycle.tree import O


class BorderRequests:
    """Lists what crosses the border between off-chip memory and the rest."""

    def __init__(self, problem: Problem, machine: Machine, base: dict[str, int]) -> None:
        """Take a mapped design; ``base`` is the byte address of each tensor's first word."""
        tree = machine.tree
        self._bits = [tensor.word_bits for tensor in problem.tensors]
        self._base = [base[name] for name in TENSORS]
        self._extent = [padded([x.extent for x in t.axes], 1) for t in problem.tensors]
        self._request_bits = 8 * tree.memory(0).request_bytes
        edges = [tree.edges[e] for e in machine.borders]
        self._down = [view_of(tree, edge, tiles=edge.tensor == O) for edge in edges]
        self._up = view_of(tree, edges[O], up=True)
        self._scratch = [scratch_of(view) for view in self._down]

    def base(self, tensor: int) -> int:
        """Return the byte address of a tensor's first word off-chip."""
        return self._base[tensor]

    def in_bytes(self, tensor: int, base: int, table: Int, words: Int) -> Bursts:
        """Return runs of words, int64 [n, 2] of (first word, words), as requests from ``base``."""
        bits = self._bits[tensor]
        first = table[:, 0] * bits // 8
        end = -(-(table[:, 0] + table[:, 1]) * bits // 8)
        return Bursts((base + first).astype(np.uint64), (end - first).astype(np.uint32), words)

    def runs(self, tensor: int, epoch: Epoch, frame: Int, limit: tuple[int, int], *, outward: bool
        ) -> Int:  # fmt: skip
        """Return the runs of one transfer over the border, int64 [n, 2] of (address, words)."""
        view = self._up if outward else self._down[tensor]
        scratch = self._scratch[tensor]
        return listed(view, epoch.index, epoch.turned, frame, limit, scratch)

    def bursts(self, tensor: int, epoch: Epoch, *, outward: bool) -> Callable[[], Bursts]:
        """Return a function that lists the off-chip requests of one transfer."""

        def listing() -> Bursts:
            limit = (self._request_bits, self._bits[tensor])
            table = self.runs(tensor, epoch, self._extent[tensor], limit, outward=outward)
            return self.in_bytes(tensor, self._base[tensor], table, np.cumsum(table[:, 1]))

        return listing
