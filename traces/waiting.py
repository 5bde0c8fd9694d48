"""What the report page shows of the waits of an array, as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arraysmith.sim.wait_profile import WaitProfile

MOST_CHAINS = 24
"""Chains of waiting that are kept of a layer."""


@dataclass(frozen=True, slots=True)
class ChainRow:
    """All waits of a layer with one chain of waiting.

    Attributes:
        links: the chain, the cause first.
        waits: how many.
        cycles: of all of them, in one run.
        longest_cycles: of the longest one ...
        longest_at: ... and the cycle in which it begins.
    """

    links: tuple[str, ...]
    waits: int
    cycles: int
    longest_cycles: int
    longest_at: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the array waits for in one simulated run of a layer.

    Attributes:
        layer: its name.
        repeat: how often it runs.
        cycles: of one run.
        bin_cycles: of each bin; the last one may be shorter.
        causes: that cost a cycle.
        waiting: per cause and bin, cycles in which the array waits for it.
        chains: that cost most, most first.
    """

    layer: str
    repeat: int
    cycles: int
    bin_cycles: int
    causes: tuple[str, ...]
    waiting: tuple[tuple[int, ...], ...]
    chains: tuple[ChainRow, ...]

    @classmethod
    def of(cls, layer: str, repeat: int, cycles: int, profile: WaitProfile) -> Waiting:
        """Return what a probe saw in a run of so many cycles."""
        bins = profile.over_time(cycles)
        return cls(
            layer,
            repeat,
            cycles,
            bins.bin_cycles,
            bins.causes,
            bins.waiting,
            tuple(
                ChainRow(x.links, x.waits, x.cycles, x.longest.cycles, x.longest.cycle)
                for x in profile.chains[:MOST_CHAINS]
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Waiting:
        """Return what ``to_dict`` made ``plain`` of."""
        rest = {x: plain[x] for x in ("layer", "repeat", "cycles", "bin_cycles")}
        return cls(
            **rest,
            causes=tuple(plain["causes"]),
            waiting=tuple(tuple(row) for row in plain["waiting"]),
            chains=tuple(
                ChainRow(**{**row, "links": tuple(row["links"])}) for row in plain["chains"]
            ),
        )
