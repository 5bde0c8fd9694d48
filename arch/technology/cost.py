"""What one component costs: the type every table and estimator answers with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComponentCost:
    """Energy per action, leakage and area of one component instance.

    Attributes:
        read_pj: picojoules per read of the whole width, or per operation.
        write_pj: picojoules per write of the whole width.
        leakage_mw: static power in milliwatts; 0 when the source gives none.
        area_um2: area in square micrometres; 0 when the source gives none.
        source: where the numbers come from, for people.
    """

    read_pj: float
    write_pj: float
    leakage_mw: float
    area_um2: float
    source: str
