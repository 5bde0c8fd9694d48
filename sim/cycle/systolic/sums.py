"""Sums of one output in several arrays: added up off-chip, array by array.

Per block of outputs (of a column fold, or of a fold of output stationary arrays) the arrays take
turns in the order in which their first sums come to the channel. The first one writes; each later
one waits until the one before has written the whole block, reads it back, adds and writes. What is
written last are results, all before are partial sums. No array waits for one that is behind it in
the order of its program, so that none waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

import simpy

from arraysmith.sim.cycle.offchip.protocol import Bursts, Transfer

BlockKey = tuple[int, int, int]
"""Group, column fold and row fold (0 unless output stationary)."""


@dataclass
class _Place:
    """One array's place in the order of a block: words still to come, and who waits for them."""

    left: int
    done: simpy.Event


@dataclass
class Adders:
    """Arrays that hold parts of the same outputs.

    Attributes:
        env: of the run.
        arrays: how many they are.
        sum_bits: bits of a partial sum.
        result_bits: bits of a result.
    """

    env: simpy.Environment
    arrays: int
    sum_bits: int
    result_bits: int
    _blocks: dict[BlockKey, dict[int, _Place]] = field(default_factory=dict)

    def turn(
        self,
        array: int,
        block: BlockKey,
        block_words: int,
        transfer: Transfer,
        sums: Callable[[], Bursts] | None,
    ) -> AddTurn:
        """Return the turn of one transfer of complete sums of an array.

        Args:
            array: number of the array.
            block: which block its words are of.
            block_words: words of the whole block.
            transfer: that writes them as results.
            sums: requests for the same words as partial sums; None if nobody observes or counts.
        """
        return AddTurn(self, array, block, block_words, transfer, sums)

    def place(self, array: int, block: BlockKey, words: int) -> tuple[int, _Place, _Place | None]:
        """Return the place of an array in a block, its entry and that of the array before."""
        order = self._blocks.setdefault(block, {})
        if array not in order:
            order[array] = _Place(words, self.env.event())
        number = list(order).index(array)
        before = list(order.values())[number - 1] if number else None
        return number, order[array], before


@dataclass
class AddTurn:
    """See ``Adders.turn`` and ``dma.Turn``."""

    adders: Adders
    array: int
    block: BlockKey
    block_words: int
    transfer: Transfer
    sums: Callable[[], Bursts] | None
    _own: _Place | None = None

    def begin(self) -> Generator[simpy.Event, Any, list[Transfer]]:
        """Wait until the array before has written the block; return what to move."""
        adders = self.adders
        number, self._own, before = adders.place(self.array, self.block, self.block_words)
        if before is not None and not before.done.processed:
            yield before.done
        partial = replace(self.transfer, bursts=self.sums, word_bits=adders.sum_bits)
        found = []
        if number:
            found.append(replace(partial, outward=False, near_cycles=0))
        if number == adders.arrays - 1:
            found.append(replace(self.transfer, word_bits=adders.result_bits))
        else:
            found.append(partial)
        return found

    def end(self) -> None:
        """Count the words; let the next array begin when the block is complete."""
        assert self._own is not None
        self._own.left -= self.transfer.words
        if self._own.left == 0:
            self._own.done.succeed()
