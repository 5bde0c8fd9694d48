"""One array or many: 2^14 MACs as one array (scale-up) or as arrays side by side (scale-out).

Prints, per way to cut the machine, the cycles of the closed form with ideal memories (Samajdar et
al., ISPASS 2020), of the analytical model and of the simulator, both with real memories: 1.5 MiB of
SRAM in all, divided among the arrays, and off-chip memory of 64 words per cycle and 100 cycles
latency, shared by all. The off-chip words show what the arrays fetch twice.
"""

from __future__ import annotations

from fractions import Fraction

from arraysmith.arch.architecture import Architecture, Fanout, Memory, ScaleOut, Systolic
from arraysmith.arch.dataflows import load_dataflow, systolic_mapping
from arraysmith.arch.problem import TENSORS, Problem, matmul
from arraysmith.arch.render import table
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.cycle.model import CycleModel

MACS = 2**14
SRAM_BITS = 2**22
"""Bits of each operand's SRAMs, of all arrays together."""

OFFCHIP_WORDS_PER_CYCLE, LATENCY_CYCLES = 64, 100

PRODUCTS = {
    "ncf0": matmul("ncf0", m=2048, n=1, k=128),
    "wide": matmul("wide", m=320, n=4096, k=3072),
}
"""The case with the largest gain, and one in which the array is full anyway."""

CUTS = {
    "ncf0": [(128, 1, 1), (64, 4, 1), (32, 16, 1), (16, 64, 1), (8, 256, 1), (8, 16, 16)],
    "wide": [(128, 1, 1), (64, 2, 2), (32, 4, 4), (16, 8, 8)],
}
"""Per product: rows (and columns) of an array, arrays that cut the rows, that cut the columns."""


def design(side: int, mesh_y: int, mesh_x: int) -> Architecture:
    """Return ``mesh_y`` by ``mesh_x`` arrays of ``side`` by ``side`` PEs with real memories."""
    arrays = mesh_y * mesh_x
    width = 8 * side
    rate = Fraction(side)
    return Architecture(
        name=f"{mesh_y}x{mesh_x} of {side}x{side}",
        clock_hz=10**9,
        technology="45nm",
        levels=(
            Memory(
                "dram",
                "lpddr4",
                TENSORS,
                512,
                8,
                read_words_per_cycle=Fraction(OFFCHIP_WORDS_PER_CYCLE),
                write_words_per_cycle=Fraction(OFFCHIP_WORDS_PER_CYCLE),
                latency_cycles=LATENCY_CYCLES,
            ),
            Fanout("arrays", mesh_x, mesh_y, ScaleOut("rows", "columns")),
            *(
                Memory(
                    f"{tensor}_sram",
                    "sram",
                    (tensor,),
                    width,
                    8,
                    SRAM_BITS // arrays // width,
                    rate,
                    rate,
                )
                for tensor in TENSORS
            ),
            Fanout("array", side, side, Systolic(partial_folds="full")),
        ),
    )


def closed_form(problem: Problem, side: int, mesh_y: int, mesh_x: int) -> int:
    """Return (2 R + C + T - 2) per fold x folds of the largest part, output stationary."""
    size = problem.size
    down, across = -(-size["P"] // mesh_y), -(-size["K"] // mesh_x)
    return (3 * side + size["C"] - 2) * -(-down // side) * -(-across // side)


def study(name: str) -> str:
    """Return the table of one product."""
    problem = PRODUCTS[name]
    rows: list[tuple[str, int, int, int, float, int]] = []
    for side, mesh_y, mesh_x in CUTS[name]:
        architecture = design(side, mesh_y, mesh_x)
        assert architecture.pes == MACS
        mapping = systolic_mapping(load_dataflow("os"), architecture, problem)
        estimated = AnalyticalModel().evaluate(architecture, problem, mapping)
        simulated = CycleModel().evaluate(architecture, problem, mapping)
        rows.append(
            (
                architecture.name,
                closed_form(problem, side, mesh_y, mesh_x),
                estimated.cycles,
                simulated.cycles,
                simulated.utilization,
                simulated.words("dram"),
            )
        )
    header = ("arrays", "closed form", "analytical", "simulated", "utilization", "off-chip words")
    best = min(rows, key=lambda row: row[3])
    cycles = list(zip(*(row[1:4] for row in rows), strict=True))
    gains = [column[0] / min(column) for column in cycles]
    size = problem.size
    return (
        f"{name}: {size['P']} x {size['C']} x {size['K']}, {MACS:,} MACs, output stationary\n"
        f"{table(header, rows)}\n"
        f"scale-out over scale-up: closed form {gains[0]:.2f}x, analytical {gains[1]:.2f}x, "
        f"simulated {gains[2]:.2f}x ({best[0]})"
    )


def main() -> None:
    """Print all tables."""
    print("\n\n".join(study(name) for name in PRODUCTS))


if __name__ == "__main__":
    main()
