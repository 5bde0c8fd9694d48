"""How far words travel inside a systolic array whose wires take energy.

From the array's edge, a hop per MAC unit that a word reaches. Stationary operands
are shifted in and ``drain: shift`` shifts results out, row by row, so that a fold of r rows needs
r (r + 1) / 2 hops per column; ``drain: bus`` drives r hops per result, ``free`` none. Words of
padding travel like all others, weights that sparsity leaves out do not.
"""

from __future__ import annotations

from collections.abc import Iterable

from arraysmith.arch.architecture import COLUMNS, ROWS, STREAM, Architecture, Systolic
from arraysmith.arch.problem import OFMAP, TENSORS
from arraysmith.sim.folding import LANES_AND_STEPS, Folding
from arraysmith.sim.report import Traffic
from arraysmith.sim.wires import wires_of

FORWARD, SHIFT = "forward", "shift"
"""Kinds of traffic in a systolic array: words that pass from MAC to MAC at work, and words that are
shifted in before or out after it."""


def systolic_traffic(
    architecture: Architecture, foldings: Iterable[Folding]
) -> tuple[Traffic, ...]:
    """Return the words of each tensor in the systolic array; nothing when its wires are free.

    Args:
        architecture: whose last level is the array.
        foldings: what each array computes.
    """
    fanout = architecture.systolic
    if fanout is None or wires_of(fanout) is None:
        return ()
    assert isinstance(fanout.network, Systolic)
    found = {tensor: [0, 0, 0] for tensor in TENSORS}
    kinds = {}
    for folding in foldings:
        # Arrays in lockstep that cut the stream hold the same words, or parts of the same sums.
        copies = min(folding.across[2], folding.stream.size)
        for (rows, columns), many in folding.shapes():
            turns = many * folding.groups
            extent = {ROWS: rows, COLUMNS: columns, STREAM: folding.stream.size}
            for tensor in TENSORS:
                lanes, steps = LANES_AND_STEPS[folding.dataflow, tensor]
                words = extent[lanes] * extent[steps]
                shifted = steps == ROWS
                reached = words * copies if shifted else rows * columns * extent[STREAM]
                down = copies * columns * _down(rows, folding.array_rows)
                hops = down if shifted else reached
                if tensor == OFMAP and shifted and fanout.network.drain != "shift":
                    bus = fanout.network.drain == "bus"
                    hops = reached * min(rows, folding.array_rows) if bus else 0
                kinds[tensor] = SHIFT if shifted else FORWARD
                for i, value in enumerate((words, reached, hops)):
                    found[tensor][i] += turns * value
    return tuple(
        Traffic(fanout.name, tensor, kinds[tensor], words, reached, hops)
        for tensor, (words, reached, hops) in found.items()
        if words
    )


def _down(rows: int, array_rows: int) -> int:
    """Return the hops down a column of a word per row; arrays one above the other are separate."""
    arrays, rest = divmod(rows, array_rows)
    return (arrays * array_rows * (array_rows + 1) + rest * (rest + 1)) // 2
