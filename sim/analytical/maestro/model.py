"""One layer under the setting ``maestro`` as a Report."""

from __future__ import annotations

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.notation.maestro import Directives, Hardware, MaestroNetwork
from arraysmith.arch.notation.maestro_convert import layer_of, problem_of
from arraysmith.arch.notation.maestro_file import read_maestro
from arraysmith.arch.notation.maestro_levels import resolve
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT, Problem
from arraysmith.sim.analytical.maestro.cost import (
    L1_UNITS,
    L2_UNITS,
    UNIT_PJ,
    Machine,
    MaestroCost,
    count_batch,
)
from arraysmith.sim.report import DRAIN, FILL, READ, UPDATE, Access, Component, Report

SETTING = "maestro"

MAC_UM2, ELEMENT_UM2 = 283.0, 0.104
"""Area of a MAC and of an element of a buffer: the tool's constants, without bus and arbiter."""

WAITING = "waiting"
"""The one stall cause: cycles beyond MACs / busy PEs, for networks, case zero and ragged ends."""


class Dataflows:
    """Where the directives of a layer come from: a file of the tool.

    A bare dataflow holds for every layer; a network has one for each, found by name, or by shape
    for a layer that has no namesake there.

    Attributes:
        source: the same in plain data, for provenance.
    """

    def __init__(self, path: str) -> None:
        """Read ``path``; raises InputError with every fault of it."""
        found = read_maestro(path)
        if isinstance(found, Hardware):
            rule = "holds hardware, no dataflow"
            raise InputError([Fault("--mapping", path, rule, "give it as ARCH", path)])
        self.path = path
        self._all = found if isinstance(found, Directives) else None
        self._layers = found.layers if isinstance(found, MaestroNetwork) else ()
        named = [str(layer.dataflow) for layer in self._layers if layer.dataflow]
        self.source = {"dataflows": [str(found)] if isinstance(found, Directives) else named}

    def of(self, problem: Problem) -> Directives:
        """Return the directives of a layer.

        Raises:
            InputError: the file has none for it.
        """
        if self._all is not None:
            return self._all
        for layer in self._layers:
            if layer.name == problem.name and layer.dataflow is not None:
                return layer.dataflow
        for layer in self._layers:
            same = problem_of(layer).renamed("") == problem.renamed("")
            if same and layer.dataflow is not None:
                return layer.dataflow
        rule = "the file has no dataflow for this layer"
        hint = "add a layer of its name or shape, or give a bare Dataflow { }"
        raise InputError([Fault("--mapping", problem.name, rule, hint, self.path)])


def evaluate(
    architecture: Architecture, problem: Problem, directives: Directives, file: str = ""
) -> Report:
    """Return what the rules make of a dataflow on a layer.

    Args:
        architecture: gives what ``Machine.of`` sees of it, and the clock.
        problem: the layer; padding counts as input, as the tool knows none.
        directives: the dataflow.
        file: name that faults carry.

    Raises:
        InputError: directives without a meaning on the layer.
        ArraysmithError: an operator or array that the tool does not know, or one of its defects
            shows: the work is not that of the layer, or is done faster than the PEs can.
    """
    layer = layer_of(problem)
    machine = Machine.of(architecture)
    levels = resolve(directives, layer, machine.pes, file)
    cost = count_batch([levels], layer, machine)[0]
    if cost.macs != problem.macs:
        raise ArraysmithError(
            f"{problem.name}: the rules of MAESTRO count {cost.macs} MACs of {problem.macs}: "
            f"the directives leave gaps or overlap at an edge"
        )
    if cost.cycles * machine.pes < cost.macs:
        raise ArraysmithError(
            f"{problem.name}: the rules of MAESTRO need {cost.cycles} cycles, fewer than "
            f"{cost.macs} MACs on {machine.pes} PEs: sizes at edges of clusters are mixed up there"
        )
    compute = min(cost.cycles, -(-cost.macs // cost.active_pes))
    waiting = cost.cycles - compute
    return Report(
        fidelity="analytical",
        setting=SETTING,
        macs=cost.macs,
        flops=problem.flops,
        pes=machine.pes,
        clock_hz=architecture.clock_hz,
        compute_cycles=compute,
        stalls=((WAITING, waiting),) if waiting else (),
        active_pes=cost.active_pes,
        accesses=_accesses(cost),
        traffic=(),
        mac_energy_pj=cost.macs * UNIT_PJ,
        leakage_energy_pj=0.0,
        area=(
            Component("mac", machine.pes, MAC_UM2),
            Component("l1", machine.pes, cost.l1_elements * ELEMENT_UM2),
            Component("l2", 1, cost.l2_elements * ELEMENT_UM2),
        ),
    )


def _accesses(cost: MaestroCost) -> tuple[Access, ...]:
    ifmap, weight, ofmap = cost.tensors
    l2 = (
        (IFMAP, READ, cost.input_reads),
        (IFMAP, FILL, ifmap),
        (WEIGHT, READ, cost.filter_reads),
        (WEIGHT, FILL, weight),
        (OFMAP, UPDATE, cost.output_writes),
        (OFMAP, DRAIN, ofmap),
    )
    l1 = (
        (IFMAP, READ, cost.macs),
        (IFMAP, FILL, cost.input_reads),
        (WEIGHT, READ, cost.macs),
        (WEIGHT, FILL, cost.filter_reads),
        (OFMAP, READ, cost.macs),
        (OFMAP, UPDATE, cost.macs),
    )
    return tuple(
        Access(level, tensor, direction, words, words, words * units * UNIT_PJ)
        for level, units, rows in (("l2", L2_UNITS, l2), ("l1", L1_UNITS, l1))
        for tensor, direction, words in rows
    )
