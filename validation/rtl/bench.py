"""The bench of the systolic arrays in SystemVerilog: sizes, builds, runs.

A build is a program for one size of array and words; it holds all six kinds of array.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path

from arraysmith.validation.verilator import Design, build_design, run_bench

HERE = Path(__file__).resolve().parent

SOURCES = tuple(HERE / name for name in ("replay.sv", "os_array.sv", "ws_array.sv", "main.cpp"))

PARAMETERS = ("ROWS", "COLS", "LEFT_BITS", "TOP_BITS", "SUM_BITS", "WORDS")

WORDS = 1 << 16
"""Least words of the memory images that a build has room for; more by powers of two."""


@dataclass(frozen=True, slots=True)
class Size:
    """Parameters of a build, as ``replay.sv`` has them.

    Attributes:
        rows: of the array.
        columns: of the array.
        left_bits: of a word that enters the rows.
        top_bits: of a word that enters the columns.
        sum_bits: of a sum.
        words: that a memory image has at most.
    """

    rows: int
    columns: int
    left_bits: int = 8
    top_bits: int = 8
    sum_bits: int = 32
    words: int = WORDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the bench saw.

    Attributes:
        wrong: disagreements between the array and the commands, and wrong words.
        cycles: clock cycles, lines of the command file.
        advanced: clock cycles in which the array was enabled.
        last_result: last clock cycle in which the array showed a result; -1 if none.
        written: words written.
        complaints: the first disagreements in words.
    """

    wrong: int
    cycles: int
    advanced: int
    last_result: int
    written: int
    complaints: tuple[str, ...]


def build(size: Size) -> Path:
    """Return the program for ``size``; see ``build_design``."""
    parameters = tuple(zip(PARAMETERS, astuple(size), strict=True))
    name = f"bench-{size.rows}x{size.columns}"
    return build_design(Design(name, "replay", SOURCES, parameters))


def run(program: Path, prefix: str, array: int, words: int) -> Outcome:
    """Drive an array with the files at ``prefix`` and return what was seen.

    Args:
        program: from ``build``.
        prefix: path in front of left.hex, top.hex, expected.hex and commands.hex.
        array: which one, see ``replay.sv``.
        words: of expected.hex.

    Raises:
        ArraysmithError: the bench could not read the files, or ended without a verdict.
    """
    arguments = [f"+prefix={prefix}", f"+array={array}", f"+words={words}"]
    values, complaints = run_bench(program, arguments)
    return Outcome(**values, complaints=complaints)
