"""Parts of the report page that follow from an architecture and a mapping; no figures here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from arraysmith.arch.architecture import Architecture, Fanout
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Mapping, placed_loops
from arraysmith.arch.paths import owner_of
from arraysmith.arch.problem import Problem
from arraysmith.traces.page import PeUse, Table

NONE = "\N{EN DASH}"


def pe_use(
    label: str, architecture: Architecture, problem: Problem, mapping: Mapping, cycles: int
) -> PeUse:
    """Return how busy each PE is: its MACs / cycles.

    The spatial loops of an axis form one index that is dealt out over the mesh; where it is longer
    than the mesh (systolic arrays fold), a PE works once per fold that reaches it. Work is even
    over that index. Nested fan-outs are laid out as one mesh, the outer one in blocks. The mean
    over all PEs is the utilisation.

    Args:
        label: of the design.
        architecture: gives the mesh.
        problem: gives the work.
        mapping: a legal one.
        cycles: of the whole run.
    """
    columns, rows = [1], [1]
    loops = placed_loops(architecture, problem.size, mapping)
    for index, level in enumerate(architecture.levels):
        if not isinstance(level, Fanout):
            continue
        extent = {"x": 1, "y": 1}
        for loop in loops:
            if loop.level == index:
                extent[loop.axis] *= loop.count
        columns = [a * b for a, b in product(columns, _turns(extent["x"], level.mesh_x))]
        rows = [a * b for a, b in product(rows, _turns(extent["y"], level.mesh_y))]
    each = problem.macs / (sum(columns) * sum(rows) * cycles)
    return PeUse(label, tuple(tuple(round(each * x * y, 9) for x in columns) for y in rows))


def total_pe_use(label: str, parts: Sequence[PeUse], weights: Sequence[float]) -> PeUse:
    """Return the mean of several runs on one mesh, each with its weight.

    Args:
        label: of the design.
        parts: use in each run, at least one.
        weights: of the runs, for example their cycles.
    """
    whole = sum(weights)
    rows, columns = range(len(parts[0].busy)), range(len(parts[0].busy[0]))
    return PeUse(
        label,
        tuple(
            tuple(
                round(
                    sum(n * part.busy[y][x] for n, part in zip(weights, parts, strict=True))
                    / whole,
                    9,
                )
                for x in columns
            )
            for y in rows
        ),
    )


def number_text(architecture: Architecture, path: str) -> str:
    """Return the number at a path of ``arch.paths`` for people; a dash where a design has none."""
    try:
        owner = owner_of(architecture, path)
    except ArraysmithError:  # a design to compare with, of another network
        return NONE
    field = path.rpartition(".")[2]
    value = getattr(owner if hasattr(owner, field) else owner.network, field)  # type: ignore[union-attr]  # owner_of found it
    return NONE if value is None else f"{float(value):,.10g}"


def hardware_table(designs: Sequence[tuple[str, Architecture]], paths: Sequence[str] = ()) -> Table:
    """Return the table of the hardware, a column per design and a row per component.

    Args:
        designs: (head of the column, architecture); all with levels of the same names.
        paths: of further numbers to show, see ``arch.paths``.
    """
    first = designs[0][1]
    rows: list[tuple[str, ...]] = []
    for level in first.levels:
        same = [design.level(level.name) for _, design in designs]
        if isinstance(level, Fanout):
            cells = [f"{x.mesh_x} x {x.mesh_y}" for x in same if isinstance(x, Fanout)]
            rows.append((f"{level.name}, columns x rows", *cells))
        elif level.depth is not None:
            cells = [f"{x.depth} x {x.width_bits}" for x in same if not isinstance(x, Fanout)]
            rows.append((f"{level.name}, depth x width in bits", *cells))
    rows += [(path, *(number_text(x, path) for _, x in designs)) for path in paths]
    rows.append(("PEs", *(f"{design.pes:,}" for _, design in designs)))
    rows.append(("storage on chip", *(f"{x.storage_bits / 8192:,.2f} KiB" for _, x in designs)))
    return Table(tuple(label for label, _ in designs), tuple(rows))


def _turns(extent: int, mesh: int) -> list[int]:
    """Return how often each of ``mesh`` positions has work when ``extent`` items are dealt out."""
    return [-(-(extent - position) // mesh) if position < extent else 0 for position in range(mesh)]
