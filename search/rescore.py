"""The best candidates again, simulated, and why both models differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Layer, Problem
from arraysmith.search.evaluate import MappedDesign, Scored, score
from arraysmith.sim.report import Report


@dataclass(frozen=True)
class Difference:
    """What the simulation says less what the closed forms say.

    Attributes:
        cycles: by cause; ``compute`` and every stall cause of either model; they add up to the
            difference of the totals. A cause that only the closed forms know counts negative.
        energy_pj: by memory, then ``mac`` and ``leakage``; they add up too.
        words: by (memory, tensor, direction), where they differ.
    """

    cycles: dict[str, int]
    energy_pj: dict[str, float]
    words: dict[tuple[str, str, str], int]

    @classmethod
    def of(cls, analytical: Report, cycle: Report) -> Difference:
        """Return the difference of two Reports of the same mapped design."""
        cycles = {"compute": cycle.compute_cycles - analytical.compute_cycles}
        for cause, count in cycle.stalls:
            cycles[cause] = cycles.get(cause, 0) + count
        for cause, count in analytical.stalls:
            cycles[cause] = cycles.get(cause, 0) - count
        before, after = analytical.energy_by_level(), cycle.energy_by_level()
        energy = {
            part: after.get(part, 0.0) - before.get(part, 0.0)
            for part in dict.fromkeys((*before, *after))
        }
        moved: dict[tuple[str, str, str], int] = {}
        for sign, report in ((1, cycle), (-1, analytical)):
            for access in report.accesses:
                key = (access.level, access.tensor, access.direction)
                moved[key] = moved.get(key, 0) + sign * access.words
        return cls(cycles, energy, {key: count for key, count in moved.items() if count})

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "cycles": self.cycles,
            "energy_pj": self.energy_pj,
            "words": [
                {"level": level, "tensor": tensor, "direction": direction, "words": count}
                for (level, tensor, direction), count in self.words.items()
            ],
        }


def simulate_layer(architecture: Architecture, problem: Problem, mapping: Mapping) -> Report:
    """Return the Report of the cycle-accurate simulation of one layer."""
    # Here, not above: workers that only build tables do without the simulator.
    from arraysmith.sim.cycle.model import CycleModel

    return CycleModel().evaluate(architecture, problem, mapping)


def simulate_designs(
    designs: Sequence[MappedDesign],
    layers: Sequence[Layer],
    executor: Executor,
    done: Callable[[], None],
) -> tuple[Scored, ...]:
    """Return what the simulator says of each design; one task per design and layer.

    Args:
        designs: to simulate; equal ones are simulated once.
        layers: that every design has mappings for.
        executor: where tasks run; results do not depend on it.
        done: called after each layer of each distinct design.
    """
    futures = {
        design: [
            executor.submit(simulate_layer, design.architecture, layer.problem, mapping)
            for layer, mapping in zip(layers, design.mappings, strict=True)
        ]
        for design in dict.fromkeys(designs)
    }
    scored = {}
    for design, tasks in futures.items():
        reports = []
        for task in tasks:
            reports.append(task.result())
            done()
        scored[design] = score(design, layers, reports)
    return tuple(scored[design] for design in designs)
