"""Values that neighbours pass on; see ``carry``. Compiled."""

from __future__ import annotations

from numba import njit

from arraysmith.sim.cycle.nest.boxes import AXES, Int, frame_address, next_row
from arraysmith.sim.cycle.nest.listing import cut_boxes
from arraysmith.sim.cycle.nest.tree import Flags

NEIGHBOURS = 4
"""Most neighbours of a child."""


@njit(cache=True, nogil=True)
def find_fresh(worked: Int, index: Int, turned: int, fresh: Flags) -> None:
    """Write whether each child took part in the turn before of the loop that has turned.

    Args:
        worked: int64 [children, loops in time], turns when it did last; -1 if it never has.
        index: int64 [loops in time], turns.
        turned: the loop.
        fresh: written.
    """
    for i in range(len(worked)):
        fresh[i] = turned >= 0 and worked[i, turned] == index[turned] - 1
        for j in range(turned):
            fresh[i] = fresh[i] and worked[i, j] == index[j]


@njit(cache=True, nogil=True)
def take_words(
    words: Int,
    before: Int,
    places: tuple[int, int, int],
    lengths: tuple[Int, Int],
    near: Int,
    held: Int,
    fresh: Flags,
    now: Int,
    old: Int,
    forget: bool,
    scratch: tuple[Int, Int],
) -> int:
    """Bring a child the words of ``now`` that ``old`` has not, from neighbours where they had them.

    The first of several passes a word on.

    Args:
        words: all words of all memories, written.
        before: the frames of all children, as they were.
        places: where the frames of the parent and of the child begin, and words of a child's.
        lengths: int64 [AXES], lengths of the frames of the parent and of a child.
        near: int64 [NEIGHBOURS], children that it may take words from; -1: none.
        held: int64 [children, AXES, 2], tiles before.
        fresh: see ``find_fresh``.
        now: int64 [AXES, 2], tile.
        old: int64 [AXES, 2], tile before.
        forget: leave the words where they are.
        scratch: boxes, row.

    Returns:
        Words that came.
    """
    boxes, row = scratch
    come, go, size = places
    moved = 0
    for b in range(cut_boxes(now, old, boxes)):
        box = boxes[b]
        row[:] = box[:, 0]
        while True:
            for position in range(box[AXES - 1, 0], box[AXES - 1, 1]):
                row[AXES - 1] = position
                moved += 1
                if forget:
                    continue
                word = words[come + frame_address(row, lengths[0])]
                for n in near:
                    had = n >= 0 and fresh[n]
                    for a in range(AXES):
                        had = had and held[n, a, 0] <= row[a] < held[n, a, 1]
                    if had:
                        word = before[n * size + frame_address(row, lengths[1])]
                        break
                words[go + frame_address(row, lengths[1])] = word
            row[AXES - 1] = box[AXES - 1, 0]
            if not next_row(row, box):
                break
    return moved
