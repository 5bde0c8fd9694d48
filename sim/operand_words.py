"""How wide a word of each tensor is, in every place of a systolic design.

* Off-chip, words are packed: a word of 4 bits takes half a byte. Results are as wide as the ofmap's
  words; partial sums that leave the chip are as wide as the words of the SRAM that kept them.
* In an SRAM every word takes the memory's ``word_bits``, a narrower one, too. A wider one takes its
  own bits and as much more of the ports' time, and so do all words of an SRAM that keeps several
  tensors, one of them that wide.
* A weight kept by structured sparsity takes its position along.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, WEIGHT, Problem
from arraysmith.sim.pricing import Count
from arraysmith.sim.report import DRAIN, FILL, READ, UPDATE


@dataclass(frozen=True, slots=True)
class OperandWords:
    """Bits of a word off-chip.

    Attributes:
        ifmap: of the ifmap.
        weight: of the weights, with their positions.
        ofmap: of finished results.
        partial_sum: of sums that are not finished.
    """

    ifmap: int
    weight: int
    ofmap: int
    partial_sum: int

    @classmethod
    def of(cls, problem: Problem, ofmap_sram: Memory) -> OperandWords:
        """Return the bits of ``problem`` on a design that sums up in ``ofmap_sram``."""
        ifmap, weight, ofmap = (tensor.word_bits for tensor in problem.stored_tensors)
        return cls(ifmap, weight, ofmap, max(ofmap, ofmap_sram.word_bits))

    def bits(self, tensor: str) -> int:
        """Return the bits of a word of ``tensor``, finished results for the ofmap."""
        return {IFMAP: self.ifmap, WEIGHT: self.weight, OFMAP: self.ofmap}[tensor]


def fitted(memory: Memory, word_bits: int) -> Memory:
    """Return ``memory`` as words of ``word_bits`` see it: see the head of the module.

    Capacity and bits per cycle stay; fewer words of more bits each are kept and moved.
    """
    if word_bits <= memory.word_bits:
        return memory
    rates = (
        None if rate is None else rate * memory.word_bits / word_bits
        for rate in (memory.read_words_per_cycle, memory.write_words_per_cycle)
    )
    read, write = rates
    return replace(
        memory, word_bits=word_bits, read_words_per_cycle=read, write_words_per_cycle=write
    )


def memory_words(memory: Memory, words: int, word_bits: int) -> int:
    """Return the words of ``memory`` that take as many bits as ``words`` packed words, rounded up.

    What a transfer of ``words`` takes of a rate in words per cycle.
    """
    return -(-words * word_bits // memory.word_bits)


@dataclass
class Moves:
    """Words that moved in a run, of one array or of several together.

    Attributes:
        fetched: words of each operand that came from off-chip.
        read: words of each tensor that an array read from its SRAM.
        updated: words of results and partial sums that an array wrote to its SRAM.
        returned: partial sums that came back from off-chip to an array.
        sent: words of results and partial sums that left the arrays, off-chip.
        complete: those of ``sent`` to which the array that sent them has nothing more to add.
    """

    fetched: dict[str, int] = field(default_factory=lambda: dict.fromkeys((IFMAP, WEIGHT), 0))
    read: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TENSORS, 0))
    updated: int = 0
    returned: int = 0
    sent: int = 0
    complete: int = 0

    def __add__(self, other: Moves) -> Moves:
        return Moves(
            {t: n + other.fetched[t] for t, n in self.fetched.items()},
            {t: n + other.read[t] for t, n in self.read.items()},
            self.updated + other.updated,
            self.returned + other.returned,
            self.sent + other.sent,
            self.complete + other.complete,
        )


@dataclass(frozen=True, slots=True)
class OffchipMove:
    """Words of one width that crossed the off-chip border.

    Attributes:
        tensor: tensor name.
        direction: ``read`` or ``update``.
        words: words.
        word_bits: bits of each.
    """

    tensor: str
    direction: str
    words: int
    word_bits: int


def offchip_moves(problem: Problem, bits: OperandWords, moves: Moves) -> list[OffchipMove]:
    """Return what crosses the off-chip border when all arrays together move ``moves``.

    Of the results that are complete every output is one at last; where several arrays have a part
    of it, all before are partial sums, which the next one reads and adds to its own.
    """
    results = problem.ofmap.words
    again = moves.complete - results
    return [
        *(
            OffchipMove(tensor, READ, moves.fetched[tensor], bits.bits(tensor))
            for tensor in (IFMAP, WEIGHT)
        ),
        OffchipMove(OFMAP, READ, moves.returned + again, bits.partial_sum),
        OffchipMove(OFMAP, UPDATE, results, bits.ofmap),
        OffchipMove(OFMAP, UPDATE, moves.sent - results, bits.partial_sum),
    ]


def counts_of(
    architecture: Architecture,
    buffers: dict[str, Memory],
    offchip: Iterable[OffchipMove],
    moves: Moves,
    arrays: int,
) -> tuple[Count, ...]:
    """Return the words of every memory with their widths, off-chip first.

    Args:
        architecture: names the memories.
        buffers: the SRAM of each tensor, ``fitted``.
        offchip: what crosses the border.
        moves: of all arrays together.
        arrays: that take part, each with SRAMs of its own.
    """
    border = architecture.memories[0].name
    found = [Count(border, x.tensor, x.direction, x.words, 1, x.word_bits) for x in offchip]
    for tensor, memory in buffers.items():
        stated = architecture.level(memory.name)
        assert isinstance(stated, Memory)
        bits = memory.word_bits if memory.word_bits > stated.word_bits else None
        words = {READ: moves.read[tensor], FILL: moves.fetched.get(tensor, moves.returned)}
        if tensor == OFMAP:
            words |= {UPDATE: moves.updated, DRAIN: moves.sent}
        found += [Count(memory.name, tensor, d, n, arrays, bits) for d, n in words.items()]
    return tuple(found)
