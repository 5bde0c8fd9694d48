"""The files that a search leaves behind, each complete or not there.

Nothing in them tells the time, the machine, a path or the number of workers: equal runs give equal
bytes.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.architecture_file import architecture_document, dump_architecture
from arraysmith.arch.budget import chip_area_um2
from arraysmith.arch.mapping_file import dump_mapping, mapping_document
from arraysmith.arch.yaml_positions import dump_document
from arraysmith.search.describe import (
    baseline_label,
    design_rows,
    gains,
    hardware_text,
    layer_index,
    other_numbers,
    page_of,
    summary,
)
from arraysmith.search.evaluate import Scored
from arraysmith.search.found import Generation, Ranked, SearchResult
from arraysmith.search.ledger import LEDGER
from arraysmith.search.rescore import Difference
from arraysmith.search.round_results import calibration_rows
from arraysmith.search.verify import Verification
from arraysmith.sim.loop_nest import loop_nest
from arraysmith.sim.provenance import provenance
from arraysmith.traces.html import write_html

RESULT, PAGE, RUN, BEST = "result.json", "report.html", "run.yaml", "architecture_best.yaml"
"""Names of the files."""


def best_architecture(result: SearchResult) -> Architecture:
    """Return the winner's hardware under a name of its own."""
    return replace(result.winner.analytical.design.architecture, name=f"{result.run.name}-best")


def write_results(result: SearchResult, verification: Verification, out: Path) -> dict[str, Any]:
    """Write every file of a finished search into ``out``; return the content of result.json.

    Args:
        result: of the search.
        verification: values and traces of the winner.
        out: the folder that has the ledger.
    """
    run = result.run
    for name, source in run.files:
        _write(out / name, Path(source).read_bytes())
    _write(out / RUN, dump_document(run.document))
    _write(out / BEST, dump_architecture(best_architecture(result), _source(result)))
    for name, scored in _mapped(result):
        for layer, mapping in zip(run.layers, scored.design.mappings, strict=True):
            _write(out / _mapping_file(name, layer.name), dump_mapping(mapping))
    document = result_document(result, verification)
    files = [
        ("numbers", RESULT),
        ("best hardware", BEST),
        ("run as resolved", RUN),
        ("every evaluated design", LEDGER),
    ]
    if verification.traces is not None:
        files.insert(0, ("traces of the best design", verification.traces))
    page = page_of(result, document["provenance"], files, verification.waiting)
    write_html(page, out / PAGE)
    text = json.dumps({**document, "page": page.to_dict()}, indent=1, allow_nan=False)
    _write(out / RESULT, text + "\n")
    return document


def result_document(result: SearchResult, verification: Verification) -> dict[str, Any]:
    """Return the result as plain data."""
    run, best = result.run, result.winner
    index = layer_index(result)
    others = other_numbers(run.space)
    return {
        "run": run.name,
        "architecture": run.template.name,
        "workload": run.network.name,
        "objective": {"name": run.objective.name, **_weights(result)},
        "summary": summary(result),
        "baseline": result.baselines.original.total.to_dict(),
        "remapped": result.baselines.remapped.total.to_dict(),
        "best": best.analytical.total.to_dict(),
        "gain": {name: asdict(gain) for name, gain in gains(result).items()},
        "table": [asdict(row) for row in design_rows(result)],
        "top": [_ranked(result, x, rank) for rank, x in enumerate(result.top, start=1)],
        "compared": [
            {
                "label": baseline_label(result),
                "hardware_text": hardware_text(run.template, others),
                **_both(result.baselines.original, result.baselines_cycle.original),
            },
            {
                "label": f"{baseline_label(result)}, best mapping",
                "hardware_text": hardware_text(run.template, others),
                **_both(result.baselines.remapped, result.baselines_cycle.remapped),
            },
            *(
                {
                    "label": rival.label,
                    "hardware_text": hardware_text(rival.architecture),
                    **_both(closed, cycle),
                }
                for rival, (closed, cycle) in zip(run.stated_rivals, result.rivals, strict=True)
            ),
        ],
        "estimated": [
            {
                "label": label,
                "hardware_text": hardware_text(scored.design.architecture),
                "analytical": scored.total.to_dict(),
            }
            for label, scored in result.estimated
        ],
        "mappings": [
            {
                "design": name,
                "layer": layer.name,
                "equal_layers": [
                    x.name for x, i in zip(run.network.layers, index, strict=True) if i == number
                ],
                "file": _mapping_file(name, layer.name),
                "mapping": mapping_document(mapping),
                "nest": loop_nest(scored.design.architecture, layer.problem, mapping),
            }
            for name, scored in _mapped(result)
            for number, (layer, mapping) in enumerate(
                zip(run.layers, scored.design.mappings, strict=True)
            )
        ],
        "layers": [
            {
                "layer": layer.name,
                "repeat": layer.repeat,
                **best.analytical.layers[i].to_dict(),
                "least_cycles": -(-layer.problem.macs // best.analytical.design.architecture.pes),
                "gap": result.gaps[i],
                **({"notes": list(result.notes[i])} if any(result.notes) else {}),
                "cycle": best.cycle.layers[i].to_dict(),
                "baseline": result.baselines.original.layers[i].to_dict(),
            }
            for layer, i in zip(run.network.layers, index, strict=True)
        ],
        "total": best.analytical.total.to_dict(),
        "values": [asdict(check) for check in verification.values],
        "traces": verification.traces,
        "front": _front(result),
        "convergence": _curve(result.generations),
        "repeats": [
            {"number": number, "convergence": _curve(generations)}
            for number, generations in result.repeats
        ],
        "calibration": calibration_rows(result),
        "effort": {
            "evaluations": result.evaluations,
            "genomes": run.space.genomes,
            "drawn": result.drawn,
            "repaired": result.repaired,
            "mappings": result.mappings,
            "mappings_scored": result.scored,
            "mappings_compared": result.compared,
        },
        "provenance": provenance_of(result),
    }


def _curve(generations: Sequence[Generation]) -> list[dict[str, float | None]]:
    return [
        {
            key: None if value is None or math.isinf(value) else value
            for key, value in asdict(x).items()
        }
        for x in generations
    ]


def _front(result: SearchResult) -> dict[str, Any] | None:
    """Return the designs that no other dominates; None when there is one objective."""
    run = result.run
    if not run.front:
        return None
    macs = sum(layer.repeat * layer.problem.macs for layer in run.layers)
    names = [objective.name for objective in run.front]
    points = []
    for found in result.front:
        architecture = run.space.architecture(found.genome)
        points.append(
            {
                "losses": dict(zip(names, found.losses, strict=True)),
                "hardware": run.space.values(found.genome),
                "hardware_text": hardware_text(architecture, other_numbers(run.space)),
                "cycles": found.cycles,
                "energy_pj": found.energy_pj,
                "edp_j_cycles": found.energy_pj * 1e-12 * found.cycles,
                "utilization": macs / (found.cycles * architecture.pes),
                "storage_bits": architecture.storage_bits,
                "area_um2": chip_area_um2(architecture),
            }
        )
    return {
        "objectives": names,
        "units": [objective.unit for objective in run.front],
        "rank": run.objective.name,
        "corner": dict(zip(names, result.corner, strict=True)),
        "points": points,
    }


def provenance_of(result: SearchResult) -> dict[str, Any]:
    """Return where the result comes from."""
    run = result.run
    return provenance(
        run.template,
        model="analytical, best re-scored by cycle",
        setting=run.setting,
        seed=run.seed,
        digest=run.digest(),
        run=run.document,
    )


def _weights(result: SearchResult) -> dict[str, Any]:
    objective = result.run.objective
    return {"weights": asdict(objective.weights)} if objective.name == "poster" else {}


def _both(closed: Scored, cycle: Scored) -> dict[str, Any]:
    return {
        "analytical": closed.total.to_dict(),
        "cycle": cycle.total.to_dict(),
        "difference": Difference.of(closed.total, cycle.total).to_dict(),
    }


def _ranked(result: SearchResult, found: Ranked, rank: int) -> dict[str, Any]:
    architecture = found.analytical.design.architecture
    return {
        "rank": rank,
        "hardware": result.run.space.values(found.genome),
        "hardware_text": hardware_text(architecture, other_numbers(result.run.space)),
        "storage_bits": architecture.storage_bits,
        "loss": found.loss,
        "cycle_loss": found.cycle_loss,
        **_both(found.analytical, found.cycle),
        "architecture": architecture_document(architecture, _source(result)),
    }


def _source(result: SearchResult) -> str:
    return f"found by arraysmith search {result.run.name}, seed {result.run.seed}"


def _mapped(result: SearchResult) -> Sequence[tuple[str, Scored]]:
    return (
        ("best", result.winner.analytical),
        ("baseline", result.baselines.original),
        ("remapped", result.baselines.remapped),
    )


def _mapping_file(design: str, layer: str) -> str:
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in layer)
    return f"mappings/{design}-{safe}.yaml"


def _write(path: Path, content: str | bytes) -> None:
    """Write a file beside its place and rename it: complete or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    with aside.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
