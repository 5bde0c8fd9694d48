"""What the words of a Timeloop problem are called here: dims by what they index, and tensors."""

from __future__ import annotations

import re
from dataclasses import dataclass

from arraysmith.arch.importers.timeloop_source import Reading
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT

CONVOLUTION = {"M": "K", **{dim: dim for dim in ("C", "R", "S", "N", "P", "Q")}}
"""Their dims -> ours where no problem says otherwise."""

GROUPED = {**CONVOLUTION, "G": "G"}
PRODUCT = {"M": "P", "N": "K", "K": "C"}
"""The same where a file speaks of ``G``, or of ``K`` (a product M, N, K)."""

DATA_SPACES = {"Inputs": IFMAP, "Weights": WEIGHT, "Outputs": OFMAP}
"""Their data spaces -> our tensors where no problem says otherwise."""

_INPUTS = ("Inputs", "Input", "I", "A", "ifmap")
_WEIGHTS = ("Weights", "Weight", "W", "B", "weight")
_OPEN = {
    ("I", "O"): ("N", "P", "Q"),
    ("W", "O"): ("K",),
    ("I", "W"): ("C", "R", "S"),
    ("I", "W", "O"): ("G",),
}
"""Tensors that a dim indexes -> what it may be called here."""


@dataclass(frozen=True)
class Names:
    """How a problem's words are called here.

    Attributes:
        dims: their dim -> ours.
        tensors: their data space -> our tensor.
        sizes: extent of each of our dims; None when no problem was given.
    """

    dims: dict[str, str]
    tensors: dict[str, str]
    sizes: dict[str, int] | None = None


USUAL = Names(CONVOLUTION, DATA_SPACES)


def usual_names(reading: Reading) -> Names:
    """Return the words of a file without a problem: by the dims that its loops speak of."""
    loops = str({key: reading.document.data.get(key) for key in reading.document.data})
    if re.search(r"(?<!\w)[CMRSNPQ]*G[CMRSNPQ]*(?=[=\d']|$)", loops):
        return Names(GROUPED, DATA_SPACES)
    if re.search(r"(?<!\w)[MN]*K[MN]*(?=[=\d']|$)", loops):
        return Names(PRODUCT, {"A": IFMAP, "B": WEIGHT, "Z": OFMAP, **DATA_SPACES})
    return USUAL


@dataclass(frozen=True)
class Space:
    """One data space of a problem.

    Attributes:
        name: their name.
        axes: per axis its (dim, coefficient) terms, in their dims.
        written: it is the result.
    """

    name: str
    axes: tuple[tuple[tuple[str, int], ...], ...]
    written: bool

    @property
    def dims(self) -> set[str]:
        """Dims that index it."""
        return {dim for axis in self.axes for dim, _ in axis}


def tensors_of(reading: Reading, spaces: tuple[Space, ...]) -> dict[str, tuple[Space, str]] | None:
    """Return the data spaces I, W and O, each with our name of the tensor; None with a fault."""
    path = "problem.shape.data_spaces"
    written = [space for space in spaces if space.written]
    operands = [space for space in spaces if not space.written]
    if len(written) != 1 or len(operands) != 2:
        rule = "must be two operands and one result (read_write: true)"
        reading.fault(path, rule, f"here {len(operands)} and {len(written)}")
        return None
    first, second = operands
    if first.name in _WEIGHTS or second.name in _INPUTS:
        first, second = second, first
    elif first.name not in _INPUTS and second.name not in _WEIGHTS:
        if any(len(axis) > 1 for axis in second.axes):
            first, second = second, first
        reading.assume(f"{first.name} is taken as {IFMAP}, {second.name} as {WEIGHT}")
    return {"I": (first, IFMAP), "W": (second, WEIGHT), "O": (written[0], OFMAP)}


def roles_of(reading: Reading, dims: tuple[str, ...], spaces: dict[str, Space]) -> dict[str, str]:
    """Return our name of each of ``dims``; fewer with faults."""
    open_names = {}
    for dim in dims:
        indexed = tuple(role for role, space in spaces.items() if dim in space.dims)
        if indexed not in _OPEN:
            rule = f"{dim} must index two data spaces or all three"
            reading.fault("problem.shape.dimensions", rule, "it indexes " + " ".join(indexed))
            return {}
        open_names[dim] = _OPEN[indexed]
    found: dict[str, str] = {}

    def take(dim: str, names: tuple[str, ...]) -> None:
        free = [name for name in names if name not in found.values()]
        if not free:
            rule = f"more dims like {dim} than we have: {', '.join(names)}"
            reading.fault("problem.shape.dimensions", rule)
            return
        found[dim] = GROUPED[dim] if GROUPED.get(dim) in free else free[0]

    for axis in spaces["I"].axes:
        if len(axis) < 2:
            continue
        outs = [dim for dim, _ in axis if open_names[dim] == _OPEN["I", "O"]]
        taps = [dim for dim, _ in axis if open_names[dim] == _OPEN["I", "W"]]
        if (len(axis), len(outs), len(taps)) != (2, 1, 1):
            text = " + ".join(dim for dim, _ in axis)
            rule = f"an axis {text} is no window (an output dim and a filter dim)"
            reading.fault("problem.shape.data_spaces", rule)
            return {}
        pairs = [pair for pair in (("P", "R"), ("Q", "S")) if pair[0] not in found.values()]
        named = [pair for pair in pairs if outs[0] == pair[0] or taps[0] == pair[1]]
        if not pairs:
            reading.fault("problem.shape.data_spaces", "has more than two windows")
            return {}
        found[outs[0]], found[taps[0]] = (named or pairs)[0]
    windows = bool(found)
    for dim in dims:
        names = open_names[dim]
        if dim in found:
            continue
        if names == _OPEN["I", "O"] and not windows:
            names = ("P", "N", "Q")
        take(dim, names)
    for space in (spaces["W"], spaces["O"]):
        if any(len(axis) != 1 or axis[0][1] != 1 for axis in space.axes):
            rule = f"each axis of {space.name} must be one dim"
            reading.fault("problem.shape.data_spaces", rule)
    return found
