"""The analytical model: counts, priced, as a Report."""

from __future__ import annotations

from dataclasses import dataclass, replace

from arraysmith.arch.architecture import Architecture, Fanout, Level
from arraysmith.arch.errors import ArraysmithError, nearest
from arraysmith.arch.legality import require_division, require_legal
from arraysmith.arch.mapping import Mapping, kept_tensors
from arraysmith.arch.problem import OFMAP, TENSORS, Problem
from arraysmith.sim.analytical.balance import balance_of, edges_of, links_of
from arraysmith.sim.analytical.counting import SETTINGS, Counts, count
from arraysmith.sim.analytical.encoding import ChainArrays, MappingArrays, ProblemArrays
from arraysmith.sim.analytical.latency import bounds
from arraysmith.sim.analytical.soundness import unsound
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.analytical.visits import transfers_of
from arraysmith.sim.pricing import Count, priced_report
from arraysmith.sim.report import DRAIN, EDGES, FILL, FORWARD, READ, UPDATE, Report, Traffic
from arraysmith.sim.routed import require_networks

DIRECTIONS = (READ, FILL, UPDATE, DRAIN)


@dataclass(frozen=True, slots=True)
class AnalyticalModel:
    """Closed-form cost of a mapped problem.

    Attributes:
        setting: ``default``, physically right, or ``timeloop``, that tool's rules; see
            ``sim.analytical.counting``.

    First fill and last drain are ``uncounted``: cycles are those of the steady state; see
    ``sim.analytical.balance``.

    Stall causes, at most one a Report: ``bandwidth_<name>``, the memory or network whose words need
    longer than the computing; ``serial_<name>``, the memory that has no room to be filled while it
    is worked on.
    """

    setting: str = "default"

    def __post_init__(self) -> None:
        if self.setting not in SETTINGS:
            raise ArraysmithError(
                f"unknown setting {self.setting!r}: {nearest(self.setting, SETTINGS)}"
            )

    def evaluate(self, architecture: Architecture, problem: Problem, mapping: Mapping) -> Report:
        """Return the cost.

        Raises:
            IllegalMappingError: naming every rule that is broken; ``division`` is one under
                ``timeloop``.
            InputError: a routed network that cannot do what the design says.
        """
        require_legal(architecture, problem, mapping)
        if architecture.systolic:
            whole = [memory.name for memory in architecture.memories if memory.whole_words]
            if whole:
                raise ArraysmithError(f"whole_words of {whole[0]}: not beside a systolic array")
            return evaluate_systolic(architecture, problem, mapping, self.setting)
        if problem.weight_sparsity is not None:
            raise ArraysmithError(f"{problem.name}: weight sparsity needs a systolic array")
        if self.setting == "timeloop":
            require_division(architecture, problem, mapping)
            refuse_forwarding(architecture)
        require_networks(architecture)
        result = count(
            ProblemArrays.of(problem),
            ChainArrays.of(architecture, mapping),
            MappingArrays.of(architecture, problem, mapping),
            self.setting,
        )
        report = _report(self.setting, architecture, problem, mapping, result)
        _assert_sound(report, problem, result)
        return report


def refuse_forwarding(architecture: Architecture) -> None:
    """Raise ArraysmithError where children pass words on: Timeloop's rule for links is its own.

    It takes neighbours into account whatever the design says, and only where a tile of a whole
    level is one that a neighbour held.
    """
    passing = [x.name for x in architecture.fanouts if x.bus and x.bus.forwarding is not None]
    if passing:
        raise ArraysmithError(
            f"{passing[0]}: forwarding is counted by the default rules only, not by timeloop's"
        )


def _report(
    setting: str, architecture: Architecture, problem: Problem, mapping: Mapping, result: Counts
) -> Report:
    counts = tuple(
        Count(memory.name, tensor, direction, words, int(result.instances[0, m]))
        for m, memory in enumerate(architecture.memories)
        for t, tensor in enumerate(TENSORS)
        for d, direction in enumerate(DIRECTIONS)
        if (words := int(result.words[0, m, t, d]))
    )
    traffic = _traffic(architecture, mapping, counts, problem.macs)
    compute = int(result.steps[0])
    kept_words = {
        memory.name: sum(
            int(result.tiles[0, m, t])
            for t, tensor in enumerate(TENSORS)
            if tensor in kept_tensors(memory, mapping.at(memory.name))
        )
        for m, memory in enumerate(architecture.memories)
    }
    often = transfers_of(architecture, problem, mapping)
    found = bounds(architecture, counts, traffic, compute, kept_words, setting, often)
    slowest = max(found, key=lambda bound: bound.cycles)
    stalls = ((slowest.cause, slowest.cycles - compute),) if slowest.cycles > compute else ()
    tiles = {
        (memory.name, tensor): int(result.tiles[0, m, t])
        for m, memory in enumerate(architecture.memories)
        for t, tensor in enumerate(TENSORS)
    }
    active = int(result.instances[0, -1])
    links = links_of(architecture, problem, mapping, counts, tiles, active, often)
    uncounted: tuple[tuple[str, int], ...] = ()
    if setting != "timeloop":  # that tool knows no edges
        uncounted = tuple(zip(EDGES, edges_of(architecture, links, counts), strict=True))
    report = priced_report(
        architecture,
        problem,
        counts,
        fidelity="analytical",
        setting=setting,
        compute_cycles=compute,
        stalls=stalls,
        active_pes=active,
        traffic=traffic,
        leaks=setting != "timeloop",  # that tool prices no leakage
    )
    balance = balance_of(architecture, links, found, counts, traffic, compute)
    return replace(report, balance=balance, uncounted=uncounted)


def _traffic(
    architecture: Architecture, mapping: Mapping, counts: tuple[Count, ...], macs: int
) -> tuple[Traffic, ...]:
    """Return what enters each fan-out's network: what its nearest keepers above send or take."""
    words = {(c.level, c.tensor, c.direction): c.words for c in counts}
    parts = []
    for i, level in enumerate(architecture.levels):
        if not (isinstance(level, Fanout) and level.bus is not None):
            continue
        for tensor in TENSORS:
            keepers = [
                (j, memory.name)
                for j, memory in enumerate(architecture.levels)
                if not isinstance(memory, Fanout)
                and tensor in kept_tensors(memory, mapping.at(memory.name))
            ]
            above = [name for j, name in keepers if j < i][-1]
            below = next((name for j, name in keepers if j > i), None)
            down = words.get((above, tensor, READ), 0)
            if tensor == OFMAP and below:
                # What the parent reads only to add to it stays there, and what fills several
                # children (by the rules of timeloop) enters once.
                down = min(down, words.get((below, tensor, FILL), 0))
            if tensor == OFMAP:
                up = words.get((above, tensor, UPDATE), 0)
                sent = words.get((below, tensor, DRAIN), 0) if below else macs
                if up:
                    parts.append(Traffic(level.name, tensor, "reduction", up, max(up, sent)))
            passed = words.get((below, tensor, DRAIN), 0) if below and tensor != OFMAP else 0
            if passed and not any(x.name == below for x in _past_next_fanout(architecture, i)):
                parts.append(Traffic(level.name, tensor, FORWARD, passed, passed))
            if down:
                taken = words.get((below, tensor, FILL), 0) - passed if below else macs
                kind = "multicast" if taken > down else "unicast"
                parts.append(Traffic(level.name, tensor, kind, down, max(taken, down)))
    return tuple(parts)


def _past_next_fanout(architecture: Architecture, level: int) -> tuple[Level, ...]:
    """Return the levels below the next fan-out below a level."""
    below = architecture.levels[level + 1 :]
    return below[next((k for k, x in enumerate(below) if isinstance(x, Fanout)), len(below)) :]


def _assert_sound(report: Report, problem: Problem, result: Counts) -> None:
    """Guard every evaluation: a search finds every hole in a cost model."""
    wrong = unsound(problem, result)
    assert not wrong, "; ".join(wrong)
    assert report.cycles >= report.compute_cycles, "faster than computing"
    assert report.cycles * report.pes >= report.macs, "faster than the MACs allow"
