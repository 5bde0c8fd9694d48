"""The rules of ZigZag against accesses, energies and cycles measured with that tool."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.legality import IllegalMappingError
from arraysmith.arch.notation.zigzag import OPERANDS, ZigzagMapping, parse_mapping
from arraysmith.arch.notation.zigzag_convert import level_name, to_mapping
from arraysmith.arch.notation.zigzag_machine import DIRECTIONS, ZigzagMachine, read_machines
from arraysmith.arch.problem import IFMAP, OFMAP, Problem, conv
from arraysmith.arch.registry import register
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.zigzag.cost import PARTIAL_BITS, ZigzagCost, evaluate
from arraysmith.sim.analytical.zigzag.moves import operand_moves, spread
from arraysmith.sim.report import DRAIN, FILL, READ, UPDATE
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.reference_files import case_rows, number, whole_number

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "zigzag"
FILE = "zigzag_fixed_mapping.csv"
MACHINES = "architectures.yaml"

SIZES = ("B", "G", "K", "C", "OY", "OX", "FY", "FX", "stride")
COLUMNS = ("case", "arch", *SIZES, "temporal_inner_to_outer_per_operand", "spatial")
"""Columns that a case is made of; those of ``CYCLES``, the accesses and the energy are compared
where they are there."""

CYCLES = {
    "cycles": "cycles_total",
    "compute cycles": "cycles_compute",
    "stall cycles": "cycles_stall",
    "first fill": "cycles_onload",
    "last drain": "cycles_offload",
    "systolic skew": "cycles_systolic_drain",
}
"""Quantity -> column."""

WAYS = {"tl": READ, "fl": UPDATE, "th": DRAIN, "fh": FILL}
"""Their directions -> ours."""

GRAIN_CYCLES = 1e-3
"""The tool spreads first fills over the run in floating point."""


TOLERANCE_PCT = dict.fromkeys(CYCLES, 2.0)
"""Largest error allowed, by quantity; accesses and energy have to be equal."""


@register("suite", "zigzag")
def zigzag(cases: Path | None = None) -> Outcome:
    """Compare every row with an explicit mapping that the machine can run.

    ``cases`` is a file of the form of ``zigzag_fixed_mapping.csv``, or a folder with one; a folder
    may bring machines of its own in ``architectures.yaml``.

    Beside the rules of that tool, which are compared, stand those of our default setting, where our
    mappings can say the row: words moved, by class of difference, and cycles.
    """
    path = cases or REFERENCE
    folder = path if path.is_dir() else path.parent
    path = path / FILE if path.is_dir() else path
    own = folder / MACHINES
    machines = read_machines(own if own.is_file() else REFERENCE / MACHINES)
    found: list[Comparison] = []
    skipped: dict[str, str] = {}
    beside: dict[str, dict[str, float]] = {}
    classes: Counter[str] = Counter()
    for line, row in case_rows(path, COLUMNS):
        case, name = row["case"], row["arch"]
        try:
            mapping, _ = parse_mapping(row["temporal_inner_to_outer_per_operand"], row["spatial"])
            problem = problem_of(row)
        except InputError as error:
            raise InputError(
                Fault(f"{case} {x.field}", x.value, x.rule, x.hint, str(path), line, 1)
                for x in error.faults
            ) from None
        if name not in machines:
            skipped[case] = f"machine {name} is not described in {MACHINES}"
            continue
        try:
            cost = evaluate(machines[name], problem, mapping)
        except InputError as error:
            skipped[case] = "; ".join(f"{x.field}: {x.value}: {x.rule}" for x in error.faults)
            continue
        found += _compared(row, cost, path, line)
        beside[case] = default_beside(machines[name], problem, mapping, classes)
    return Outcome(
        "zigzag", tuple(found), skipped, TOLERANCE_PCT, beside, dict(classes.most_common())
    )


def problem_of(row: dict[str, str]) -> Problem:
    """Return the layer of a row: no padding, extents follow from OY and OX; rows of a product in B.

    Raises:
        InputError: a size that is no whole number of at least 1.
    """
    size = {name: whole_number(row, name) for name in SIZES}
    stride = size["stride"]
    return conv(
        row["case"],
        height=(size["OY"] - 1) * stride + size["FY"],
        width=(size["OX"] - 1) * stride + size["FX"],
        in_channels=size["G"] * size["C"],
        out_channels=size["G"] * size["K"],
        groups=size["G"],
        window=(size["FY"], size["FX"]),
        stride=(stride, stride),
        batch=size["B"],
    )


def _compared(row: dict[str, str], cost: ZigzagCost, path: Path, line: int) -> Iterator[Comparison]:
    case = row["case"]
    expected_words = {(x[0], OPERANDS[x[1]]): x[2] for x in _accesses(row, path, line)}
    missing = {key[:2] for key in cost.accesses} ^ expected_words.keys()
    if expected_words and missing:
        shown = ", ".join(" ".join(key) for key in sorted(missing))
        rule = "must name the memories and operands of the machine"
        raise InputError([Fault(f"{case} word_accesses", shown, rule, "", str(path), line, 1)])
    for (memory, tensor), counts in expected_words.items():
        for way, expected in zip(DIRECTIONS, counts, strict=True):
            name = f"{case} {memory} {tensor} {way}"
            yield Comparison(name, "word accesses", expected, cost.accesses[memory, tensor, way])
    got = {
        "cycles": cost.cycles,
        "compute cycles": cost.compute_cycles,
        "stall cycles": cost.stall_cycles,
        "first fill": cost.fill_cycles,
        "last drain": cost.drain_cycles,
        "systolic skew": cost.skew_cycles,
    }
    for quantity, column in CYCLES.items():
        if row.get(column):
            expected = number(row, column, path, line)
            yield Comparison(case, quantity, expected, float(got[quantity]), GRAIN_CYCLES)
    if row.get("energy_total_pJ"):
        expected = number(row, "energy_total_pJ", path, line)
        yield Comparison(case, "energy", expected, cost.energy_pj, 1e-9 * expected)


def _accesses(
    row: dict[str, str], path: Path, line: int
) -> list[tuple[str, str, tuple[float, ...]]]:
    """Return (memory, operand, counts in the order of DIRECTIONS) of a row; none if it has none.

    Raises:
        InputError: no JSON of that form.
    """
    text = row.get("word_accesses")
    if not text:
        return []
    try:
        found = [
            (memory, operand, tuple(float(count) for count in counts))
            for memory, tensors in json.loads(text).items()
            for operand, counts in tensors.items()
        ]
    except (ValueError, TypeError, AttributeError):
        found = []
    if not found or any(x[1] not in OPERANDS or len(x[2]) != len(DIRECTIONS) for x in found):
        rule, hint = "must be JSON: memory, operand, four counts", '{"dram": {"I": [1, 0, 0, 0]}}'
        field = f"{row['case']} word_accesses"
        raise InputError([Fault(field, text, rule, hint, str(path), line, 1)])
    return found


def default_beside(
    machine: ZigzagMachine, problem: Problem, mapping: ZigzagMapping, classes: Counter[str]
) -> dict[str, float]:
    """Return what our default setting says, and count its words in ``classes`` by difference.

    Empty where our mappings cannot say the row, or have no room for it; a class of its own then.
    """
    try:
        architecture, ours, _ = to_mapping(machine, problem, mapping)
        report = AnalyticalModel().evaluate(architecture, problem, ours)
    except ArraysmithError as error:
        legal = "layer has no room" if isinstance(error, IllegalMappingError) else "not a chain"
        classes[f"rows left out: {legal}"] += 1
        return {}
    over = spread(mapping, problem)
    for tensor in OPERANDS.values():
        moves = operand_moves(machine, problem, mapping, tensor, over, PARTIAL_BITS)
        for m, memory in enumerate(machine.chain(tensor)):
            level = level_name(machine, memory.name, tensor)
            for way, direction in WAYS.items():
                move = moves.moves[m].get(way)
                theirs = move.words * move.count * moves.instances[m + 1] if move else 0
                got = report.words(level, tensor, direction)
                classes[_difference(problem, tensor, way, m, theirs, got)] += 1
    return {"cycles": report.cycles}


def _difference(problem: Problem, tensor: str, way: str, level: int, theirs: int, ours: int) -> str:
    """Return the class of a difference in words moved."""
    if theirs == ours:
        return "counts of words equal"
    if tensor == OFMAP and way in {"tl", "fh"} and theirs > ours:
        return "counts less: sums start from zero, the tool reads back a first partial sum"
    if tensor != OFMAP and way == "tl" and level == 0 and theirs < ours:
        return "counts more: every MAC reads its operands, with the tool they stay at the MAC"
    if tensor == IFMAP and theirs > ours:
        return "counts less: words that tiles have in common stay, the tool fetches them again"
    steps = [axis.terms for axis in problem.ifmap.axes if len(axis.terms) == 2]
    skips = any(problem.size[tap] * b < a for (_, a), (tap, b) in steps)
    if tensor == IFMAP and skips:
        return "counts more: words that a stride skips are fetched with their row"
    if tensor == IFMAP and way == "tl":
        return "counts more: units with tiles that overlap in part are sent one each"
    return "counts that differ for another reason"
