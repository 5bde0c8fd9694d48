"""A real DRAM as the off-chip memory of a design: what a description needs to know of it.

Devices are files of kind ``dram``; what reads them belongs to a layer above and is found by the
entry point ``dram`` of the group ``arraysmith.kinds``. What it returns is kept as it is, a frozen
value, and seen here through ``DramDevice`` only.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import entry_points
from math import ceil
from pathlib import Path
from typing import Any, ClassVar, Protocol

from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.spec_reader import is_path

DEVICE_GROUP, DEVICE_KIND = "arraysmith.kinds", "dram"
"""Entry point to the function from a name or path to a device."""


class DramDevice(Hashable, Protocol):
    """A device and its controller, a frozen dataclass; times in cycles of its own clock."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """Name of the device."""
        ...

    @property
    def clock_hz(self) -> Fraction:
        """Cycles per second."""
        ...

    @property
    def peak_bytes_per_cycle(self) -> Fraction:
        """Bytes that all data buses move in a cycle at most."""
        ...

    @property
    def unloaded_cycles(self) -> int:
        """Cycles from a read of a closed row, alone in the memory, to its first bytes."""
        ...

    @property
    def channels(self) -> int:
        """Channels, each with a data bus of its own."""
        ...

    @property
    def read_places(self) -> int:
        """Reads that can wait in the queues of all channels."""
        ...


@dataclass(frozen=True, slots=True)
class Dram:
    """The DRAM of an off-chip memory.

    Attributes:
        ref: what names it: a device that ships, or the absolute path of a file.
        device: what it is.
    """

    ref: str
    device: DramDevice

    def words_per_cycle(self, word_bits: int, clock_hz: int) -> Fraction:
        """Return the peak bandwidth in words per cycle of a design's clock, exactly."""
        bits_per_s = 8 * self.device.peak_bytes_per_cycle * self.device.clock_hz
        return bits_per_s / (word_bits * clock_hz)

    def latency_cycles(self, clock_hz: int) -> int:
        """Return the unloaded latency in cycles of a design's clock, rounded up."""
        return ceil(self.device.unloaded_cycles * clock_hz / self.device.clock_hz)


def read_dram(ref: str, file: str = "") -> Dram:
    """Return the DRAM that ``ref`` names in the description ``file``.

    Args:
        ref: a device that ships, or a file; relative paths are relative to ``file``.
        file: path of the description; empty: relative to the working directory.

    Raises:
        InputError: no such device, or its file has faults.
        ArraysmithError: nothing that reads devices is installed.
    """
    beside = Path(file).parent / ref
    path = beside.resolve() if is_path(ref) and beside.is_file() else None
    for point in entry_points(group=DEVICE_GROUP, name=DEVICE_KIND):
        load = point.load()
        return Dram(ref, load(ref)) if path is None else Dram(str(path), load(path))
    raise ArraysmithError(f"nothing reads DRAM devices (entry point {DEVICE_KIND})")
