"""Mappings in the short notation of Timeloop nests: ``DRAM:P8 shared_glb:M2sX col:S3sY psum:M2``.

A word is ``level:DIMturns``, loops outermost first; the suffix ``sX`` or ``sY`` makes it spatial
over mesh X (our columns) or Y (our rows) below that level. Timeloop calls our K M, and counts
spatial loops to the memory above the fan-out, or to a placeholder level without storage.

``names`` says what their levels are here: ``"shared_glb": "glb"`` for loops in time and
``"shared_glb.sX": "array.x"`` for spatial ones. ``EYERISS_NAMES`` fits our Eyeriss presets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Dict

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import ArraysmithError, Fault, InputError, nearest
from arraysmith.arch.mapping import Mapping, from_factors, placed_loops
from arraysmith.arch.problem import IFMAP, OFMAP, WEIGHT

Factor = tuple[str, str, str, int]
"""(level, axis ``t``, ``x`` or ``y``, dim, turns), as ``arch.mapping.from_factors`` takes it."""

EYERISS_NAMES = {
    "DRAM": "dram",
    "shared_glb": "glb",
    "shared_glb.sX": "array.x",
    "col.sY": "array.y",
    "ifmap_spad": "ifmap_spad",
    "weights_spad": "weight_spad",
    "psum_spad": "psum_spad",
}
"""Their levels -> ours, for the Eyeriss-like designs of Timeloop's examples."""

CONVOLUTION = {"M": "K", "C": "C", "N": "N", "P": "P", "Q": "Q", "R": "R", "S": "S"}
"""Their dims -> ours, for convolutions, and for matrix products with P rows and M columns."""

DEPTHWISE = {"C": "G", "N": "N", "P": "P", "Q": "Q", "R": "R", "S": "S"}
"""Their dims -> ours, for depthwise convolutions, whose channels are our groups."""

_WORD = re.compile(r"([A-Za-z_][\w.\-]*):([A-Za-z])([1-9][0-9]{0,17})(s[XY])?", re.ASCII)
_TENSORS = {"I": IFMAP, "W": WEIGHT, "O": OFMAP}


def parse_mapping(
    text: str, names: Dict[str, str], dims: Dict[str, str] = CONVOLUTION
) -> tuple[Factor, ...]:
    """Return the loops of ``text``, outermost first, in our names.

    Args:
        text: words separated by blanks; empty text is a nest without loops.
        names: their level -> ours; with ``.sX`` or ``.sY`` -> ``level.x`` or ``level.y``.
        dims: their dim -> ours.

    Raises:
        InputError: a fault per word that is no loop, or names an unknown level or dim.
    """
    factors = []
    faults = []
    for found in re.finditer(r"\S+", text):
        word = found.group()
        try:
            factors.append(_factor(word, names, dims))
        except _WordError as error:
            line = text.count("\n", 0, found.start()) + 1
            column = found.start() - text.rfind("\n", 0, found.start())
            faults.append(Fault("loop", word, error.rule, error.hint, "", line, column))
    if faults:
        raise InputError(faults)
    return tuple(factors)


def to_mapping(
    text: str,
    architecture: Architecture,
    names: Dict[str, str] = EYERISS_NAMES,
    *,
    keep: str | None = None,
    dims: Dict[str, str] = CONVOLUTION,
) -> Mapping:
    """Return ``text`` as a mapping of ``architecture``.

    Args:
        text: see ``parse_mapping``.
        architecture: gives the order of the levels.
        names: see ``parse_mapping``.
        keep: what levels store, in the form of ``parse_keep``; None keeps all each may hold.
        dims: see ``parse_mapping``.

    Raises:
        InputError: see ``parse_mapping``; or loops at a level that the architecture lacks, at a
            place that cannot hold them, or out of the order of its levels.
    """
    factors = parse_mapping(text, names, dims)
    places = [
        *(
            (level.name, axis)
            for level in architecture.levels
            for axis in (("x", "y") if level in architecture.fanouts else ("t",))
        ),
        (architecture.compute.name, "t"),
    ]
    faults = []
    reached = 0
    for factor, word in zip(factors, text.split(), strict=True):
        level, axis = factor[:2]
        if (level, axis) not in places:
            rule = f"{architecture.name} has no place {_shown(level, axis)} for loops"
            hint = "places: " + ", ".join(_shown(*place) for place in places)
            faults.append(Fault("loop", word, rule, hint))
            continue
        index = places.index((level, axis))
        if index < reached:
            rule = f"loops of {_shown(level, axis)} come before those of "
            hint = "loops stand outermost first, level by level"
            faults.append(Fault("loop", word, rule + _shown(*places[reached]), hint))
        reached = max(reached, index)
    if faults:
        raise InputError(faults)
    return from_factors(architecture, factors, parse_keep(keep, names) if keep else None)


def format_mapping(
    factors: tuple[Factor, ...], names: Dict[str, str], dims: Dict[str, str] = CONVOLUTION
) -> str:
    """Return loops as text, the inverse of ``parse_mapping``; turns of 1 are kept.

    Raises:
        ArraysmithError: a place or dim that ``names`` or ``dims`` has no word for.
    """
    level_of = {ours: theirs for theirs, ours in names.items()}
    dim_of = {ours: theirs for theirs, ours in dims.items()}
    words = []
    for level, axis, dim, turns in factors:
        place = _shown(level, axis)
        if place not in level_of:
            raise ArraysmithError(f"no name for {place}: {nearest(place, level_of)}")
        if dim not in dim_of:
            raise ArraysmithError(f"no name for dim {dim}: {nearest(dim, dim_of)}")
        theirs, _, suffix = level_of[place].partition(".s")
        words.append(f"{theirs}:{dim_of[dim]}{turns}" + (f"s{suffix}" if suffix else ""))
    return " ".join(words)


def factors_of(
    architecture: Architecture, sizes: dict[str, int], mapping: Mapping
) -> tuple[Factor, ...]:
    """Return the loops of ``mapping`` as factors, outermost first, for ``format_mapping``.

    Raises:
        ArraysmithError: a tile that does not divide the one around it; this notation has none.
    """
    names = [*(level.name for level in architecture.levels), architecture.compute.name]
    around = dict(sizes)
    factors = []
    for loop in placed_loops(architecture, sizes, mapping):
        if around[loop.dim] % loop.tile:
            raise ArraysmithError(
                f"{names[loop.level]}.{loop.dim}: tile {loop.tile} does not divide "
                f"{around[loop.dim]}: Timeloop's notation has whole factors only"
            )
        around[loop.dim] = loop.tile
        factors.append((names[loop.level], loop.axis, loop.dim, loop.count))
    return tuple(factors)


def parse_keep(text: str, names: Dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Return tensors kept per level, of ``shared_glb:I+O;col:-;psum_spad:O``.

    Levels that only fan out (no entry of their own in ``names``) keep nothing and are left out.

    Raises:
        InputError: a fault per entry that cannot be read.
    """
    kept: dict[str, tuple[str, ...]] = {}
    faults = []
    for entry in text.split(";"):
        level, colon, letters = entry.strip().partition(":")
        tensors = () if letters == "-" else tuple(letters.split("+"))
        fans_out = any(name.partition(".s")[0] == level for name in names)
        if not colon or any(letter not in _TENSORS for letter in tensors):
            rule = "must be level:TENSORS, tensors I, W, O joined by +, or - for none"
            faults.append(Fault("keep", entry, rule, "for example shared_glb:I+O"))
        elif level in names:
            kept[names[level]] = tuple(_TENSORS[letter] for letter in tensors)
        elif tensors or not fans_out:
            faults.append(Fault("keep", entry, "unknown level", nearest(level, names)))
    if faults:
        raise InputError(faults)
    return kept


class _WordError(Exception):
    """What is wrong with one word."""

    def __init__(self, rule: str, hint: str) -> None:
        self.rule = rule
        self.hint = hint
        super().__init__(rule)


def _factor(word: str, names: Dict[str, str], dims: Dict[str, str]) -> Factor:
    found = _WORD.fullmatch(word)
    if found is None:
        raise _WordError("must be level:DIMturns, spatial with sX or sY", "for example col:S3sY")
    level, dim, turns, spatial = found.groups()
    if dim not in dims:
        raise _WordError(f"unknown dim {dim}", "known: " + ", ".join(dims))
    key = f"{level}.{spatial}" if spatial else level
    if key not in names:
        what = "cannot spread over this mesh" if spatial else "unknown level"
        raise _WordError(what, nearest(key, names))
    ours, _, axis = names[key].partition(".")
    return ours, axis or "t", dims[dim], int(turns)


def _shown(level: str, axis: str) -> str:
    return level if axis == "t" else f"{level}.{axis}"
