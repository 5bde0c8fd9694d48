"""Every number of the simulator that is a choice and not a property of the design."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CycleParameters:
    """Choices of the machine around the design; the defaults are what the package promises.

    Attributes:
        region_align_bytes: tensors begin at multiples of this in off-chip memory. 4096 is the
            usual page.
        chunk_records: most requests handed to a probe in one call, and tiles looked ahead in one
            batch; bounds memory, never shows in a result.
        skip: iterations that repeat the one before are not simulated again, see ``repeats`` and
            ``recall``; never shows in a result.
        recalled_phases: where ``skip``, phases on the chip of which is remembered how they began
            and ended, the last ones; each takes about 1,500 bytes per edge and loop. Bounds memory,
            never shows in a result; 0 remembers none.
    """

    region_align_bytes: int = 4096
    chunk_records: int = 65536
    skip: bool = True
    recalled_phases: int = 64

    @property
    def recall(self) -> int:
        """Phases that are remembered where nobody observes."""
        return self.recalled_phases if self.skip else 0
