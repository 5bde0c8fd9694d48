"""When the folds of a systolic array begin and end if nothing ever waits: the facts of the array.

Array time counts the cycles in which the array advances. With r' and c' the rows and columns that a
fold f is timed with (``Folding.extent``), L the cycles in which lane 0 takes the steps (T, and more
where chunks are shorter than the skew), s_f the cycle in which lane 0 takes step 0 and A the cycles
before it in which the stationary operand enters (0 output stationary, else r'):

| | first cycle | end: cycle after the last |
| --- | --- | --- |
| ``os``, drain ``free`` | s_f | s_f + L + r' + c' - 2 |
| ``os``, ``bus`` | s_f | one more: results are registered before the bus |
| ``os``, ``shift`` | s_f | s_f + L + 2 r' + c' - 2 |
| ``ws``, ``is`` | s_f - A | s_f + L + r' + c' - 2 |

Arrays in lockstep that cut the stream take T = ceil(stream / arrays) steps each.

Without overlap s_{f+1} is the end of f plus A of f+1. A fold thus takes T + r + c - 2 cycles output
stationary with free drain, 2 r + c + T - 2 otherwise (Samajdar et al., ISPASS 2020, who count the
drain of output stationary, too, while their tool leaves it out). With overlap

* accumulators held twice, ``os``: s_{f+1} = s_f + max(L, r'_f), with ``shift`` at least
  2 r'_f - r'_{f+1}: no two results of a column in one cycle, and no result overwritten in its
  second register before it was passed on (Genc et al., Gemmini, DAC 2021, hold sums so). Row i of
  the second registers passes on i + 1 results and then holds still for the next fold;
* stationary operand held twice, ``ws`` and ``is``: s_{f+1} = s_f + max(A_{f+1}, L + max(0, r'_f -
  r'_{f+1})): the next words enter one row after the other while the last fold computes, and no two
  sums leave a column in one cycle (Jouppi et al., TPU, ISCA 2017, hold weights so).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from arraysmith.sim.array_registers import ArrayRegisters
from arraysmith.sim.folding import Folding

Used = tuple[int, int]


DRAINS = {"free": "free", "bus": "bus", "shift": "rows"}
"""Drains of ``Systolic`` -> those of ``ArrayRegisters``."""


@dataclass(frozen=True)
class FoldTimes:
    """Times of the folds of one folding; see the head of the module."""

    folding: Folding

    @cached_property
    def registers(self) -> ArrayRegisters:
        """The array as registers: one in every MAC, that of the sum."""
        held = self.folding.dataflow == "os"
        return ArrayRegisters(
            self.folding.array_rows,
            self.folding.array_columns,
            dataflow="os" if held else "ws",
            drain=DRAINS[self.folding.wiring.drain] if held else "free",
        )

    @property
    def overlapped(self) -> bool:
        """Whether a fold begins before the last one is over."""
        acts = "accumulators" if self.folding.dataflow == "os" else "weights"
        return self.folding.wiring.fold_overlap == acts

    @property
    def skewed_results(self) -> bool:
        """Whether a column gives its results a cycle after its left neighbour, not with it."""
        held = self.folding.dataflow == "os" and self.folding.wiring.drain == "shift"
        return self.overlapped or not held

    def lead(self, used: Used) -> int:
        """Return the cycles before step 0 in which the stationary operand enters; A above."""
        return self.registers.lead(self.folding.extent(used))

    def tail(self, used: Used, length: int) -> int:
        """Return the cycles from step 0 to the end of a fold whose steps take ``length`` cycles."""
        return self.registers.tail(self.folding.extent(used), length)

    def distance(self, used: Used, after: Used, length: int, lead: int) -> int:
        """Return the cycles from step 0 of a fold to step 0 of the next one.

        Args:
            used: rows and columns that the fold uses.
            after: those of the next one.
            length: cycles of the steps; L above.
            lead: ``lead`` of the next one, or more if its chunks need that.
        """
        if not self.overlapped:
            return self.tail(used, length) + lead
        rows, next_rows = self.folding.extent(used)[0], self.folding.extent(after)[0]
        if self.folding.dataflow != "os":
            return max(lead, length + max(0, rows - next_rows))
        if self.folding.wiring.drain == "shift":
            return max(length, rows, 2 * rows - next_rows)
        return max(length, rows)
