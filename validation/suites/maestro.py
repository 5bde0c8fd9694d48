"""The ``maestro`` setting against numbers measured with that tool, and our own beside them."""

from __future__ import annotations

from pathlib import Path

from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.notation.maestro import TYPES, Directives, Hardware, MaestroLayer
from arraysmith.arch.notation.maestro_convert import problem_of, to_mapping
from arraysmith.arch.notation.maestro_levels import check_dataflow
from arraysmith.arch.notation.maestro_reader import parse_directives
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT
from arraysmith.arch.registry import register
from arraysmith.sim.analytical.maestro.cost import Machine, MaestroCost, count
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.report import READ, UPDATE
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.reference_files import case_rows, number, whole_number

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "maestro"
FILE = "maestro_cases.csv"

COLUMNS = (
    "type", "stride", "N_batch", "K", "C", "Y", "X", "R", "S", "M", "N", "pes", "directives",
    "noc_bw_elem_per_cycle", "offchip_bw_elem_per_cycle", "noc_hop_latency", "case", "macs_ok",
)  # fmt: skip
"""Columns that a case is made of; those of ``QUANTITIES`` are compared where they are there."""

QUANTITIES = {
    "runtime": "runtime_cycles",
    "MACs": "macs_reported",
    "input L2 reads": "input_l2_read",
    "input L2 writes": "input_l2_write",
    "filter L2 reads": "filter_l2_read",
    "filter L2 writes": "filter_l2_write",
    "output L2 reads": "output_l2_read",
    "output L2 writes": "output_l2_write",
    "L2 size": "l2_size_req_elem",
    "L1 size": "l1_size_req_elem",
    "energy": "energy_in_mac_units",
}
"""What is compared -> its column; elements, cycles, MACs and energies of a MAC."""

DIGITS = 6
"""Figures to which the tool prints energies; a difference in the last one is its rounding."""


@register("suite", "maestro")
def maestro(cases: Path | None = None) -> Outcome:
    """Compare every row; strided rows where the tool's own count of work is right.

    ``cases`` is a folder with ``maestro_cases.csv``, or a file of that form.
    """
    path = cases or REFERENCE
    path = path / FILE if path.is_dir() else path
    found: list[Comparison] = []
    skipped: dict[str, str] = {}
    beside: dict[str, dict[str, float]] = {}
    for line, row in case_rows(path, COLUMNS):
        case = row["case"]
        try:
            layer, hardware = layer_of_row(row), _hardware(row)
            directives = parse_directives(row["directives"])
            got = _quantities(count(directives, layer, _machine(row)))
        except InputError as error:
            faults = error.faults
            raise InputError(
                Fault(f"{case} {x.field}", x.value, x.rule, x.hint, str(path), line, 1)
                for x in faults
            ) from None
        ours = _default(directives, layer, hardware)
        beside[case] = ours
        why = _stride_fault(row, directives, layer)
        if why:
            skipped[case] = f"{why}; {_beside_text(ours)}"
            continue
        for quantity, column in QUANTITIES.items():
            if row.get(column):
                expected = number(row, column, path, line)
                grain = _last_digit(expected) if quantity == "energy" else 0.0
                found.append(Comparison(case, quantity, expected, got[quantity], grain))
    return Outcome("maestro", tuple(found), skipped, {}, beside)


def layer_of_row(row: dict[str, str]) -> MaestroLayer:
    """Return the layer of a row; a product's K, M, N stand in columns of these names."""
    kind = row["type"]
    if kind not in TYPES:
        raise InputError([Fault("type", kind, "unknown type of layer", ", ".join(TYPES))])
    column = {} if kind == "GEMM" else {"N": "N_batch"}
    sizes = tuple((dim, whole_number(row, column.get(dim, dim))) for dim in TYPES[kind])
    stride = whole_number(row, "stride")
    return MaestroLayer(row["case"], kind, sizes, (stride, stride))


def _hardware(row: dict[str, str]) -> Hardware:
    return Hardware(
        pes=whole_number(row, "pes"),
        noc_elements_per_cycle=whole_number(row, "noc_bw_elem_per_cycle"),
        noc_hops=whole_number(row, "noc_hop_latency"),
        offchip_elements_per_cycle=whole_number(row, "offchip_bw_elem_per_cycle"),
    )


def _machine(row: dict[str, str]) -> Machine:
    return Machine.of_hardware(_hardware(row))


def _quantities(cost: MaestroCost) -> dict[str, float]:
    return {
        "runtime": cost.cycles,
        "MACs": cost.macs,
        "input L2 reads": cost.input_reads,
        "input L2 writes": cost.tensors[0],
        "filter L2 reads": cost.filter_reads,
        "filter L2 writes": cost.tensors[1],
        "output L2 reads": cost.tensors[2],
        "output L2 writes": cost.output_writes,
        "L2 size": cost.l2_elements,
        "L1 size": cost.l1_elements,
        "energy": cost.energy_units,
    }


def _last_digit(value: float) -> float:
    """Return what the figures that are printed leave open."""
    return float(f"1e{len(str(int(value))) - DIGITS}") if value else 0.0


def _stride_fault(row: dict[str, str], directives: Directives, layer: MaestroLayer) -> str:
    """Return why a strided row says nothing; empty if it does."""
    if layer.stride == (1, 1):
        return ""
    if row["macs_ok"] not in {"1", "1.0"}:
        return f"stride: the tool counts {row['macs_reported']} MACs, the layer has {layer.macs}"
    gaps = [x for x in check_dataflow(directives, layer) if "gap" in x.rule]
    return f"stride: {gaps[0].value} {gaps[0].rule}" if gaps else ""


def _default(directives: Directives, layer: MaestroLayer, hardware: Hardware) -> dict[str, float]:
    """Return what our default setting counts; empty where our mappings cannot say that."""
    try:
        architecture, mapping, _ = to_mapping(directives, layer, hardware)
        report = AnalyticalModel().evaluate(architecture, problem_of(layer), mapping)
    except ArraysmithError:  # not sayable, or not legal; the text beside says so
        return {}
    return {
        "runtime": report.cycles,
        "MACs": report.macs,
        "input L2 reads": report.words("l2", IFMAP, READ),
        "filter L2 reads": report.words("l2", WEIGHT, READ),
        "output L2 writes": report.words("l2", OFMAP, UPDATE),
    }


def _beside_text(ours: dict[str, float]) -> str:
    if not ours:
        return "our mappings cannot say these directives"
    return "default setting: " + ", ".join(f"{name} {value:,.0f}" for name, value in ours.items())
