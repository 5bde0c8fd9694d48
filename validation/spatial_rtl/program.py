"""A program for ``chip.sv`` as files: rows of fields, and the memory before and after the run.

Programs hold counts of events ("after the third tile of weights has come"), addresses and tags, all
of them from the mapping; no cycle, and nothing that a simulator computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROWS, COLUMNS, WAYS, DEPTH, STAGES, LATENCY = 3, 4, 4, 64, 4, 8
"""Parameters of the build, as in ``chip.sv``."""

GLB_WORDS, OFFCHIP_WORDS, PROGRAM, PHASES, LEAVES, MOST_LATENCY = 8192, 65536, 65536, 4096, 1024, 64
LOOPS = 24
NOBODY = 15
"""Identity that no word is tagged with."""

MOST_CYCLES = 1_000_000
"""The bench gives up after these."""

POISON = -(1 << 30)
"""What the places of results hold before the run."""


@dataclass
class Program:
    """Rows of each file of the program: (value, bits) per field, the most significant first."""

    rows: dict[str, list[list[tuple[int, int]]]] = field(default_factory=dict)
    memory: list[int] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    results: int = 0

    def add(self, name: str, *values: int, bits: Sequence[int] = ()) -> None:
        """Add a row of 32-bit fields, or of fields of ``bits``."""
        widths = bits or [32] * len(values)
        self.rows.setdefault(name, []).append(list(zip(values, widths, strict=True)))

    def add_each(self, name: str, *values: int) -> None:
        """Add a row per value."""
        for value in values:
            self.add(name, value)

    def count(self, name: str) -> int:
        """Return the rows of a file so far."""
        return len(self.rows.get(name, ()))

    def write(self, prefix: Path) -> None:
        """Write all files, ``prefix.NAME.hex``."""
        for name, rows in self.rows.items():
            lines = []
            for row in rows:
                word = width = 0
                for value, bits in row:
                    word = word << bits | value & (1 << bits) - 1
                    width += bits
                lines.append(f"{word:0{-(-width // 4)}x}")
            _write(prefix, name, lines)
        for name, words in (("memory", self.memory), ("expected", self.expected)):
            _write(prefix, name, [f"{word & 0xFFFFFFFF:08x}" for word in words])


def _write(prefix: Path, name: str, lines: Iterable[str]) -> None:
    path = prefix.with_name(f"{prefix.name}.{name}.hex")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
