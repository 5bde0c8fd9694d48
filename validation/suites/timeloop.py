"""The ``timeloop`` setting against access counts, cycles and energies measured with that tool."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import (
    Architecture,
    Compute,
    Energy,
    Fanout,
    Level,
    Memory,
    XyBus,
)
from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.legality import IllegalMappingError
from arraysmith.arch.mapping import Mapping, from_factors
from arraysmith.arch.notation.timeloop import (
    CONVOLUTION,
    DEPTHWISE,
    EYERISS_NAMES,
    parse_mapping,
)
from arraysmith.arch.problem import IFMAP, OFMAP, TENSORS, WEIGHT, Problem, conv
from arraysmith.arch.registry import register
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.report import FILL, READ, UPDATE, Report
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.reference_files import case_rows, number, read_yaml

REFERENCE = Path(__file__).resolve().parent.parent / "reference" / "timeloop"

TENSOR = {"Inputs": IFMAP, "Weights": WEIGHT, "Outputs": OFMAP, "I": IFMAP, "W": WEIGHT, "O": OFMAP}

TOLERANCE_PCT = {
    # Three throttled cases come out one cycle longer there: the tool divides by a rounded
    # slowdown and rounds the quotient up, so that a whole number of cycles gets one more.
    "cycles": 0.03,
    "words": 0.2,  # instances x words per instance, which the file states rounded
    "energy_uJ": 0.1,
    "utilization": 0.1,
    "GFLOPs": 0.01,
}
"""Largest error allowed, by quantity."""

LEVEL_COLUMNS = (
    "case", "level", "tensor", "instances_used", "reads_per_inst", "fills_per_inst",
    "updates_per_inst",
)  # fmt: skip
SUMMARY_COLUMNS = (
    "case",
    "layer",
    "arch",
    "keep",
    "mapping",
    "cycles",
    "energy_uJ",
    "link_transfers",
)
"""Columns that a case is made of, and those that are compared."""

FILES = ("architectures.yaml", "layers.yaml", "fixed_levels.csv", "fixed_summary.csv")
"""Of a folder of cases."""

NEIGHBOURS = "the tool found neighbour-to-neighbour transfers, which the setting does not model"


@register("suite", "timeloop")
def timeloop(cases: Path | None = None) -> Outcome:
    """Compare every fixed mapping, and the two designs of the poster if the folder has them.

    ``cases`` is a folder with the files of the reference, or a file of the form of
    ``fixed_summary.csv``; what does not lie beside such a file is taken from the reference.
    """
    folder = cases or REFERENCE
    alone = folder if folder.is_file() else None
    architectures_file, layers_file, levels_file, summary = (
        _beside(alone, name) if alone else folder / name for name in FILES
    )
    architectures = read_yaml(architectures_file).get("architectures")
    layers = read_yaml(layers_file).get("layers")
    counts: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for line, row in case_rows(levels_file, LEVEL_COLUMNS):
        counts.setdefault(row["case"], []).append((line, row))
    summary = alone or summary
    found: list[Comparison] = []
    skipped: dict[str, str] = {}
    for line, row in case_rows(summary, SUMMARY_COLUMNS):
        case = row["case"]
        if number(row, "link_transfers", summary, line):
            skipped[case] = NEIGHBOURS
            continue
        cycles, energy = (number(row, x, summary, line) for x in ("cycles", "energy_uJ"))
        try:
            layer = _entry(layers, "layer", row, layers_file)
            design = _entry(architectures, "arch", row, architectures_file)
            report = _report(row, layer, design)
        except InputError as error:
            raise InputError(
                Fault(f"{case} {x.field}", x.value, x.rule, x.hint, str(summary), line, 1)
                for x in error.faults
            ) from None
        found.append(Comparison(case, "cycles", cycles, report.cycles))
        found.append(Comparison(case, "energy_uJ", energy, report.energy_pj * 1e-6, 5e-3))
        found += _words(case, counts.get(case, []), report, levels_file)
    if not alone and (folder / "poster_reproduction.yaml").exists():
        found += _poster(read_yaml(folder / "poster_reproduction.yaml"))
    return Outcome("timeloop", tuple(found), skipped, TOLERANCE_PCT)


def _beside(file: Path, name: str) -> Path:
    """Return the file of that name beside ``file``, the reference's if there is none."""
    return next(x for x in (file.with_name(name), REFERENCE / name) if x != file and x.is_file())


def _entry(table: object, column: str, row: dict[str, str], path: Path) -> dict[str, Any]:
    """Return the entry of a YAML file that a cell names."""
    known = table if isinstance(table, dict) else {}
    if not isinstance(known.get(row[column]), dict):
        hint = f"known: {', '.join(map(str, known))}"
        raise InputError([Fault(column, row[column], f"is not described in {path.name}", hint)])
    entry: dict[str, Any] = known[row[column]]
    return entry


def _report(row: dict[str, str], layer: dict[str, Any], design: dict[str, Any]) -> Report:
    """Return what the setting says of a row; raises InputError where it says nothing."""
    try:
        problem = problem_of(row["layer"], layer)
        architecture = architecture_of(row["arch"], design, row["keep"])
    except (KeyError, TypeError, ValueError) as error:
        shown = f"{row['arch']}, {row['layer']}, keep {row['keep']}"
        raise InputError(
            [Fault("machine and layer", shown, f"cannot be read: {error!r}")]
        ) from None
    mapping = mapping_of(row["mapping"], architecture, layer)
    try:
        return AnalyticalModel("timeloop").evaluate(architecture, problem, mapping)
    except IllegalMappingError as error:
        raise InputError(
            Fault(f"mapping {x.where}", x.value, f"{x.rule}: {x.limit}") for x in error.violations
        ) from None


def problem_of(name: str, layer: dict[str, Any]) -> Problem:
    """Return the problem of a row of layers.yaml: no padding, extents follow from P and Q."""
    dims, stride = layer["dims"], layer["stride"]
    channels = dims["C"]
    return conv(
        name,
        height=(dims["P"] - 1) * stride + dims["R"],
        width=(dims["Q"] - 1) * stride + dims["S"],
        in_channels=channels,
        out_channels=channels if layer["depthwise"] else dims["M"],
        groups=channels if layer["depthwise"] else 1,
        window=(dims["R"], dims["S"]),
        stride=(stride, stride),
        batch=dims["N"],
    )


def architecture_of(name: str, spec: dict[str, Any], keep: str) -> Architecture:
    """Return an architecture of architectures.yaml; ``keep`` says what each level stores."""
    kept = {
        level: tuple(TENSOR[x] for x in letters.split("+") if x != "-")
        for level, letters in (entry.split(":") for entry in keep.split(";"))
    }
    prices = spec["energy_pJ_per_vector_access"]
    at_x = spec["spatial_X_at"].split(" ")[0]
    at_y = spec["spatial_Y_at"].split(" ")[0]
    levels: list[Level] = []
    for depth, level in enumerate(spec["levels_outer_to_inner"]):
        title = level["name"]
        if "words_per_vector" in level or "depth" in level:
            read, write = (
                level.get(f"{way}_bw", level.get("bandwidth_words_per_cycle"))
                for way in ("read", "write")
            )
            price = prices[title]
            words = level["words_per_vector"]
            bits = spec["word_bits"]
            levels.append(
                Memory(
                    name=title,
                    device="sram" if depth else "lpddr4",  # energies are stated below
                    holds=TENSORS if depth == 0 else kept[title],
                    width_bits=words * bits,
                    word_bits=bits,
                    depth=level["capacity_words"] // words if level["capacity_words"] else None,
                    read_words_per_cycle=Fraction(read) if read else None,
                    write_words_per_cycle=Fraction(write) if write else None,
                    energy=Energy(price["read"], price["write_fill_update"]),
                )
            )
        if title == at_x:
            levels.append(Fanout(f"{title}_X", spec["mesh"]["X"], 1, XyBus()))
        if title == at_y:
            levels.append(Fanout(f"{title}_Y", 1, spec["mesh"]["Y"], XyBus()))
    mac_pj = prices["mac"]["compute"]
    return Architecture(name, 10**9, "45nm", tuple(levels), Compute(energy=Energy(mac_pj, mac_pj)))


def mapping_of(text: str, architecture: Architecture, layer: dict[str, Any]) -> Mapping:
    """Return the mapping of a mapping string."""
    dims = DEPTHWISE if layer["depthwise"] else CONVOLUTION
    return from_factors(architecture, parse_mapping(text, _names(architecture), dims))


def _names(architecture: Architecture) -> dict[str, str]:
    """Return the names for ``parse_mapping``: fan-outs here are called LEVEL_X and LEVEL_Y."""
    names = {memory.name: memory.name for memory in architecture.memories}
    for fanout in architecture.fanouts:
        level, _, axis = fanout.name.rpartition("_")
        names[f"{level}.s{axis}"] = f"{fanout.name}.{axis.lower()}"
    return names


def _words(
    case: str, rows: list[tuple[int, dict[str, str]]], report: Report, path: Path
) -> Iterator[Comparison]:
    for line, row in rows:
        if row["tensor"] not in TENSOR:
            rule, hint = "unknown tensor", ", ".join(TENSOR)
            raise InputError([Fault(f"{case} tensor", row["tensor"], rule, hint, str(path), line)])
        instances = round(number(row, "instances_used", path, line))
        for direction, column in ((READ, "reads"), (FILL, "fills"), (UPDATE, "updates")):
            if row["level"] == "DRAM" and direction == FILL:
                continue  # the tool lists what nobody fills
            expected = number(row, f"{column}_per_inst", path, line) * instances
            got = report.words(row["level"], TENSOR[row["tensor"]], direction)
            name = f"{case} {row['level']} {row['tensor']} {direction}"
            yield Comparison(name, "words", expected, got, grain=instances)


def poster_cases(
    text: dict[str, Any],
) -> Iterator[tuple[str, dict[str, Any], Architecture, Problem, Mapping]]:
    """Yield (design, what was measured, architecture, problem, mapping) of the poster's file.

    Args:
        text: the content of poster_reproduction.yaml; the architectures have its 65 nm energies.
    """
    prices = text["energy_pJ_per_vector_access_65nm"]
    layer = {"dims": {"N": 1, **{d: text["workload"][d] for d in "CMPQRS"}}, "depthwise": False}
    layer["stride"] = text["workload"]["stride"]
    problem = problem_of("poster", layer)
    for name, measured in text["measured_with_mapper_defaults_65nm"].items():
        if "mapping" not in measured:
            continue
        design, mesh = name.split("_")
        architecture = _poster_design(design, mesh, text, prices[design])
        names = {**EYERISS_NAMES, **{memory.name: memory.name for memory in architecture.memories}}
        factors = parse_mapping(measured["mapping"], names)
        yield name, measured, architecture, problem, from_factors(architecture, factors)


def _poster(text: dict[str, Any]) -> Iterator[Comparison]:
    """Compare the poster's two designs under the mappings and the 65 nm energies of the file."""
    for name, measured, architecture, problem, mapping in poster_cases(text):
        report = AnalyticalModel("timeloop").evaluate(architecture, problem, mapping)
        case = f"poster {name}"
        yield Comparison(case, "cycles", measured["cycles"], report.cycles)
        # The file states four and two decimals.
        yield Comparison(case, "utilization", measured["utilisation"], report.utilization, 5e-5)
        yield Comparison(case, "GFLOPs", measured["gflops"], report.gflops, 6e-3)
        yield Comparison(case, "energy_uJ", measured["energy_uJ"], report.energy_pj * 1e-6, 5e-3)


def _poster_design(
    design: str, mesh: str, text: dict[str, Any], prices: dict[str, Any]
) -> Architecture:
    """Return the poster's design from its buffers' shapes, written as ``name DEPTHxWIDTH``."""
    shapes = {}
    for title, price in prices.items():
        match = re.fullmatch(r"(\w+) (\d+)x(\d+)", title)
        if match:
            shapes[match[1]] = (int(match[2]), int(match[3]), price)
    rates = text["architecture"]["bandwidth_words_per_cycle"]
    holds = {
        "shared_glb": (IFMAP, OFMAP),
        "ifmap_spad": (IFMAP,),
        "weights_spad": (WEIGHT,),
        "psum_spad": (OFMAP,),
    }
    memories = []
    for title, tensors in holds.items():
        depth, width, price = shapes[title]
        rate = rates[title] if title in rates else rates["each spad"]
        memories.append(
            Memory(
                title,
                "sram",
                tensors,
                width,
                16 if title == "psum_spad" else 8,
                depth,
                Fraction(rate["read"]),
                Fraction(rate["write"]),
                energy=Energy(price["read"], price["write"]),
            )
        )
    dram = Memory("DRAM", "lpddr4", TENSORS, 64, 8, energy=Energy(prices["DRAM"], prices["DRAM"]))
    mesh_x, mesh_y = (int(x) for x in mesh.split("x"))
    return Architecture(
        f"poster-{design}",
        10**9,
        "65nm",
        (dram, memories[0], Fanout("array", mesh_x, mesh_y, XyBus(diagonal=False)), *memories[1:]),
        Compute(energy=Energy(prices["mac"], prices["mac"])),
    )
