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
        skip: iterations that repeat the one before are not simulated again, see ``repeats``; never
            shows in a result.
    """

    region_align_bytes: int = 4096
    chunk_records: int = 65536
    skip: bool = True
