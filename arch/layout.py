"""Where the words of a tensor lie in a memory: in which line, at which place of it, in which bank.

An axis of a tensor is called by the dim that steps along it: ``Q`` is a column of the ifmap as well
as of the ofmap. A problem whose tensor lacks an axis (a matrix has no ``Q``) has one index there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT

AXES = {
    IFMAP: ("N", "G", "C", "P", "Q"),
    WEIGHT: ("G", "K", "C", "R", "S"),
    OFMAP: ("N", "G", "K", "P", "Q"),
}
"""Names of the axes that a tensor of any operator may have."""

LINE, WORD = "line", "word"
INTERLEAVES = (LINE, WORD)
"""What goes round the banks: see ``Layout``."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of one tensor in one memory.

    ``Layout()`` is row-major: one word after the other, whatever axis ends inside a line.
    Otherwise a line is a block: ``in_line`` says how many indices of each axis it takes, and
    blocks that hang over the end of an axis leave places of their line empty.

    Attributes:
        in_line: (axis, indices of it in one line), slowest axis first; their product is the words
            of a line. Axes not named have one index in a line.
        line_order: axes in the order in which lines follow each other, slowest first; axes not
            named come before them, in the order of the tensor.
        interleave: ``line``: line l is in bank l mod banks, and a bank is as wide as the memory.
            ``word``: every line is spread over all banks, its place p in bank p mod banks, and a
            bank has 1/banks of the width.
    """

    in_line: tuple[tuple[str, int], ...] = ()
    line_order: tuple[str, ...] = ()
    interleave: str = LINE

    @property
    def blocked(self) -> bool:
        """Whether lines are blocks; else the words lie row-major."""
        return bool(self.in_line or self.line_order)

    @property
    def block_words(self) -> int:
        """Words that ``in_line`` puts into a line."""
        return prod(count for _, count in self.in_line)
