"""One array or many: 2^14 MACs as one array (scale-up) or as arrays side by side (scale-out).

Prints, per way to cut the machine, the cycles of the closed form with ideal memories (Samajdar et
al., ISPASS 2020), of the analytical model and of the simulator, both with real memories: 1.5 MiB of
SRAM in all, and off-chip memory of 64 words per cycle and 100 cycles latency. The SRAM is either
divided among the arrays, each part with a port as wide as its array, or shared by all, with ports
as wide as the lanes that the arrays have together and one read for all arrays that need a word. The
words show what arrays with SRAMs of their own fetch and read twice.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from arraysmith.arch.architecture import Architecture, Fanout, Memory, ScaleOut, Systolic
from arraysmith.arch.dataflows import load_dataflow, systolic_mapping
from arraysmith.arch.problem import TENSORS, Problem, matmul
from arraysmith.arch.render import table
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.report import READ, UPDATE

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


Row = tuple[str, str, int, int, int, float, int, int]
"""Arrays, SRAMs, cycles of the closed form and of both models, utilization, words."""


def design(side: int, mesh_y: int, mesh_x: int, *, shared: bool = False) -> Architecture:
    """Return ``mesh_y`` by ``mesh_x`` arrays of ``side`` by ``side`` PEs with real memories.

    Args:
        side: of an array.
        mesh_y: arrays that cut the rows.
        mesh_x: arrays that cut the columns.
        shared: whether all arrays share the SRAMs.
    """
    arrays = mesh_y * mesh_x
    lanes = dict(zip(TENSORS, (mesh_y, mesh_x, arrays), strict=True)) if shared else {}
    mesh = Fanout("arrays", mesh_x, mesh_y, ScaleOut("rows", "columns"))
    srams = [_sram(x, side * lanes.get(x, 1), 1 if shared else arrays) for x in TENSORS]
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
            *(() if shared else (mesh,)),
            *srams,
            *((mesh,) if shared else ()),
            Fanout("array", side, side, Systolic(partial_folds="full")),
        ),
    )


def _sram(tensor: str, lanes: int, parts: int) -> Memory:
    rate, width = Fraction(lanes), 8 * lanes
    depth = SRAM_BITS // parts // width
    return Memory(f"{tensor}_sram", "sram", (tensor,), width, 8, depth, rate, rate)


def closed_form(problem: Problem, side: int, mesh_y: int, mesh_x: int) -> int:
    """Return (2 R + C + T - 2) per fold x folds of the largest part, output stationary."""
    size = problem.size
    down, across = -(-size["P"] // mesh_y), -(-size["K"] // mesh_x)
    return (3 * side + size["C"] - 2) * -(-down // side) * -(-across // side)


def study(name: str) -> str:
    """Return the table of one product."""
    problem = PRODUCTS[name]
    rows: list[Row] = []
    for (side, mesh_y, mesh_x), shared in product(CUTS[name], (False, True)):
        if shared and mesh_y * mesh_x == 1:
            continue  # the same as with an SRAM of its own
        architecture = design(side, mesh_y, mesh_x, shared=shared)
        assert architecture.pes == MACS
        mapping = systolic_mapping(load_dataflow("os"), architecture, problem)
        estimated = AnalyticalModel().evaluate(architecture, problem, mapping)
        simulated = CycleModel().evaluate(architecture, problem, mapping)
        rows.append(
            (
                architecture.name,
                "shared" if shared else "own",
                closed_form(problem, side, mesh_y, mesh_x),
                estimated.cycles,
                simulated.cycles,
                simulated.utilization,
                sum(
                    simulated.words(f"{x}_sram", x, way) for x in TENSORS for way in (READ, UPDATE)
                ),
                simulated.words("dram"),
            )
        )
    header = (
        "arrays",
        "SRAMs",
        "closed form",
        "analytical",
        "simulated",
        "utilization",
        "SRAM words",
        "off-chip words",
    )
    gains = [_gain(rows, kind) for kind in ("own", "shared")]
    size = problem.size
    return (
        f"{name}: {size['P']} x {size['C']} x {size['K']}, {MACS:,} MACs, output stationary\n"
        f"{table(header, rows)}\n"
        f"scale-out over scale-up: {'; '.join(gains)}"
    )


def _gain(rows: list[Row], kind: str) -> str:
    """Return by how much the best of a kind beats the single array, which comes first."""
    some = [row for row in rows if row[1] == kind]
    best = min(some, key=lambda row: row[4])
    cycles = zip(*(row[2:5] for row in (rows[0], *some)), strict=True)
    closed, analytical, simulated = (single / min(many) for single, *many in cycles)
    return (
        f"{kind} SRAMs: closed form {closed:.2f}x, analytical {analytical:.2f}x, simulated "
        f"{simulated:.2f}x ({best[0]})"
    )


def main() -> None:
    """Print all tables."""
    print("\n\n".join(study(name) for name in PRODUCTS))


if __name__ == "__main__":
    main()
