"""What a run did to a DRAM: the part of a Report that says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from arraysmith.arch.architecture import Memory

ACTIONS = ("activate", "read", "write", "refresh", "background")
"""What takes energy: commands, and the time between them."""

REASONS = ("latency", "queue", "row", "refresh", "turnaround", "bus")
"""What a burst may have waited for last: nothing but the way there and back, room in a queue, its
row, the row that a refresh had closed, the data bus to turn, the burst before it."""


def channel_link(memory: str, channel: int) -> str:
    """Return how a chain of waiting names a channel of a memory."""
    return f"{memory}_channel_{channel}"


def reason_link(memory: str, reason: int) -> str:
    """Return how a chain of waiting names what a burst waited for there: by ``REASONS``."""
    return f"{memory}_{REASONS[reason]}"


def chain_links(memory: Memory) -> list[str]:
    """Return all names of a memory in chains of waiting; none if it is no DRAM."""
    if memory.dram is None:
        return []
    named = [channel_link(memory.name, channel) for channel in range(memory.dram.device.channels)]
    return named + [reason_link(memory.name, reason) for reason in range(len(REASONS))]


@dataclass(frozen=True, slots=True)
class DramUse:
    """Commands, bytes and energy of a run; sums over channels, time in cycles of the DRAM.

    Attributes:
        memory: name of the level.
        device: name of the device.
        cycles: simulated, from the start of the run to its end.
        reads: bursts asked for.
        writes: bursts written.
        read_commands: bursts that were read; fewer than asked for where one command served several
            requests or the write buffer had the data.
        write_commands: bursts that were written to a row.
        activates: rows opened.
        refreshes: of a rank.
        row_hits: bursts of a row that was open.
        conflicts: rows closed for another one.
        forwarded: reads answered from the write buffer.
        merged: reads that shared a command, writes that replaced a buffered one.
        read_latency_sum: cycles from accepting to returning, over all reads.
        read_latency_max: largest of them.
        channel_bytes: bytes over the data bus of each channel.
        energy_pj: picojoules by action, as ``ACTIONS``.
    """

    memory: str
    device: str
    cycles: int
    reads: int
    writes: int
    read_commands: int
    write_commands: int
    activates: int
    refreshes: int
    row_hits: int
    conflicts: int
    forwarded: int
    merged: int
    read_latency_sum: int
    read_latency_max: int
    channel_bytes: tuple[int, ...]
    energy_pj: tuple[float, ...]

    @property
    def bytes_moved(self) -> int:
        """Bytes over the data buses of all channels."""
        return sum(self.channel_bytes)

    @property
    def read_latency_mean_cycles(self) -> float:
        """Mean cycles of the DRAM from accepting a read to returning it; 0 without reads."""
        return self.read_latency_sum / self.reads if self.reads else 0.0

    @property
    def total_energy_pj(self) -> float:
        """All energy."""
        return sum(self.energy_pj)

    @property
    def actions(self) -> tuple[tuple[str, str, int, float], ...]:
        """Action, what its count counts, count and picojoules, of each action."""
        counts = (
            self.activates, self.read_commands, self.write_commands, self.refreshes, self.cycles,
        )  # fmt: skip
        units = (*4 * ("commands",), "cycles")
        return tuple(zip(ACTIONS, units, counts, self.energy_pj, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the stored fields and the derived quantities, for JSON."""
        return {
            **asdict(self),
            "channel_bytes": list(self.channel_bytes),
            "energy_pj": dict(zip(ACTIONS, self.energy_pj, strict=True)),
            "bytes_moved": self.bytes_moved,
            "read_latency_mean_cycles": self.read_latency_mean_cycles,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> DramUse:
        """Return what ``to_dict`` made ``plain`` of; derived quantities are ignored."""
        stored = {name: plain[name] for name in cls.__dataclass_fields__}
        stored["channel_bytes"] = tuple(plain["channel_bytes"])
        stored["energy_pj"] = tuple(plain["energy_pj"][action] for action in ACTIONS)
        return cls(**stored)


def total_use(parts: Iterable[tuple[DramUse | None, int]]) -> DramUse | None:
    """Return what running each part ``repeat`` times does, one after the other.

    Args:
        parts: (use, repeat) of one device; None where nothing was simulated.
    """
    pairs = [(use, repeat) for use, repeat in parts if use is not None]
    if not pairs:
        return None
    first = pairs[0][0]
    names = [
        name
        for name, value in asdict(first).items()
        if isinstance(value, int) and name != "read_latency_max"
    ]
    return replace(
        first,
        **{name: sum(getattr(use, name) * repeat for use, repeat in pairs) for name in names},
        read_latency_max=max(use.read_latency_max for use, _ in pairs),
        channel_bytes=tuple(
            sum(use.channel_bytes[i] * repeat for use, repeat in pairs)
            for i in range(len(first.channel_bytes))
        ),
        energy_pj=tuple(
            sum(use.energy_pj[i] * repeat for use, repeat in pairs) for i in range(len(ACTIONS))
        ),
    )
