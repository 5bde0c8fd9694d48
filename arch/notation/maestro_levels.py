"""MAESTRO's directives on one layer: completed to numbers, level by level, and checked.

What a level leaves unsaid follows from rules of the tool, in this order:

1. ``Y'(a,b)`` becomes ``Y`` over the inputs of a outputs: (a-1) x stride + R of the level. ``X'``
   likewise with S. Offsets of both and of Y and X count steps of the window, of ``stride`` inputs,
   but where units share Y with R, or X with S, and so hold inputs one by one.
2. A dim of the level above that is not listed is mapped in time by the same size and offset, in
   front of all others (each new one before the last).
3. A dim that is still missing is mapped whole, at the end.
4. Inputs at the end that no window reaches are left out, unless units share that dim.
5. The extent of a dim inside a level is the smaller of its map's size and its extent there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.notation.maestro import (
    FILTER_OF,
    OUTPUT_DIMS,
    Directives,
    MaestroLayer,
    Map,
    outputs,
)


@dataclass(frozen=True, slots=True)
class LevelMap:
    """One directive of a completed level.

    Attributes:
        spatial: whether units share the dim.
        dim: one of the layer's.
        size: indices that one unit holds; Y and X count inputs.
        offset: distance to the next step or unit, in the same.
        source: the directive it was written as; None for one that a rule added.
    """

    spatial: bool
    dim: str
    size: int
    offset: int
    source: Map | None


@dataclass(frozen=True, slots=True)
class Level:
    """One completed level.

    Attributes:
        maps: one for every dim of the layer, outermost first.
        units: units of the level: clusters, or PEs at the innermost.
        extents: (dim, extent) that the level has to cover.
    """

    maps: tuple[LevelMap, ...]
    units: int
    extents: tuple[tuple[str, int], ...]

    @property
    def extent(self) -> dict[str, int]:
        """Extent of each dim by name."""
        return dict(self.extents)

    @property
    def spatial(self) -> tuple[LevelMap, ...]:
        """The maps that units share."""
        return tuple(each for each in self.maps if each.spatial)


def resolve(
    directives: Directives, layer: MaestroLayer, pes: int, file: str = ""
) -> tuple[Level, ...]:
    """Return the levels of a dataflow on a layer, complete and in numbers, outermost first.

    Args:
        directives: the dataflow.
        layer: gives dims, extents and strides.
        pes: PEs; those that fill no whole cluster stay unused, as in the tool.
        file: name that faults carry.

    Raises:
        InputError: directives that have no meaning on this layer; a fault each.
    """
    faults = [*_meaning_faults(directives, layer, file)]
    if faults:
        raise InputError(faults)
    size = layer.size
    clusters = [cluster.size.value(size) for cluster in directives.clusters]
    if pes < prod(clusters):
        last = directives.clusters[-1]
        rule = f"clusters hold {prod(clusters)} PEs, of {pes}"
        place = (file, last.line, last.column)
        raise InputError([Fault("Cluster", str(last), rule, "make them smaller", *place)])
    units = [pes // prod(clusters), *clusters]
    extents = dict(size)
    shared = {OUTPUT_DIMS.get(x.dim, x.dim) for x in directives.levels[0] if x.spatial}
    for dim in FILTER_OF:
        if dim in size and dim not in shared:
            reached = (outputs(layer, dim, size[dim], size) - 1) * layer.stride["YX".index(dim)]
            extents[dim] = reached + size[FILTER_OF[dim]]
    levels: list[Level] = []
    for written, n in zip(directives.levels, units, strict=True):
        maps = _completed(written, levels[-1].maps if levels else (), extents, layer)
        levels.append(Level(maps, n, tuple(extents.items())))
        for each in maps:
            extents[each.dim] = min(extents[each.dim], each.size)
    return tuple(levels)


def _completed(
    written: tuple[Map, ...],
    above: tuple[LevelMap, ...],
    extents: dict[str, int],
    layer: MaestroLayer,
) -> tuple[LevelMap, ...]:
    maps = []
    size = layer.size
    sizes = {each.dim: each.size.value(size) for each in written}
    spread = {each.dim for each in written if each.spatial}
    for each in written:
        dim, held, offset = each.dim, each.size.value(size), each.offset.value(size)
        if dim in OUTPUT_DIMS:
            dim = OUTPUT_DIMS[dim]
            held = (held - 1) * layer.stride["YX".index(dim)] + sizes[FILTER_OF[dim]]
        if dim in FILTER_OF and not (each.spatial and FILTER_OF[dim] in spread):
            offset *= layer.stride["YX".index(dim)]
        maps.append(LevelMap(each.spatial, dim, held, offset, each))
    listed = {each.dim for each in maps}
    for each_above in above:
        if each_above.dim not in listed and each_above.source is not None:
            added = LevelMap(False, each_above.dim, each_above.size, each_above.offset, None)
            maps.insert(0, added)
            listed.add(each_above.dim)
    maps += [
        LevelMap(False, dim, extents[dim], extents[dim], None)
        for dim in extents
        if dim not in listed
    ]
    return tuple(maps)


def _meaning_faults(directives: Directives, layer: MaestroLayer, file: str) -> Iterator[Fault]:
    """Yield what makes directives meaningless on a layer, whatever the hardware."""
    size = layer.size

    def fault(item: object, rule: str, hint: str = "") -> Fault:
        line, column = getattr(item, "line", 0), getattr(item, "column", 0)
        return Fault(f"{layer.name} Dataflow", str(item), rule, hint, file, line, column)

    for cluster in directives.clusters:
        unknown = [dim for dim, _ in cluster.size.extents if dim not in size]
        if unknown:
            yield fault(cluster, f"a layer of type {layer.type} has no dim {unknown[0]}")
        elif cluster.size.value(size) < 1:
            yield fault(cluster, "must hold at least 1 unit")
    for written in directives.levels:
        seen: dict[str, Map] = {}
        for each in written:
            dim = OUTPUT_DIMS.get(each.dim, each.dim)
            amounts = (each.size, each.offset)
            unknown = [x for amount in amounts for x, _ in amount.extents if x not in size]
            if dim not in size or unknown:
                dims = ", ".join(size)
                rule = f"a layer of type {layer.type} has no dim {(unknown or [dim])[0]}"
                yield fault(each, rule, f"dims: {dims}")
                continue
            if min(amount.value(size) for amount in amounts) < 1:
                yield fault(each, "size and offset must be at least 1")
            if dim in seen:
                twice = each.spatial and seen[dim].spatial
                rule = f"{dim} is mapped {'spatially ' if twice else ''}twice in this level"
                yield fault(each, rule, f"line {seen[dim].line} maps it too")
            seen[dim] = each
        for each in written:
            taps = FILTER_OF.get(OUTPUT_DIMS.get(each.dim, ""))
            if taps is not None and taps not in seen:
                rule = f"{each.dim} needs {taps} mapped in the same level"
                yield fault(each, rule, f"add TemporalMap(Sz({taps}),Sz({taps})) {taps};")
        spread = [dim for dim, each in seen.items() if each.spatial]
        at = written[0] if written else (directives.items[-1] if directives.items else None)
        if not any(each.spatial for each in written):
            yield fault(at, "every level needs a SpatialMap", "its units share one dim")
        elif len(spread) > 1 and set(spread) not in ({"Y", "R"}, {"X", "S"}):
            rule = f"units share {' and '.join(spread)}: only one dim, or Y with R, or X with S"
            yield fault(seen[spread[1]], rule, "put one of them into a level of its own")


def check_dataflow(
    directives: Directives, layer: MaestroLayer, pes: int | None = None, file: str = ""
) -> tuple[Fault, ...]:
    """Return all that is wrong with a dataflow on a layer; the tool itself runs much of it.

    Args:
        directives: the dataflow.
        layer: the layer.
        pes: PEs of the hardware; None to check no cluster against them.
        file: name that faults carry.

    Returns:
        faults for what ``resolve`` refuses; and for maps larger than what they map, for steps that
        leave a gap, for windows that do not fit, and for clusters that do not divide the PEs.
    """
    faults = [*_meaning_faults(directives, layer, file)]
    if faults:
        return tuple(faults)
    clusters = prod(cluster.size.value(layer.size) for cluster in directives.clusters)
    if pes is not None and directives.clusters and pes % clusters:
        last = directives.clusters[-1]
        rule = f"clusters of {clusters} PEs do not divide the {pes} PEs"
        hint = f"{pes % clusters} would stay unused"
        faults.append(Fault("Cluster", str(last), rule, hint, file, last.line, last.column))
    for level in resolve(directives, layer, clusters, file):
        faults += _cover_faults(level, layer, file)
    return tuple(faults)


def _cover_faults(level: Level, layer: MaestroLayer, file: str) -> Iterator[Fault]:
    extent = level.extent
    held = {each.dim: min(each.size, extent[each.dim]) for each in level.maps}
    for each in level.maps:
        if each.source is None:
            continue
        whole = extent[each.dim]
        field = f"{layer.name} Dataflow"
        place = (file, each.source.line, each.source.column)
        text = str(each.source)
        if each.size > whole:
            what = "inputs" if each.dim in FILTER_OF else "indices"
            rule = f"maps {each.size} {what} of {each.dim}, which has {whole} here"
            yield Fault(field, text, rule, f"at most {whole}", *place)
            continue
        reach = each.size
        if each.dim in FILTER_OF:
            made = outputs(layer, each.dim, each.size, held)
            if made < 1:
                taps = FILTER_OF[each.dim]
                rule = f"the window of {held[taps]} {taps} does not fit {each.size} {each.dim}"
                yield Fault(field, text, rule, f"at least {held[taps]}", *place)
                continue
            reach = made * layer.stride["YX".index(each.dim)]
        if each.offset > reach and each.size < whole:
            rule = f"leaves a gap: moves on by {each.offset} and covers {reach}"
            yield Fault(field, text, rule, f"an offset of at most {reach}", *place)


def check_network(layers: tuple[MaestroLayer, ...], file: str = "") -> tuple[Fault, ...]:
    """Return what is wrong with the dataflows of a file, layer by layer."""
    return tuple(
        fault
        for layer in layers
        if layer.dataflow is not None
        for fault in check_dataflow(layer.dataflow, layer, None, file)
    )
