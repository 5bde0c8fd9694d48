"""N:M structured sparsity of weights: of every block of weights only a few are kept.

The reduction index of a filter counts its window and input channels, (r S + s) C + c, channels
fastest. Of every ``block`` consecutive values of that index at most ``kept`` weights are non-zero;
which ones differs from filter to filter. The last block may be shorter and then keeps at most
min(kept, its length). Kept weights stand in *slots*, in their order, ``kept`` slots a block; each
slot carries the position of its weight inside the block (Mishra et al., arXiv 2104.08378, has 2:4
with two bits a weight).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RATIO = re.compile(r"([0-9]{1,9})\s*:\s*([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class StructuredSparsity:
    """``kept`` of every ``block`` weights; raises ValueError unless 1 <= kept <= block.

    Attributes:
        kept: most non-zero weights of a block.
        block: consecutive values of the reduction index that form a block.
    """

    kept: int
    block: int

    def __post_init__(self) -> None:
        if not 1 <= self.kept <= self.block:
            raise ValueError(f"sparsity {self}: must keep at least 1 and at most all of a block")

    def __str__(self) -> str:
        return f"{self.kept}:{self.block}"

    @classmethod
    def parse(cls, text: str) -> StructuredSparsity:
        """Return the sparsity of text such as ``2:4``; ValueError if it is none."""
        ratio = _RATIO.fullmatch(text.strip())
        if ratio is None:
            raise ValueError(f"sparsity {text!r}: must be kept:block, for example 2:4")
        return cls(int(ratio[1]), int(ratio[2]))

    @property
    def position_bits(self) -> int:
        """Bits that name the position of a kept weight inside its block: ceil(log2 block)."""
        return (self.block - 1).bit_length()

    def slots(self, length: int) -> int:
        """Return the slots that hold what is kept of ``length`` values of the reduction index."""
        full, rest = divmod(length, self.block)
        return full * self.kept + min(self.kept, rest)

    def covered(self, start: int, stop: int, length: int) -> tuple[int, int]:
        """Return [start, stop) of the reduction index that the slots [start, stop) may need.

        Args:
            start: first slot.
            stop: one past the last slot, greater than ``start``.
            length: extent of the reduction index.
        """
        last = (stop - 1) // self.kept + 1
        return start // self.kept * self.block, min(last * self.block, length)
