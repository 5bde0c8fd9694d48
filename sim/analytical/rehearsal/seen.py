"""What a DRAM was seen to take for some transfers of a rehearsal, and the means of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from arraysmith.sim.analytical.rehearsal.words import Float

(
    TENSOR,
    PLACE,  # loop that turned; after all loops the start, then the way up
    MOVED,  # words
    ISSUED,  # when the first request passed the near side, going out
    FIRST,  # when the memory had answered the first request
    BEFORE,  # when the transfer before was back
    END,  # when this one was
    HELD,  # cycles before that in which the last requests that may be under way came back; inf: all
    LATER,  # cycles that the second half took; 0: too short for halves
    LATER_WORDS,  # its words
    EXTRA,  # cycles more
    SEEN,
) = range(12)
"""Columns of what was seen of a transfer; times are cycles of the design."""

ALWAYS = 1e15
"""Cycles beyond all that are under way: no request waits for room."""


class Seen(NamedTuple):
    """What was seen of some transfers that followed each other.

    Attributes:
        rows: float64 [transfers, SEEN].
        rest: cycles that buffered writes took afterwards.
        refresh: float64 [3], cycles for which a refresh holds up all, cycles between two, and from
            the start to the first one; 0 without any.
    """

    rows: Float
    rest: float
    refresh: Float


@dataclass(frozen=True)
class Far:
    """What the off-chip memory takes, in cycles of the design; rows are tensors.

    Attributes:
        words: float64 [n, loops + 2], cycles of a word when a loop turns; at the start; and up.
        late: float64 [n], cycles of the first word after its request, at least.
        held: as ``words``, see ``dram.Dram``.
        rest: see there.
        refresh: float64 [3], see there.
    """

    words: Float
    late: Float
    held: Float
    rest: float
    refresh: Float


def far_of(seen: Sequence[Seen], usual: Float) -> Far:
    """Return the means; of what has not been seen, those of its tensor, or of all.

    A transfer takes what it ends later than the one before, or than its first word may be there.
    Of long ones the beginning has been seen; the rest goes on like the second half of that.

    Args:
        seen: at least one transfer.
        usual: float64 [tensors, loops + 2], words of a whole transfer, the mean.
    """
    rows = np.concatenate([x.rows for x in seen])
    tensor, place = rows[:, TENSOR].astype(np.int64), rows[:, PLACE].astype(np.int64)
    inward = place < usual.shape[1] - 1

    def summed(values: Float) -> Float:
        total = np.zeros(usual.shape)
        np.add.at(total, (tensor, place), values)
        return total

    late = np.zeros(len(usual))
    for t in np.unique(tensor[inward]):
        late[t] = (rows[:, FIRST] - rows[:, ISSUED])[inward & (tensor == t)].min()
    possible = np.maximum(rows[:, BEFORE], rows[:, ISSUED] + late[tensor] * inward)
    cycles, moved = np.maximum(0.0, rows[:, END] - possible), rows[:, MOVED]
    words = summed(moved)
    pace = _ratio(summed(cycles), words, np.zeros(usual.shape))
    pace = _ratio(summed(rows[:, LATER]), summed(rows[:, LATER_WORDS]), pace)
    whole = np.maximum(moved, usual[tensor, place])
    cycles = cycles + pace[tensor, place] * (whole - moved) + rows[:, EXTRA]
    weighed = summed(cycles * moved / whole)
    per_word = np.full(usual.shape, weighed.sum() / words.sum())
    for t in range(len(usual)):
        if words[t, :-1].any():
            per_word[t] = weighed[t, :-1].sum() / words[t, :-1].sum()
    known = np.isfinite(rows[:, HELD])
    held = summed(np.where(known, rows[:, HELD], 0.0))
    closed, between, first = np.mean([x.refresh for x in seen], axis=0)
    return Far(
        _ratio(weighed, words, per_word),
        late,
        _ratio(held, summed(known.astype(np.float64)), np.full(usual.shape, ALWAYS)),
        float(np.mean([x.rest for x in seen])),
        np.array([closed, 1.0 / between if between else 0.0, first]),
    )


def _ratio(one: Float, other: Float, otherwise: Float) -> Float:
    """Return the ratio where there is one."""
    return np.divide(one, other, out=otherwise.copy(), where=other > 0)
