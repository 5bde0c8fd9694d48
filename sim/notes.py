"""What a user may not expect of a design, though nothing is wrong with it."""

from __future__ import annotations

from arraysmith.arch.architecture import Architecture, Systolic
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.sim.fold_times import FoldTimes
from arraysmith.sim.folding import Folding
from arraysmith.sim.systolic_machine import SystolicMachine


def idle_overlap(architecture: Architecture, problem: Problem, mapping: Mapping) -> str | None:
    """Return a note if ``fold_overlap`` of a systolic array has no effect on a mapping."""
    array = architecture.systolic
    if array is None or not isinstance(array.network, Systolic):
        return None
    if array.network.fold_overlap == "none":
        return None
    folding = Folding.of(SystolicMachine.of(architecture, mapping, problem), problem, mapping)
    if FoldTimes(folding).overlapped:
        return None
    held = "accumulators" if folding.dataflow == "os" else "weights"
    return (
        f"note: {array.name}: fold_overlap: {array.network.fold_overlap} has no effect, the "
        f"dataflow {folding.dataflow} holds {held} in the PEs: folds do not overlap"
    )
