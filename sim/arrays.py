"""What each of several systolic arrays side by side computes, as a folding of its own."""

from __future__ import annotations

from dataclasses import replace
from math import lcm

from arraysmith.arch.architecture import COLUMNS, ROWS, STREAM, Fanout
from arraysmith.sim.folding import Folding
from arraysmith.sim.scale_out import Part, parts_of


def arrays_of(folding: Folding, mesh: Fanout | None) -> list[tuple[Part | None, Folding]]:
    """Return the part of ``folding`` of each array that has work; all of it without a mesh.

    Parts keep blocks of sparse weights whole. With ``partial_folds`` full they keep folds whole,
    too: see ``sim.scale_out``.

    Args:
        folding: the whole product.
        mesh: arrays side by side; None for a single one.
    """
    if mesh is None:
        return [(None, folding)]
    full = folding.wiring.partial_folds == "full"
    units = {
        ROWS: folding.array_rows if full else 1,
        COLUMNS: folding.array_columns if full else 1,
        STREAM: 1,
    }
    if folding.sparsity is not None:
        units[folding.reduction] = lcm(units[folding.reduction], folding.sparsity.kept)
    parts = parts_of(
        mesh,
        (folding.rows.size, folding.columns.size, folding.stream.size),
        (units[ROWS], units[COLUMNS], units[STREAM]),
    )
    found = [
        replace(
            folding,
            rows=folding.rows.part(*part.ranges[0]),
            columns=folding.columns.part(*part.ranges[1]),
            stream=folding.stream.part(*part.ranges[2]),
        )
        for part in parts
    ]
    alike: dict[tuple[tuple[int, int], ...], int] = {}
    numbers = []
    for one in found:
        numbers.append(alike.get(one.outputs, 0))
        alike[one.outputs] = numbers[-1] + 1
    return [
        (part, replace(one, keeper=(number, alike[one.outputs])))
        for part, one, number in zip(parts, found, numbers, strict=True)
    ]
