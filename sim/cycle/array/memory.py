"""What a memory on the chip does to timing: halves, ports, rates."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from arraysmith.arch.architecture import Memory


@dataclass(frozen=True)
class Buffer:
    """One memory under a mapping.

    Attributes:
        memory: its description.
        tile_words: words of all tiles that it keeps.
    """

    memory: Memory
    tile_words: int

    @property
    def ping_pong(self) -> bool:
        """Whether one half is filled or drained while the other is worked on.

        So if it is double buffered and its tiles fit twice. Otherwise filling or draining and work
        exclude each other.
        """
        capacity = self.memory.capacity_words
        return self.memory.double_buffered and (capacity is None or 2 * self.tile_words <= capacity)

    @property
    def slots(self) -> int:
        """Tiles of a tensor that it holds at a time: 1 without ``ping_pong``, else at least 2."""
        if not self.ping_pong:
            return 1
        most, capacity = self.memory.tiles_in_flight, self.memory.capacity_words
        fitting = most if capacity is None else capacity // max(1, self.tile_words)
        return min(most, fitting)

    @property
    def one_port(self) -> bool:
        """Whether reads and writes share the cycles of a port (each half has its own)."""
        return self.memory.ports == 1

    def whole(self, words: int) -> int:
        """Return the words that a transfer of ``words`` takes room for at a port."""
        if not self.memory.whole_words:
            return words
        each = self.memory.words_per_access
        return -(-words // each) * each

    @property
    def read_rate(self) -> Fraction | None:
        """Words out per cycle; None is unlimited."""
        return self.memory.read_words_per_cycle

    @property
    def write_rate(self) -> Fraction | None:
        """Words in per cycle; None is unlimited."""
        return self.memory.write_words_per_cycle
