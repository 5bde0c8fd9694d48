"""What a memory on the chip does to timing: halves, ports, rates."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from arraysmith.arch.architecture import Memory
from arraysmith.sim.cycle.network import whole_cycles


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
    def one_port(self) -> bool:
        """Whether reads and writes share the cycles of a port (each half has its own)."""
        return self.memory.ports == 1

    def service_cycles(self, reads: int, writes: int) -> int:
        """Return the cycles that the ports of one side need for these words."""
        read = whole_cycles(reads, self.memory.read_words_per_cycle)
        write = whole_cycles(writes, self.memory.write_words_per_cycle)
        return read + write if self.one_port else max(read, write)

    @property
    def read_rate(self) -> Fraction | None:
        """Words out per cycle; None is unlimited."""
        return self.memory.read_words_per_cycle

    @property
    def write_rate(self) -> Fraction | None:
        """Words in per cycle; None is unlimited."""
        return self.memory.write_words_per_cycle
