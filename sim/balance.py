"""Where a run stands between computing and moving: what each part allows, and what passes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Balance:
    """What one part of the machine lets a run take, and what passes it.

    Attributes:
        part: ``computing``, or the name of a memory or network.
        cause: the stall cause that it would be.
        cycles: least cycles of the run as far as this part is concerned.
        words: words that pass it, all tensors and directions, over all instances.
        peak_words_per_cycle: highest demand: words per cycle that it has to pass so that the MACs
            never wait for it; over all instances.
    """

    part: str
    cause: str
    cycles: int
    words: int
    peak_words_per_cycle: float

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Balance:
        """Return the part that a row of ``roofline`` tells of; derived quantities are ignored."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})


def roofline(parts: Sequence[Balance], macs: int, cycles: int) -> list[dict[str, Any]]:
    """Return plain rows, a part each, with its place under the roofs.

    ``macs_per_word`` is the intensity, ``reachable_macs_per_cycle`` the roof over it (None where
    there is none), ``mean_words_per_cycle`` the demand over the run; ``binds`` marks the lowest.

    Args:
        parts: computing, memories, networks.
        macs: of the run.
        cycles: of the run.
    """
    slowest = max((part.cycles for part in parts), default=0)
    return [
        {
            **asdict(part),
            "mean_words_per_cycle": part.words / cycles,
            "macs_per_word": macs / part.words if part.words else None,
            "reachable_macs_per_cycle": macs / part.cycles if part.cycles else None,
            "binds": part.cycles == slowest,
        }
        for part in parts
    ]


def total_balance(runs: Iterable[tuple[Sequence[Balance], int]]) -> tuple[Balance, ...]:
    """Return the balance of runs one after the other, each repeated; of one machine.

    A part has the cause of the run where it needs most time, and the highest peak.
    """
    found: dict[str, list[tuple[Balance, int]]] = {}
    for parts, repeat in runs:
        for part in parts:
            found.setdefault(part.part, []).append((part, repeat))
    return tuple(
        Balance(
            name,
            max(rows, key=lambda row: row[0].cycles * row[1])[0].cause,
            sum(x.cycles * n for x, n in rows),
            sum(x.words * n for x, n in rows),
            max(x.peak_words_per_cycle for x, _ in rows),
        )
        for name, rows in found.items()
    )
