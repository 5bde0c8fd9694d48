"""The bench of the row-stationary array in SystemVerilog: one build, runs of programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from arraysmith.validation.verilator import Design, build_design, run_bench

HERE = Path(__file__).resolve().parent

SOURCES = tuple(
    HERE / name for name in ("spatial_bench.sv", "chip.sv", "pe_array.sv", "pe.sv", "main.cpp")
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the bench saw.

    Attributes:
        wrong: words of off-chip memory that are not as expected.
        cycles: from the first one to the last result written off-chip.
        steps: that the PEs did.
        complaints: the first wrong words, in words.
    """

    wrong: int
    cycles: int
    steps: int
    complaints: tuple[str, ...]


def build() -> Path:
    """Return the program of the bench; see ``build_design``."""
    return build_design(Design("spatial", "spatial_bench", SOURCES))


def run(program: Path, prefix: Path) -> Seen:
    """Run the files at ``prefix``, see ``program.Program.write``.

    Raises:
        ArraysmithError: the bench could not read the files, or ended without a verdict.
    """
    values, complaints = run_bench(program, [f"+prefix={prefix}"])
    return Seen(**values, complaints=complaints)
