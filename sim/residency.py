"""What the SRAMs of a systolic array keep, and so what has to come from off-chip again.

The rules, shared by both models (each counts and times what follows by itself):

* A double-buffered SRAM is two halves: one is worked on, the other is filled or drained meanwhile.
  A single-buffered one is one half: the next load waits until the last one has been used up.
* ``whole``: an operand of which one group fits a half is loaded once per group, each word once, as
  it is first used: fold by fold, a streaming one in up to ``WHOLE_PIECES`` pieces per fold, so that
  the array can start on the first.
* Otherwise a fold loads its block of the operand, each word of it once, unless the fold before had
  the same block and it came in one piece.
* A block that does not fit a half is streamed in chunks of steps. Chunks follow the loops of the
  steps: some turns of one loop with everything inside it, as a compiler would tile them, cut as
  evenly as they can be. A chunk's words are those of its bounding box at most.
* The stationary operand of a fold is chunked by rows of the array, in the order of loading. Several
  arrays in lockstep load their rows at the same time, so that all of a fold has to fit a half.
* Arrays in lockstep that cut the stream take several values in a step: no chunk ends between them.
* Partial sums of a column fold stay in the ofmap SRAM when all of them (steps x columns) fit a
  half; otherwise, and always with ``partial_sums="spill"``, those of each row fold are written
  off-chip and come back for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from math import prod

from arraysmith.arch.architecture import COLUMNS, ROWS, STREAM, Memory
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.problem import DIMS, OFMAP, Problem, Tensor
from arraysmith.sim.fold_times import FoldTimes
from arraysmith.sim.folding import LANES_AND_STEPS, Folding
from arraysmith.sim.side import Side
from arraysmith.sim.systolic_machine import SystolicMachine

WHOLE_PIECES = 8
"""Loads into which a fold's part of a whole streaming operand is cut: a choice, not a limit of the
memory. More would start a run a little earlier and cost more events."""


def halves(memory: Memory) -> int:
    """Return how many loads a memory takes at a time."""
    return 2 if memory.double_buffered else 1


def room_words(memory: Memory, tensor: str) -> int | None:
    """Return the words of ``tensor`` that a memory, or its part of it, takes; None: unbounded."""
    lines = memory.lines(tensor)
    return None if lines is None else lines * memory.width_bits // memory.word_bits


def half_words(memory: Memory, tensor: str) -> int | None:
    """Return the words of ``tensor`` that one half takes; None when unbounded."""
    room = room_words(memory, tensor)
    return None if room is None else room // halves(memory)


@dataclass(frozen=True, slots=True)
class Operand:
    """How one operand gets from its SRAM into the array, and into its SRAM before.

    Attributes:
        tensor: ``ifmap`` or ``weight``.
        lanes: index that picks the row or column of the array a word enters by.
        steps: index that orders the words of a lane: ``stream``, or ``rows`` when stationary.
        grouped: each group has words of its own.
        whole: one group fits a half.
        resident: all groups fit a half, so that no word ever makes room for another.
        halves: loads its SRAM takes at a time.
        chunks: [start, stop) of the steps of each chunk, when streamed; empty when stationary.
        chunk_rows: rows per chunk when stationary.
    """

    tensor: str
    lanes: str
    steps: str
    grouped: bool
    whole: bool
    resident: bool
    halves: int
    chunks: tuple[tuple[int, int], ...]
    chunk_rows: int

    @property
    def stationary(self) -> bool:
        """Whether it stays in the PEs for a fold."""
        return self.steps == ROWS

    def pieces(self, folding: Folding, row: int, column: int) -> list[tuple[int, int]]:
        """Return [start, stop) of the steps of each chunk of a fold, in the order of use."""
        if not self.stationary and self.whole:
            steps = folding.stream.size
            length = -(-folding.steps // WHOLE_PIECES) * folding.across[2]
            return [(i, min(i + length, steps)) for i in range(0, steps, length)]
        if not self.stationary:
            return list(self.chunks)
        first, stop = folding.block(ROWS, row, column)
        return [
            (max(first, end - self.chunk_rows), end) for end in range(stop, first, -self.chunk_rows)
        ]

    def ahead(self, folding: Folding) -> int:
        """Return how many loads may be on their way or kept before the array has used one."""
        whole_fold = len(self.pieces(folding, 0, 0)) if self.whole else 1
        return self.halves * whole_fold

    @classmethod
    def of(
        cls, machine: SystolicMachine, folding: Folding, problem: Problem, tensor: str
    ) -> Operand:
        """Apply the rules; raises UnsupportedDesignError when not even one step fits a half."""
        lanes, steps = LANES_AND_STEPS[folding.dataflow, tensor]
        memory, data = machine.buffer(tensor), problem.stored(tensor)
        half = half_words(memory, tensor)
        group = _group_words(folding, data, lanes, steps)
        grouped = "G" in data.dims
        whole = half is None or group <= half
        resident = half is None or group * (folding.groups if grouped else 1) <= half
        fold = folding.fold_rows if lanes == ROWS else folding.fold_columns
        width = min(fold, folding.side(lanes).size)
        height = min(folding.fold_rows, folding.rows.size)
        chunks: tuple[tuple[int, int], ...] = ()
        sparse = folding.words_side(tensor, folding.reduction) != folding.side(folding.reduction)
        at_once = (
            _most_at_once(folding, width, steps) if sparse else width * _together(folding, steps)
        )
        if half is not None and half < at_once:
            raise UnsupportedDesignError(
                f"{memory.name}: half of it holds {half} words: one step of {tensor} takes "
                f"{at_once}"
            )
        if steps == STREAM:
            chunks = ((0, folding.stream.size),)
            if half is not None and not whole and sparse:
                chunks = _sparse_chunks(folding, at_once, half)
            elif half is not None and not whole:
                together = folding.across[2]
                chunks = _chunks(data, folding.side(lanes), fold, folding.stream, half, together)
        elif half is not None and not whole:
            spans = product(folding.side(lanes).spans(fold), folding.rows.spans(folding.fold_rows))
            boxes = (
                _reach(data, (folding.side(lanes).dims, x), (folding.rows.dims, y))
                for x, y in spans
            )
            if min(width * height, most := max(boxes)) > half:
                if height > folding.array_rows:
                    raise UnsupportedDesignError(
                        f"{memory.name}: half of it holds {half} words: a fold of {tensor} takes "
                        f"{min(width * height, most)}, and arrays that share it load all at once"
                    )
                height = half // width
        return cls(tensor, lanes, steps, grouped, whole, resident, halves(memory), chunks, height)


def _group_words(folding: Folding, data: Tensor, lanes: str, steps: str) -> int:
    """Return the words of one group that the array may need: all, or those of a part of it."""
    sides = [folding.words_side(data.name, name) for name in (lanes, steps)]
    group = prod(axis.extent for axis in data.axes if "G" not in dict(axis.terms))
    if all(side.whole for side in sides):
        return group
    pairs = prod(side.size for side in sides)
    boxes = [
        _reach(data, *((side.dims, span) for side, span in zip(sides, spans, strict=True)))
        for spans in product(*(side.spans(side.size) for side in sides))
    ]
    return min(group, pairs, max(boxes))


def _together(folding: Folding, steps: str) -> int:
    """Return how many words of a lane all arrays in lockstep take at once."""
    if steps == STREAM:
        return min(folding.across[2], folding.stream.size)
    return -(-min(folding.fold_rows, folding.rows.size) // folding.array_rows)


def _most_at_once(folding: Folding, width: int, steps: str) -> int:
    """Return the most words of the ifmap that have to be there for one step of sparse weights."""
    sparsity = folding.sparsity
    assert sparsity is not None
    if steps == folding.reduction:  # a block for every lane
        return width * min(sparsity.block, folding.reduced.size)
    # Blocks that the slots of a fold touch; one more where folds begin inside a block.
    inside = folding.array_rows % sparsity.kept or folding.rows.first % sparsity.kept
    blocks = -(-width // sparsity.kept) + (1 if inside else 0)
    return min(blocks * sparsity.block, folding.reduced.size)


def _sparse_chunks(folding: Folding, at_once: int, half: int) -> tuple[tuple[int, int], ...]:
    """Return chunks of the steps for the ifmap of sparse weights; none ends inside a block."""
    sparsity = folding.sparsity
    assert sparsity is not None
    unit = sparsity.kept if folding.reduction == STREAM else 1
    return _even_chunks(folding.stream.size, unit, lambda length: length // unit * at_once <= half)


def _even_chunks(size: int, unit: int, fits: Callable[[int], bool]) -> tuple[tuple[int, int], ...]:
    """Return the fewest nearly equal chunks of ``size`` steps that fit; they end at units."""
    units = -(-size // unit)
    low, high = 1, units
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle * unit) else (low, middle - 1)
    even = -(-units // -(-units // low))
    length = (even if fits(even * unit) else low) * unit
    return tuple((start, min(start + length, size)) for start in range(0, size, length))


def partial_sums_stay(machine: SystolicMachine, folding: Folding, column: int) -> bool:
    """Return whether the partial sums of a column fold stay in the ofmap SRAM (WS and IS)."""
    if folding.wiring.partial_sums == "spill":
        return False
    half = half_words(machine.buffer(OFMAP), OFMAP)
    left, right = folding.block(COLUMNS, 0, column)
    return half is None or (right - left) * folding.stream.size <= half


def require_room_for_results(machine: SystolicMachine, folding: Folding) -> None:
    """Raise UnsupportedDesignError when half of the ofmap SRAM holds less than a cycle brings."""
    half = half_words(machine.buffer(OFMAP), OFMAP)
    skewed = FoldTimes(folding).skewed_results
    most = sum(
        min(share.lanes, share.steps) if skewed else share.lanes
        for share in folding.shares(OFMAP, folding.used(0, 0))
    )
    if half is not None and half < most:
        raise UnsupportedDesignError(
            f"{machine.ofmap.name}: half of it holds {half} words: one cycle of results takes "
            f"{most}"
        )


def _chunks(
    data: Tensor, lanes: Side, fold: int, stream: Side, half: int, together: int
) -> tuple[tuple[int, int], ...]:
    """Return the fewest chunks of the stream whose words fit a half in every fold.

    Arrays in lockstep take ``together`` values of the stream in a step.
    """
    spans = lanes.spans(fold)
    width = min(fold, lanes.size)

    def fits(sizes: tuple[int, ...], steps: int | None = None) -> bool:
        most = max(_reach(data, (lanes.dims, span), (stream.dims, sizes)) for span in spans)
        return min(most, width * (prod(sizes) if steps is None else steps)) <= half

    if not stream.whole or together > 1:

        def block_fits(length: int) -> bool:
            return all(fits(sizes, length) for sizes in stream.spans(length))

        return _even_chunks(stream.size, together, block_fits)
    if fits(stream.sizes):
        return ((0, stream.size),)
    for depth, size in enumerate(stream.sizes):
        inner = stream.sizes[depth + 1 :]
        ones = (1,) * depth
        if not fits((*ones, 1, *inner)):
            continue
        low, high = 1, size
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits((*ones, middle, *inner)) else (low, middle - 1)
        turns = -(-size // -(-size // low))
        step, period = turns * prod(inner), size * prod(inner)
        return tuple(
            (start + part, start + min(part + step, period))
            for start in range(0, stream.size, period)
            for part in range(0, period, step)
        )
    raise AssertionError("one step was checked to fit")


def _reach(data: Tensor, *sides: tuple[Iterable[str], Iterable[int]]) -> int:
    """Return the words of the bounding box when the dims take the given numbers of values."""
    sizes = dict.fromkeys(DIMS, 1)
    for dims, extents in sides:
        sizes.update(zip(dims, extents, strict=True))
    return prod(min(axis.extent, axis.reach(sizes)) for axis in data.axes)
