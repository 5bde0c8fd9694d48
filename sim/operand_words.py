"""How wide a word of each tensor is, in every place of a systolic design.

* Off-chip, words are packed: a word of 4 bits takes half a byte. Results are as wide as the ofmap's
  words; partial sums that leave the chip are as wide as the words of the SRAM that kept them.
* In an SRAM every word takes the memory's ``word_bits``, a narrower one, too. A wider one takes its
  own bits and as much more of the ports' time.
* A weight kept by structured sparsity takes its position along.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from arraysmith.arch.architecture import Memory
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT, Problem


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
