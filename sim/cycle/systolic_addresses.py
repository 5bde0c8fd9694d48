"""From indices of stored words to byte addresses and off-chip requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.problem import Problem
from arraysmith.sim.cycle.offchip import Bursts
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.streams import address_map

Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Byte addresses of one problem's words: see ``streams.address_map``.

    Attributes:
        base: byte address of the first word, per tensor name.
        word_bits: bits of a word, per tensor name.
        request_bytes: most bytes of one off-chip request.
    """

    base: dict[str, int]
    word_bits: dict[str, int]
    request_bytes: int

    @classmethod
    def of(
        cls, problem: Problem, architecture: Architecture, parameters: CycleParameters
    ) -> Addresses:
        """Return the addresses under the simulator's address map."""
        regions = address_map(problem, architecture, parameters)
        return cls(
            {name: region.base for name, region in regions.items()},
            {tensor.name: tensor.word_bits for tensor in problem.stored_tensors},
            architecture.memories[0].request_bytes,
        )

    def word_bytes(self, tensor: str) -> int:
        """Return the bytes of an access of one word of ``tensor``."""
        return -(-self.word_bits[tensor] // 8)

    def address(self, tensor: str, words: Int) -> NDArray[np.uint64]:
        """Return the byte addresses of the words with the given row-major indices."""
        return (self.base[tensor] + words * self.word_bits[tensor] // 8).astype(np.uint64)


@dataclass(frozen=True, slots=True)
class RequestLists:
    """Lists the off-chip requests of loads and results.

    Attributes:
        addresses: of the words.
        observed: whether addresses matter; else only how many requests there are, of which size.
    """

    addresses: Addresses
    observed: bool

    def of_words(self, tensor: str, words: Int) -> Bursts:
        """Return the requests for ``words``, in that order; neighbours share a request.

        Args:
            tensor: tensor name.
            words: int64 [n], ascending row-major indices, none twice, at least one.
        """
        bits, base = self.addresses.word_bits[tensor], self.addresses.base[tensor]
        first = _starts(words, max(1, self.addresses.request_bytes * 8 // bits))
        stop = np.append(first[1:], len(words))
        begin = base + words[first] * bits // 8
        end = base - (-(words[stop - 1] + 1) * bits // 8)
        return Bursts(begin.astype(np.uint64), (end - begin).astype(np.uint32), stop)


@njit(cache=True, nogil=True)
def _starts(words: Int, most: int) -> Int:
    """Return where a new request begins: at a gap, or when the last one is full."""
    starts = np.empty(len(words), np.int64)
    count = 0
    inside = 0
    for i in range(len(words)):
        if inside in (0, most) or words[i] != words[i - 1] + 1:
            starts[count] = i
            count += 1
            inside = 0
        inside += 1
    return starts[:count].copy()
