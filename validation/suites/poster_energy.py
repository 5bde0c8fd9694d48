"""Energy of the poster's two designs beside its table 2, and an account of what remains.

Both designs run the mapping that Timeloop's mapper found with its defaults; of the versions of that
tool that were tried, only one fits both rows. Three sets of prices, all at 65 nm:

- ``exercise``: the energies that Accelergy gave the tool's Eyeriss-like exercise, under its rules;
- ``tables``: the presets, priced by our tables, with the MAC of two adders that the exercise had;
- ``tables, own MAC``: the same with the multiplier and adder of our tables, which the poster's tool
  left out by mistake. Reported, not judged: that energy is not in the poster's numbers.

Beside stand the presets under our ``default`` setting.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

from arraysmith.arch.architecture import Architecture, Compute
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.mapping import from_factors
from arraysmith.arch.notation.timeloop import EYERISS_NAMES, parse_mapping
from arraysmith.arch.registry import register
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.report import Report
from arraysmith.validation.comparison import Comparison, Outcome
from arraysmith.validation.reference_files import read_yaml
from arraysmith.validation.suites.timeloop import REFERENCE, poster_cases

PRESETS = {"original": "eyeriss-poster-original", "optimum": "eyeriss-poster-found"}
"""Preset of each design of the file."""

EXERCISE, TABLES, OWN_MAC = "energy exercise", "energy tables", "energy tables, own MAC"

TOLERANCE_PCT = {
    # The printed GFLOPs of the original are a slip in the last digits: 188.44 is (2 MACs -
    # outputs) / cycles exactly.
    "GFLOPs": 0.03,
    "utilization": 0.01,
    # See the account in the notes.
    EXERCISE: 2.7,
    TABLES: 2.7,
    OWN_MAC: inf,
}
"""Largest error allowed, by quantity; cycles must be exact."""


@register("suite", "poster-energy")
def poster_energy(cases: Path | None = None) -> Outcome:
    """Compare both designs; ``cases`` is a folder with a poster_reproduction.yaml."""
    path = (cases or REFERENCE) / "poster_reproduction.yaml"
    text = read_yaml(path)
    found: list[Comparison] = []
    beside: dict[str, dict[str, float]] = {}
    exercise: dict[str, Report] = {}
    gaps: dict[str, float] = {}
    for name, measured, architecture, problem, mapping in poster_cases(text):
        design = name.split("_", maxsplit=1)[0]
        printed = text["poster_rows"][design]
        preset = load_architecture(PRESETS[design])
        own = from_factors(preset, parse_mapping(measured["mapping"], EYERISS_NAMES))
        timeloop = AnalyticalModel("timeloop")
        report = timeloop.evaluate(architecture, problem, mapping)
        exercise[design] = report
        gaps[design] = report.energy_pj * 1e-6 - printed["energy_uJ"]
        found += [
            Comparison(name, "cycles", printed["cycles"], report.cycles),
            Comparison(name, "utilization", printed["utilisation"], report.utilization, 5e-5),
            Comparison(name, "GFLOPs", printed["gflops"], report.gflops, 5e-3),
            _energy(name, EXERCISE, printed["energy_uJ"], report),
            _energy(name, TABLES, printed["energy_uJ"], timeloop.evaluate(preset, problem, own)),
            _energy(
                name,
                OWN_MAC,
                printed["energy_uJ"],
                timeloop.evaluate(_own_mac(preset), problem, own),
            ),
        ]
        default = AnalyticalModel().evaluate(preset, problem, own)
        beside[name] = {"cycles": default.cycles, TABLES: default.energy_pj * 1e-6}
    best = text["measured_with_exhaustive_row_stationary_search_65nm"]["optimum_spads_on_4x42"]
    printed_uj = text["poster_rows"]["optimum"]["energy_uJ"]
    prices = (
        f"of all row-stationary mappings that run the found design in {best['cycles']} cycles none"
        f" takes less than {best['energy_uJ']} uJ with these prices, more than the printed"
        f" {printed_uj}: no mapping closes that gap, so the poster's prices were others, of a"
        " revision of the tables that it does not name"
    )
    notes = *_account(exercise, gaps), prices
    return Outcome("poster-energy", tuple(found), {}, TOLERANCE_PCT, beside, notes=notes)


def _energy(name: str, quantity: str, printed: float, report: Report) -> Comparison:
    return Comparison(name, quantity, printed, report.energy_pj * 1e-6, 5e-3)


def _own_mac(preset: Architecture) -> Architecture:
    compute: Compute = replace(preset.compute, energy=None)
    return replace(preset, compute=compute)


def _account(reports: dict[str, Report], gaps: dict[str, float]) -> tuple[str, ...]:
    """Return what each component takes, and what its price would have to be to close the gaps."""
    told = []
    for design, report in reports.items():
        parts = ", ".join(
            f"{level} {energy_pj * 1e-6:.2f}"
            for level, energy_pj in report.energy_by_level().items()
        )
        total = report.energy_pj * 1e-6
        told.append(
            f"{design}: {total:.2f} uJ with the exercise's energies ({parts});"
            f" {gaps[design]:+.2f} uJ remain to the printed number"
        )
    levels = list(next(iter(reports.values())).energy_by_level())
    closing = []
    for level in levels:
        changes = [
            -100 * gaps[design] / (report.energy_by_level()[level] * 1e-6)
            for design, report in reports.items()
        ]
        closing.append(f"{level} " + " and ".join(f"{change:+.1f}" for change in changes))
    told.append(
        f"no single price closes both gaps; the change in percent each would need for "
        f"{' and '.join(reports)}: {', '.join(closing)}"
    )
    return tuple(told)
