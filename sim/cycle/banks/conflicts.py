"""Banks of an SRAM: where a word lies, and how long words asked for together take.

In a clock cycle a port reaches one line of each bank; all words of that line that somebody asks for
come with it, as often as asked. Lines of one array cycle that lie in one bank therefore take
turns, in the order in which their first words are asked for. With two ports reads and writes have
turns of their own; with one a bank writes when its reads are over. Writes begin when there is
something to write. Words then pass the memory's connection to the array in the order of their
turns, at most so many per cycle as it carries.

Every array cycle stands by itself: a line asked for again in the next one is accessed again. The
row of a line inside its bank is given out when it is loaded (``place_words`` numbers rows as if the
whole tensor were there), so a tensor larger than the memory keeps its banks. Filling and draining
use the ports of the other half.

All that is for the words of a systolic array, of which each has its cycle. A tile that moves beside
a spatial array is there when its last word is, and its words may come in any order: ``open_lines``
counts the lines that the busiest bank opens for them (see ``bank_turns``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
from numba import njit
from numpy.typing import NDArray

from arraysmith.arch.architecture import Memory
from arraysmith.arch.layout import WORD
from arraysmith.arch.problem import Tensor

Int = NDArray[np.int64]

_EXTENT, _STRIDE, _FACTOR, _IN_LINE, _BETWEEN = range(5)  # columns of ``Places.axes``
_WORDS, _BANKS, _BY_WORD, _BLOCKED, _FIRST = range(5)  # entries of ``Places.numbers``


@dataclass(frozen=True)
class Places:
    """Where the words of one tensor lie in one memory, as numbers for the kernels.

    Attributes:
        numbers: int64 [5]: words of a line, banks, whether words go round them (else lines),
            whether lines are blocks, first line of the tensor.
        axes: int64 [axes, 5]: words along the axis, words between neighbours (row-major), indices
            in one line, places between them in the line, lines between neighbouring blocks.
    """

    numbers: Int
    axes: Int

    @classmethod
    def of(cls, memory: Memory, tensor: Tensor, extents: Sequence[int] | None = None) -> Places:
        """Return the places of ``tensor`` under the layout that ``memory`` states for it.

        Args:
            memory: where it lies.
            tensor: its axes.
            extents: words along each axis of the part of it that lies there; None: all of it.
        """
        layout = memory.layout(tensor.name)
        names = [axis.terms[0][0] for axis in tensor.axes]
        axes = np.ones((len(names), 5), np.int64)
        axes[:, _EXTENT] = extents or [axis.extent for axis in tensor.axes]
        axes[:-1, _STRIDE] = np.cumprod(axes[:0:-1, _EXTENT])[::-1]
        places = 1
        for name, count in reversed(layout.in_line):
            if name in names:
                axes[names.index(name), _FACTOR] = count
                axes[names.index(name), _IN_LINE] = places
            places *= count
        lines = 1
        rest = [name for name in names if name not in layout.line_order]
        for name in reversed((*rest, *layout.line_order)):
            if name in names:
                axis = axes[names.index(name)]
                axis[_BETWEEN] = lines
                lines *= -(-int(axis[_EXTENT]) // int(axis[_FACTOR]))
        halves = 2 if memory.double_buffered else 1
        numbers = (
            memory.words_per_access,
            memory.banks,
            layout.interleave == WORD,
            layout.blocked,
            memory.first_line(tensor.name) // halves,
        )
        return cls(np.array(numbers, np.int64), axes)

    def place_words(self, words: Int) -> Int:
        """Return int64 [n, 3]: bank, row in the bank and place in the row of each word.

        Args:
            words: int64 [n], row-major indices of stored words.
        """
        found = np.empty((len(words), 3), np.int64)
        _place_words(words, self.numbers, self.axes, found)
        return found

    @property
    def rows(self) -> int:
        """Rows that every bank needs for the tensor."""
        axes, numbers = self.axes, self.numbers
        if numbers[_BLOCKED]:
            lines = int(np.prod(-(-axes[:, _EXTENT] // axes[:, _FACTOR])))
        else:
            lines = -(-int(np.prod(axes[:, _EXTENT])) // int(numbers[_WORDS]))
        lines += int(numbers[_FIRST])
        return lines if numbers[_BY_WORD] else -(-lines // int(numbers[_BANKS]))

    def periods(self) -> list[int]:
        """Return, per axis, by how many indices words may move and all lie in whole other lines.

        Whatever lines they open, they then open as many in every bank, after the banks have changed
        places.
        """
        words = int(self.numbers[_WORDS])
        if self.numbers[_BLOCKED]:
            return [int(factor) for factor in self.axes[:, _FACTOR]]
        return [words // gcd(words, int(stride)) for stride in self.axes[:, _STRIDE]]


@njit(cache=True, nogil=True)
def _place(word: int, numbers: Int, axes: Int) -> tuple[int, int, int]:
    """Return (bank, row, place) of a word."""
    if numbers[_BLOCKED]:
        line, place = 0, 0
        for a in range(len(axes)):
            index = word // axes[a, _STRIDE] % axes[a, _EXTENT]
            place += index % axes[a, _FACTOR] * axes[a, _IN_LINE]
            line += index // axes[a, _FACTOR] * axes[a, _BETWEEN]
    else:
        line, place = word // numbers[_WORDS], word % numbers[_WORDS]
    line += numbers[_FIRST]
    banks = numbers[_BANKS]
    if numbers[_BY_WORD]:
        return place % banks, line, place // banks
    return line % banks, line // banks, place


@njit(cache=True, nogil=True)
def _place_words(words: Int, numbers: Int, axes: Int, found: Int) -> None:
    for i in range(len(words)):
        found[i] = _place(words[i], numbers, axes)


@njit(cache=True, nogil=True)
def open_lines(
    first: int, words: int, numbers: Int, axes: Int, stamp: int, seen: Int, lines: Int
) -> None:
    """Count the lines of words that follow each other, those that are not open yet.

    Args:
        first: row-major index of the first word.
        words: how many.
        numbers: see ``Places``.
        axes: see ``Places``.
        stamp: of what is asked for together.
        seen: int64 [banks, rows], stamp with which each line was opened last; updated.
        lines: int64 [banks], lines that each bank opens; added to.
    """
    whole = not numbers[_BLOCKED] and not numbers[_BY_WORD]  # a line is a run of words
    word, end = first, first + words
    while word < end:
        bank, row, place = _place(word, numbers, axes)
        if seen[bank, row] != stamp:
            seen[bank, row] = stamp
            lines[bank] += 1
        word += numbers[_WORDS] - place if whole else 1


@dataclass(frozen=True)
class Service:
    """What the banks of a memory make of the words asked of it in each array cycle.

    Attributes:
        cycles: int64 [array cycles], clock cycles that each array cycle takes; at least 1.
        late: int64 [array cycles], stream of the word that waits longest for its bank.
        turn: int64 [words], clock cycle of its array cycle in which each word's line is accessed.
        passed: int64 [words], the same when the word passes; not before its turn.
    """

    cycles: Int
    late: Int
    turn: Int
    passed: Int


@dataclass(frozen=True)
class Port:
    """A stream of words between the banks of a memory and the array.

    Attributes:
        memory: the memory as the words of this tensor see it.
        tensor: the tensor as it lies there.
        rate: words per cycle that the connection carries when it carries nothing else, as
            numerator and denominator; the numerator is that of all streams of the direction, 0 is
            unlimited.
    """

    memory: Memory
    tensor: Tensor
    rate: tuple[int, int]


class Banks:
    """The banks of one memory; its streams are what is read from it, then what is written."""

    def __init__(self, read: list[Port], written: list[Port]) -> None:
        """Take what the array reads from the memory and what it writes to it."""
        ports = [*read, *written]
        tensors = [port.tensor for port in ports]
        places = [Places.of(port.memory, port.tensor) for port in ports]
        self._numbers = np.stack([place.numbers for place in places])
        most = max(len(place.axes) for place in places)
        self._axes = np.ones((len(places), most, 5), np.int64)
        for s, place in enumerate(places):
            self._axes[s, : len(place.axes)] = place.axes
            # Axes that fill the table up have one index and add nothing.
            self._axes[s, len(place.axes) :, (_IN_LINE, _BETWEEN)] = 0
        names = [tensor.name for tensor in tensors]
        self._owner = np.array([names.index(name) for name in names], np.int64)
        self._first_write = len(read)
        self._one_port = ports[0].memory.ports == 1
        self._rates = np.array([port.rate for port in ports], np.int64)

    def serve(self, words: Int, counts: Int, slots: Int, ready: Int) -> Service:
        """Return how the words of a window are served.

        Args:
            words: int64 [n], indices of the stored words: stream by stream, in each by array cycle,
                in each in the order at the port.
            counts: int64 [streams, array cycles], stored words.
            slots: int64 [streams, array cycles], words with padding, which keeps its turn on the
                connection to the array but is in no bank.
            ready: int64 [array cycles], clock cycle of each array cycle from which it writes.
        """
        found = Service(
            np.ones(counts.shape[1], np.int64),
            np.zeros(counts.shape[1], np.int64),
            np.empty(len(words), np.int64),
            np.empty(len(words), np.int64),
        )
        _serve(
            words,
            counts,
            slots,
            ready,
            self._numbers,
            self._axes,
            self._owner,
            self._first_write,
            self._one_port,
            self._rates,
            found.cycles,
            found.late,
            found.turn,
            found.passed,
        )
        return found


@njit(cache=True, nogil=True)
def _serve(
    words: Int,
    counts: Int,
    slots: Int,
    ready: Int,
    numbers: Int,
    axes: Int,
    owner: Int,
    first_write: int,
    one_port: bool,
    rates: Int,
    cycles: Int,
    late: Int,
    turn: Int,
    passed: Int,
) -> None:
    """Serve the array cycles one by one; see ``Banks.serve`` and ``Service``.

    Args:
        words: see ``Banks.serve``.
        counts: see ``Banks.serve``.
        slots: see ``Banks.serve``.
        ready: see ``Banks.serve``.
        numbers: int64 [streams, 5], see ``Places``.
        axes: int64 [streams, axes, 5], see ``Places``.
        owner: int64 [streams], equal for streams of one tensor: they share lines.
        first_write: the streams from here on are written.
        one_port: whether a bank writes only when its reads are over.
        rates: int64 [streams, 2], see ``Port``.
        cycles: written.
        late: written.
        turn: written.
        passed: written.
    """
    streams, window = counts.shape
    at = np.zeros(streams, np.int64)
    for s in range(1, streams):
        at[s] = at[s - 1] + counts[s - 1].sum()
    most = 1
    for u in range(window):
        most = max(most, counts[:, u].sum())
    # Lines seen in this cycle and direction: a table with open addressing, never half full.
    size = 4
    while size < 2 * most:
        size *= 2
    seen = np.full(size, -1, np.int64)
    row_of, bank_of = np.empty(size, np.int64), np.empty(size, np.int64)
    turn_of = np.empty(size, np.int64)
    banks = numbers[0, _BANKS]
    lines = np.zeros(banks, np.int64)
    of_turn = np.zeros(2 * most + 1 + ready.max(), np.int64)
    for u in range(window):
        last = 0
        for direction in range(2):
            low, high = (0, first_write) if direction == 0 else (first_write, streams)
            first = 0 if direction == 0 else ready[u]
            for b in range(banks):
                if direction == 0 or not one_port or lines[b] < first:
                    lines[b] = first
            stamp = 2 * u + direction
            used, padding, begun = 0, 0, False
            for s in range(low, high):
                padding += (slots[s, u] - counts[s, u]) * rates[s, 1]
                begun = begun or slots[s, u] > 0
                for i in range(at[s], at[s] + counts[s, u]):
                    bank, row, _ = _place(words[i], numbers[s], axes[s])
                    row = row * streams + owner[s]
                    k = (row * 0x9E3779B1 + bank * 0x85EBCA6B) & (size - 1)
                    while seen[k] == stamp and (row_of[k] != row or bank_of[k] != bank):
                        k = (k + 1) & (size - 1)
                    if seen[k] != stamp:
                        seen[k], row_of[k], bank_of[k] = stamp, row, bank
                        turn_of[k] = lines[bank]
                        lines[bank] += 1
                    turn[i] = turn_of[k]
                    used = max(used, turn[i] + 1)
                    if turn[i] > last:
                        last, late[u] = turn[i], s
            if not begun:
                continue
            # The connection: words in the order of their turns, padding first of all.
            numerator, need = rates[low, 0], max(used, first + 1)
            if numerator == 0:
                for s in range(low, high):
                    for i in range(at[s], at[s] + counts[s, u]):
                        passed[i] = turn[i]
            else:
                of_turn[: used + 1] = 0
                for s in range(low, high):
                    for i in range(at[s], at[s] + counts[s, u]):
                        of_turn[turn[i]] += rates[s, 1]
                end = first * numerator + padding
                for w in range(first, used):
                    begin = max(end, w * numerator)
                    end = begin + of_turn[w]
                    of_turn[w] = begin
                need = max(need, -(-end // numerator))
                for s in range(low, high):
                    for i in range(at[s], at[s] + counts[s, u]):
                        passed[i] = of_turn[turn[i]] // numerator
                        of_turn[turn[i]] += rates[s, 1]
            cycles[u] = max(cycles[u], need)
        for s in range(streams):
            at[s] += counts[s, u]
