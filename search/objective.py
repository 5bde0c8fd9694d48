"""What a search minimises: one number from what a design costs, and what the baseline costs.

The poster's loss is ``a1 cycles + a2 energy - a3 gflops - a4 utilization``. Its terms differ by
orders of magnitude and its weights are not printed; every term is therefore divided by the
baseline's value first, and the weights default to 1.

Quantities may be multiplied: ``energy*area``, ``time*time*energy``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Protocol

from arraysmith.arch.errors import ArraysmithError, nearest
from arraysmith.sim.merit import Merit


class Cost(Protocol):
    """What objectives read; a ``Report`` has it, and so has ``Figures``."""

    @property
    def cycles(self) -> int:
        """Cycles of the run."""
        ...

    @property
    def energy_pj(self) -> float:
        """Energy of the run."""
        ...

    @property
    def gflops(self) -> float:
        """10^9 operations per second."""
        ...

    @property
    def utilization(self) -> float:
        """MACs per cycle and MAC unit, 0 to 1."""
        ...

    @property
    def edp_j_cycles(self) -> float:
        """Energy in joules x cycles."""
        ...

    @property
    def area_um2(self) -> float:
        """Area of the chip."""
        ...

    @property
    def clock_hz(self) -> int:
        """Array clock."""
        ...


@dataclass(frozen=True, slots=True)
class Figures(Merit):
    """The cost of a candidate, without the detail of a Report; definitions as in ``Report``.

    Attributes:
        cycles: of all layers with their repeats.
        energy_pj: likewise.
        macs: likewise.
        flops: likewise.
        pes: MAC units of the design.
        clock_hz: array clock.
        area_um2: of the chip; 0 where no objective asks for it.
    """

    cycles: int
    energy_pj: float
    macs: int
    flops: int
    pes: int
    clock_hz: int
    area_um2: float = 0.0


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the poster's loss, each at least 0."""

    cycles: float = 1.0
    energy: float = 1.0
    gflops: float = 1.0
    utilization: float = 1.0


def _poster(cost: Cost, baseline: Cost, weights: Weights) -> float:
    return (
        weights.cycles * cost.cycles / baseline.cycles
        + weights.energy * cost.energy_pj / baseline.energy_pj
        - weights.gflops * cost.gflops / baseline.gflops
        - weights.utilization * cost.utilization / baseline.utilization
    )


@dataclass(frozen=True, slots=True)
class _Kind:
    """One objective.

    Attributes:
        loss: (candidate, baseline, weights) to the number to minimise.
        inner: what the mapper minimises for every layer, so that both pull the same way.
        unit: of the loss, for people.
    """

    loss: Callable[[Cost, Cost, Weights], float]
    inner: str
    unit: str


_KINDS = {
    "edp": _Kind(lambda cost, _, __: cost.edp_j_cycles, "edp", "J x cycle"),
    "energy": _Kind(lambda cost, _, __: cost.energy_pj, "energy", "pJ"),
    "latency": _Kind(lambda cost, _, __: float(cost.cycles), "latency", "cycles"),
    "time": _Kind(lambda cost, _, __: cost.cycles / cost.clock_hz, "latency", "s"),
    "area": _Kind(lambda cost, _, __: cost.area_um2, "edp", "um2"),
    "poster": _Kind(_poster, "edp", "relative to the baseline"),
}

OBJECTIVES = tuple(_KINDS)
"""Names of the objectives; all but ``poster`` may be factors of a product."""

MAPPING_OBJECTIVES = ("edp", "energy", "latency")
"""What a mapping can be chosen by."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A named objective.

    Attributes:
        name: one of ``OBJECTIVES``, or several as a product.
        weights: of the poster's loss; the other objectives have none.
    """

    name: str = "edp"
    weights: Weights = Weights()

    def __post_init__(self) -> None:
        fault = objective_fault(self.name)
        if fault is not None:
            raise ArraysmithError(f"unknown objective {self.name!r}: {fault[1]}")

    @property
    def factors(self) -> tuple[str, ...]:
        """What is multiplied; one name if nothing is."""
        return _factors(self.name)

    @property
    def mapping_objective(self) -> str:
        """What the mapping of every layer is chosen by, one of ``MAPPING_OBJECTIVES``."""
        inner = {_KINDS[name].inner for name in self.factors if name != "area"}
        return inner.pop() if len(inner) == 1 else "edp"

    @property
    def needs_area(self) -> bool:
        """Whether the loss depends on ``Cost.area_um2``."""
        return "area" in self.factors

    @property
    def unit(self) -> str:
        """Unit of the loss, for people."""
        return " x ".join(_KINDS[name].unit for name in self.factors)

    def loss(self, cost: Cost, baseline: Cost) -> float:
        """Return the number to minimise."""
        return prod(_KINDS[name].loss(cost, baseline, self.weights) for name in self.factors)


def objective_fault(name: str) -> tuple[str, str] | None:
    """Return (rule, hint) if ``name`` is no objective."""
    factors = _factors(name)
    for factor in factors:
        if factor not in _KINDS:
            rule = f"must be one of {', '.join(OBJECTIVES)}, or a product such as energy*area"
            return rule, nearest(factor, OBJECTIVES)
    if len(factors) > 1 and "poster" in factors:
        return "poster is a sum, no factor", "multiply the others"
    return None


def _factors(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in name.split("*"))
