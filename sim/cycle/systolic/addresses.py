"""From indices of stored words to byte addresses and off-chip requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.problem import OFMAP, Problem
from arraysmith.sim.cycle.offchip.protocol import Bursts
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.tracing.streams import address_map

Int = NDArray[np.int64]


PARTIAL_SUM, SHARED_SUM = "partial_sum", "shared_sum"
"""Regions behind those of the tensors: partial sums that an array keeps off-chip for itself, and
sums that several arrays add up there. A word of the ofmap has a place for a sum in each."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Byte addresses of one problem's words: see ``streams.address_map``.

    Attributes:
        base: byte address of the first word, per tensor name and for sums.
        word_bits: bits of a word, per tensor name.
        request_bytes: most bytes of one off-chip request.
    """

    base: dict[str, int]
    word_bits: dict[str, int]
    request_bytes: int

    @classmethod
    def of(
        cls,
        problem: Problem,
        architecture: Architecture,
        parameters: CycleParameters,
        sum_bits: int,
        keeper: tuple[int, int] = (0, 1),
        first: int = 0,
    ) -> Addresses:
        """Return the addresses under the simulator's address map.

        Args:
            problem: whose words.
            architecture: the design.
            parameters: of the simulator.
            sum_bits: bits of a partial sum.
            keeper: number of the array among those that have sums of the same outputs, and how many
                they are. Sums as wide as results lie where these will lie, if there is one array.
            first: byte address of the first tensor; aligned.
        """
        regions = address_map(problem, architecture, parameters)
        align = parameters.region_align_bytes
        base = {name: region.base for name, region in regions.items()}
        end = max(region.base + region.size for region in regions.values())
        size = cls.sums_bytes(problem, sum_bits, parameters, 0)
        base[SHARED_SUM] = -(-end // align) * align
        base[PARTIAL_SUM] = base[SHARED_SUM] + (1 + keeper[0]) * size
        if keeper[1] == 1 and sum_bits == problem.ofmap.word_bits:
            base[PARTIAL_SUM] = base[OFMAP]
        bits = {tensor.name: tensor.word_bits for tensor in problem.stored_tensors}
        bits |= {SHARED_SUM: sum_bits, PARTIAL_SUM: sum_bits}
        base = {name: first + address for name, address in base.items()}
        return cls(base, bits, architecture.memories[0].request_bytes)

    @staticmethod
    def sums_bytes(
        problem: Problem, sum_bits: int, parameters: CycleParameters, arrays: int
    ) -> int:
        """Return the bytes behind the tensors' regions that the sums of so many arrays take."""
        align = parameters.region_align_bytes
        return (1 + arrays) * -(-problem.ofmap.words * sum_bits // (8 * align)) * align

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
            tensor: tensor name, or ``PARTIAL_SUM`` or ``SHARED_SUM``.
            words: int64 [n], ascending row-major indices, none twice, at least one.
        """
        bits, base = self.addresses.word_bits[tensor], self.addresses.base[tensor]
        first = _starts(words, bits, self.addresses.request_bytes)
        stop = np.append(first[1:], len(words))
        begin = base + words[first] * bits // 8
        end = base - (-(words[stop - 1] + 1) * bits // 8)
        return Bursts(begin.astype(np.uint64), (end - begin).astype(np.uint32), stop)


@njit(cache=True, nogil=True)
def _starts(words: Int, bits: int, request_bytes: int) -> Int:
    """Return where a new request begins: at a gap, or when the last one is full.

    One that begins inside a byte has less room: that byte is among those it moves.
    """
    starts = np.empty(len(words), np.int64)
    count = 0
    room = 0
    for i in range(len(words)):
        if room == 0 or words[i] != words[i - 1] + 1:
            starts[count] = i
            count += 1
            room = max(1, (8 * request_bytes - words[i] * bits % 8) // bits)
        room -= 1
    return starts[:count].copy()
