"""What the rounds of simulations told: for result.json, for a terminal, and for the report page."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from arraysmith.search.found import Round, SearchResult
from arraysmith.sim.analytical.rehearsal.state import CAUSES
from arraysmith.sim.tables import text_table
from arraysmith.traces.page import Foretold

MODELS = ("closed", "rehearsed", "corrected")
"""Whose errors are told, as ``Round.errors`` names them."""


def calibration_rows(result: SearchResult) -> dict[str, Any] | None:
    """Return the rounds and the last correction as plain data; None without a calibration."""
    space, correction = result.run.space, result.correction
    if correction is None:
        return None
    return {
        "simulated": sum(len(x.designs) for x in result.rounds),
        "too_long": sum(x.too_long for x in result.rounds),
        "errors": _mean_errors(result.rounds),
        "rounds": [
            {
                "search": x.search,
                "generation": x.generation,
                "points": x.points,
                "too_long": x.too_long,
                "errors": x.errors(),
                "designs": [
                    {
                        "hardware": space.values(design.genome),
                        "why": design.why,
                        "layers": [result.run.layers[i].name for i in design.layers],
                        "closed_cycles": design.closed,
                        "rehearsed_cycles": design.rehearsed,
                        "corrected_cycles": design.corrected,
                        "simulated_cycles": design.simulated,
                    }
                    for design in x.designs
                ],
            }
            for x in result.rounds
        ],
        "correction": {
            cause: dict(zip(CAUSES, row, strict=True))
            for cause, row in zip(CAUSES, correction.weights, strict=True)
        },
        "energy": result.energy,
    }


def _mean_errors(rounds: Sequence[Round]) -> dict[str, float | None]:
    """Return the mean errors over all designs, each before it was fitted; None without any."""
    found: dict[str, float | None] = {}
    for model in MODELS:
        shares = [abs(getattr(x, model) / x.simulated - 1) for y in rounds for x in y.designs]
        found[model] = fmean(shares) if shares else None
    return found


def calibration_text(document: dict[str, Any]) -> str:
    """Return the rounds as a table, from result.json; empty without a calibration."""
    found = document["calibration"]
    if found is None:
        return ""
    several = len({x["search"] for x in found["rounds"]}) > 1

    def row(when: str, designs: int, errors: dict[str, float | None]) -> tuple[str, ...]:
        cells = (errors[model] for model in MODELS)
        return (when, str(designs), *("-" if x is None else f"{x:.2%}" for x in cells))

    rows = []
    for x in found["rounds"]:
        when = f"{x['search']}: {x['generation']}" if several else str(x["generation"])
        rows.append(row(when, len(x["designs"]), x["errors"]))
    rows.append(row("all", found["simulated"], found["errors"]))
    heads = ("generation", "simulated", "closed forms", "rehearsed", "corrected")
    told = f"left out for their steps: layers of {found['too_long']:,} designs"
    return "\n".join(
        [
            "SIMULATED ON THE WAY: MEAN ERROR OF CYCLES, BEFORE THE DESIGNS WERE FITTED",
            text_table(heads, rows),
            told,
        ]
    )


def foretold(result: SearchResult) -> tuple[Foretold, ...]:
    """Return every design that was simulated on the way, in order, for the report page."""
    several = result.run.repeats > 1
    return tuple(
        Foretold(
            f"{x.search}: {x.generation}" if several else str(x.generation),
            design.why,
            design.closed,
            design.corrected,
            design.simulated,
        )
        for x in result.rounds
        for design in x.designs
    )
