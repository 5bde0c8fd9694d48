"""Which systolic dataflow a mapping is, by where its loops stand."""

from __future__ import annotations

from arraysmith.arch.architecture import COLUMNS, ROWS, STREAM
from arraysmith.arch.errors import UnsupportedDesignError
from arraysmith.arch.mapping import Loop
from arraysmith.arch.problem import Problem
from arraysmith.sim.side import Side

_PIXELS, _WINDOW, _FILTERS = frozenset("NPQ"), frozenset("RSC"), frozenset("K")
_PLACES = {
    "os": (_PIXELS, _FILTERS, _WINDOW),
    "ws": (_WINDOW, _FILTERS, _PIXELS),
    "is": (_WINDOW, _PIXELS, _FILTERS),
}


def require_sparse_order(problem: Problem, dataflow: str, reduced: Side) -> None:
    """Raise UnsupportedDesignError where weights cannot be skipped."""
    sparsity = problem.weight_sparsity
    if dataflow == "is":
        raise UnsupportedDesignError(
            f"{problem.name}: weights {sparsity} input stationary: every filter keeps other rows, "
            "so none can be skipped: use output or weight stationary, or dense weights"
        )
    order = [dim for dim, size in zip(reduced.dims, reduced.sizes, strict=True) if size > 1]
    if order != [dim for dim in ("R", "S", "C") if dim in order]:
        raise UnsupportedDesignError(
            f"{problem.name}: weights {sparsity} with loops {' '.join(order)}: blocks of weights "
            "run along C, then S, then R: order the loops R S C"
        )


def dataflow_of(
    problem: Problem, y: tuple[Loop, ...], x: tuple[Loop, ...], stream: tuple[Loop, ...]
) -> str:
    """Return the dataflow whose places fit; loops that turn once only break ties."""
    unit = {dim for dim, size in problem.size.items() if size == 1}
    for ignored in (set[str](), unit):
        found = [{loop.dim for loop in loops} - ignored for loops in (y, x, stream)]
        for name, places in _PLACES.items():
            if all(dims <= place for dims, place in zip(found, places, strict=True)):
                return name
    text = "; ".join(
        f"{name}: {' '.join(loop.dim for loop in loops) or 'none'}"
        for name, loops in ((ROWS, y), (COLUMNS, x), (STREAM, stream))
    )
    raise UnsupportedDesignError(
        f"mapping is no systolic dataflow ({text}): output stationary has rows N P Q, columns K, "
        "stream R S C; weight stationary rows R S C, columns K, stream N P Q; input stationary "
        "rows R S C, columns N P Q, stream K"
    )
