"""What an array waited for, and what that waited for in turn: from single waits to a table.

A *chain of waiting* names what the array waits for (the cause in the Report), then what that waited
for, and so on: ``glb_weight <- offchip_weight <- channel_in``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arraysmith.sim.network_text import networks_text
from arraysmith.sim.probe import Chains, Folds, Probe, links_of
from arraysmith.sim.report import Report
from arraysmith.sim.tables import text_table

Int = NDArray[np.int64]

_Times = tuple[int, int, int]

ARROW = " <- "

MOST_ROWS = 12
"""Chains that a text shows; the rest are one line."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait of an array.

    Attributes:
        cycle: clock cycle in which it begins.
        cycles: that it lasts.
        step: that could not begin, counted from 0; None where a simulator counts no steps.
        links: chain of waiting, the cause first.
    """

    cycle: int
    cycles: int
    step: int | None
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChainTotal:
    """All waits with one chain.

    Attributes:
        links: the chain, the cause first.
        waits: how many.
        cycles: of all of them.
        first: the first one.
        longest: the longest one; of equal ones the first.
    """

    links: tuple[str, ...]
    waits: int
    cycles: int
    first: Wait
    longest: Wait


class WaitTotals:
    """A probe that adds up waits by chain and wants nothing else. Picklable."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        # Per chain: waits, cycles, then (cycle, cycles, step) of the first and of the longest.
        self._found: dict[int, tuple[int, int, _Times, _Times]] = {}

    def wants(self, memory: str) -> bool:
        """Return False for every memory."""
        del memory
        return False

    def requests(self, stream: str, *columns: NDArray[Any]) -> None:
        """Keep nothing: see ``Probe``."""

    def folds(self, folds: Folds) -> None:
        """Keep nothing: see ``Probe``."""

    def step_cycle(self, tau: Int) -> None:
        """Keep nothing: see ``Probe``."""

    def stalls(
        self,
        clock_cycle: Int,
        cycles: Int,
        cause: Int,
        names: tuple[str, ...],
        chains: Chains | None = None,
    ) -> None:
        """Add waits: see ``Probe``. Without ``chains`` a chain is its cause."""
        self._names = names
        chain = cause if chains is None else chains.chain
        step = np.full(len(cause), -1) if chains is None else chains.step
        for kind in np.unique(chain).tolist():
            mine = np.flatnonzero(chain == kind)
            first, longest = (
                (int(clock_cycle[i]), int(cycles[i]), int(step[i]))
                for i in (mine[0], mine[np.argmax(cycles[mine])])
            )
            waits, sums, earliest, most = self._found.get(kind, (0, 0, first, longest))
            self._found[kind] = (
                waits + len(mine),
                sums + int(cycles[mine].sum()),
                earliest,
                max(most, longest, key=lambda wait: wait[1]),
            )

    @property
    def chains(self) -> tuple[ChainTotal, ...]:
        """What was waited for, the most cycles first."""
        found = []
        for chain, (waits, cycles, first, longest) in self._found.items():
            links = links_of(chain, self._names)
            ends = (
                Wait(at, n, None if step < 0 else step, links) for at, n, step in (first, longest)
            )
            found.append(ChainTotal(links, waits, cycles, *ends))
        return tuple(sorted(found, key=lambda x: (-x.cycles, x.first.cycle)))

    @property
    def cycles(self) -> dict[str, int]:
        """Cycles of waiting by cause, most first."""
        found: dict[str, int] = {}
        for chain in self.chains:
            found[chain.links[0]] = found.get(chain.links[0], 0) + chain.cycles
        return dict(sorted(found.items(), key=lambda x: -x[1]))

    def to_dict(self) -> list[dict[str, Any]]:
        """Return plain data, for JSON: a row per chain, the most cycles first."""
        return [
            {
                "chain": list(x.links),
                "waits": x.waits,
                "cycles": x.cycles,
                **{
                    name: {"cycle": wait.cycle, "cycles": wait.cycles, "step": wait.step}
                    for name, wait in (("first", x.first), ("longest", x.longest))
                },
            }
            for x in self.chains
        ]


class WithTotals:
    """An observer, and beside it totals that are told of the same waits."""

    def __init__(self, probe: Probe, totals: WaitTotals) -> None:
        self._probe = probe
        self._totals = totals
        self.wants = probe.wants
        self.requests = probe.requests
        self.folds = probe.folds
        self.step_cycle = probe.step_cycle

    def stalls(
        self,
        clock_cycle: Int,
        cycles: Int,
        cause: Int,
        names: tuple[str, ...],
        chains: Chains | None = None,
    ) -> None:
        """Tell both: see ``Probe``."""
        for told in (self._probe, self._totals):
            told.stalls(clock_cycle, cycles, cause, names, chains)


def explain_waits(name: str, report: Report, waits: WaitTotals) -> str:
    """Return as text where the cycles of a simulated layer went, and what waited for what.

    And, of routed networks, what passed their links.

    Args:
        name: of the layer.
        report: of one run.
        waits: of that run; empty if it never waited.
    """
    parts = [f"{name}: {report.cycles:,} cycles", _causes(report)]
    if waits.chains:
        parts += [chains_table(waits), _longest(waits)]
    else:
        parts.append("the array never waits")
    if report.networks:
        parts.append(networks_text(report.networks, report.cycles))
    return "\n\n".join(parts)


def _causes(report: Report) -> str:
    stalls = sorted(report.stalls, key=lambda x: -x[1])
    parts = [("computing", report.compute_cycles), *stalls]
    rows = [(what, f"{cycles:,}", _share(cycles, report.cycles)) for what, cycles in parts]
    rows += [(f"{cause}, not counted", f"{cycles:,}", "") for cause, cycles in report.uncounted]
    rows.append(("all", f"{report.cycles:,}", _share(report.cycles, report.cycles)))
    return text_table(("cause", "cycles", "share %"), rows)


def chains_table(waits: WaitTotals) -> str:
    """Return the chains of waiting of one run, those that cost most first."""
    cycles = sum(x.cycles for x in waits.chains)
    rows = [
        (
            ARROW.join(("array", *x.links)),
            f"{x.waits:,}",
            f"{x.cycles:,}",
            _share(x.cycles, cycles),
            f"{x.first.cycle:,}",
            f"{x.longest.cycles:,}",
            f"{x.longest.cycle:,}",
        )
        for x in waits.chains[:MOST_ROWS]
    ]
    if rest := waits.chains[MOST_ROWS:]:
        moved = sum(x.cycles for x in rest)
        more = f"{len(rest)} more", f"{sum(x.waits for x in rest):,}", f"{moved:,}"
        rows.append((*more, _share(moved, cycles), "", "", ""))
    heads = ("chain of waiting", "waits", "cycles", "% of waiting", "first at cycle")
    return text_table((*heads, "longest cycles", "longest at cycle"), rows)


def _longest(waits: WaitTotals) -> str:
    longest = max((x.longest for x in waits.chains), key=lambda wait: wait.cycles)
    step = "" if longest.step is None else f", before step {longest.step:,}"
    what = ARROW.join(("array", *longest.links))
    return f"longest wait: {longest.cycles:,} cycles from cycle {longest.cycle:,}{step}: {what}"


def _share(cycles: int, of: int) -> str:
    return f"{100 * cycles / of:.2f}"
