"""The setting ``scalesim-3.0.0`` behind the port of every model."""

from __future__ import annotations

from dataclasses import dataclass, replace

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.importers.scalesim_config import ScaleSimConfig
from arraysmith.arch.importers.scalesim_layout import ScaleSimLayout
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT, Problem
from arraysmith.sim.cycle.scalesim.dram_trace import ToolProbe
from arraysmith.sim.cycle.scalesim.layer import Shape, ToolMachine, shape_of
from arraysmith.sim.cycle.scalesim.result import ToolResult
from arraysmith.sim.cycle.scalesim.run import run_layer
from arraysmith.sim.pricing import Count, priced_report
from arraysmith.sim.report import DRAIN, FILL, READ, UPDATE, Report, total
from arraysmith.sim.systolic_machine import SystolicMachine

SETTING = "scalesim-3.0.0"

CAUSES = ("offchip_ifmap", "offchip_weight", "offchip_ofmap")
"""Stall causes: the operand whose buffer the array waits for longest (of equal ones the first).
Bank conflicts of a custom layout are in them."""


@dataclass(frozen=True, slots=True)
class ScaleSimModel:
    """Runs layers by the rules of SCALE-Sim 3.0.0, defects included.

    Attributes:
        config: of the tool; None to take the machine from the architecture.
        layout: of the operands with a custom layout.
    """

    config: ScaleSimConfig | None = None
    layout: ScaleSimLayout | None = None

    def evaluate(self, architecture: Architecture, problem: Problem, mapping: Mapping) -> Report:
        """Return the cost of one run; see ``report``."""
        result, groups = self.run(architecture, problem, mapping)
        return report(architecture, problem, mapping, result, groups)

    def run(
        self,
        architecture: Architecture,
        problem: Problem,
        mapping: Mapping,
        probe: ToolProbe | None = None,
    ) -> tuple[ToolResult, int]:
        """Return what the tool reports of one group of a problem, and how many run in turn.

        Raises:
            ArraysmithError: a layer or a machine that the tool cannot run.
        """
        machine, shape, groups = self.parts(architecture, problem, mapping)
        return run_layer(machine, shape, probe), groups

    def parts(
        self, architecture: Architecture, problem: Problem, mapping: Mapping
    ) -> tuple[ToolMachine, Shape, int]:
        """Return the machine, the layer as it sees it, and the number of groups."""
        if self.config is not None:
            machine = ToolMachine.of_config(self.config, self.layout)
        else:
            machine = ToolMachine.of_architecture(architecture, problem, mapping)
        shape, groups = shape_of(problem, sparsity=bool(machine.representation))
        return machine, shape, groups


def report(
    architecture: Architecture,
    problem: Problem,
    mapping: Mapping,
    result: ToolResult,
    groups: int,
) -> Report:
    """Return the common Report of what the tool reports.

    Its cycles are the tool's Total Cycles (one too few, defect 2); its MACs those that the tool
    counts (windows that stick out and zero weights included, defects 7 and 19), so that its
    utilisation is the tool's; its words those of the tool's reports. Energy and area come from our
    tables.

    Args:
        architecture: that ran.
        problem: that was run.
        mapping: of it.
        result: of one group.
        groups: equal groups that run one after the other.
    """
    machine = SystolicMachine.of(architecture, mapping)
    offchip = machine.offchip.name
    ifmap, weight, ofmap = (round(x.words) for x in result.sram)
    ifmap_in, weight_in, ofmap_out = (round(x.words) for x in result.dram)
    counts = [
        Count(offchip, IFMAP, READ, ifmap_in, 1),
        Count(offchip, WEIGHT, READ, weight_in, 1),
        Count(offchip, OFMAP, UPDATE, ofmap_out, 1),
        Count(machine.ifmap.name, IFMAP, READ, ifmap, 1),
        Count(machine.ifmap.name, IFMAP, FILL, ifmap_in, 1),
        Count(machine.weight.name, WEIGHT, READ, weight, 1),
        Count(machine.weight.name, WEIGHT, FILL, weight_in, 1),
        Count(machine.ofmap.name, OFMAP, UPDATE, ofmap, 1),
        Count(machine.ofmap.name, OFMAP, DRAIN, ofmap_out, 1),
    ]
    one = priced_report(
        architecture,
        problem,
        counts,
        fidelity="cycle",
        setting=SETTING,
        compute_cycles=result.total_cycles - result.stall_cycles,
        stalls=tuple(
            (cause, cycles) for cause, cycles in zip(CAUSES, result.stalls, strict=True) if cycles
        ),
        active_pes=result.active_pes,
    )
    per_mac_pj = one.mac_energy_pj / problem.macs
    one = replace(
        one,
        macs=result.macs,
        flops=2 * result.macs - result.outputs,
        mac_energy_pj=per_mac_pj * result.macs,
    )
    return total([(one, groups)])
