"""MAESTRO's layers, hardware and directives into our types and back.

Every conversion of a mapping returns the value and the assumptions made, in words: what the other
side does not say.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, XyBus
from arraysmith.arch.architecture import Level as ArchitectureLevel
from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.mapping import LevelMapping, Loop, Mapping, placed_loops
from arraysmith.arch.notation.maestro import (
    FILTER_OF,
    TYPES,
    Amount,
    Cluster,
    Directives,
    Hardware,
    MaestroLayer,
    MaestroNetwork,
    Map,
    outputs,
)
from arraysmith.arch.notation.maestro_levels import Level, LevelMap, resolve
from arraysmith.arch.problem import TENSORS, Layer, Network, Problem, conv, matmul

WORD_BITS = 8
"""Bits of an element, which the tool does not say."""

CLOCK_HZ = 10**9
TECHNOLOGY = "45nm"
OPEN_ELEMENTS = 2**23
"""Elements of a buffer whose size neither a hardware file nor a layer says."""

_DEEPEST = 2**23  # lines that the SRAM tables reach

CONVOLUTION = {"N": "N", "K": "K", "C": "C", "R": "R", "S": "S", "Y": "P", "X": "Q"}
DEPTHWISE = {**CONVOLUTION, "C": "G"}
PRODUCT = {"B": "G", "M": "P", "N": "K", "K": "C"}
OUR_DIM = {"CONV": CONVOLUTION, "DSCONV": DEPTHWISE, "GEMM": PRODUCT, "BMM": PRODUCT}
"""Their dims -> ours, by type of layer; rows and columns of the input -> of the output."""

INSIDE = ("N", "G", "K", "C", "P", "Q", "R", "S")
"""Order of the loops inside a PE, which the tool leaves open."""


def problem_of(layer: MaestroLayer) -> Problem:
    """Return a layer as a problem; its inputs hold their padding already, elements are bytes."""
    size = layer.size
    if layer.type in {"GEMM", "BMM"}:
        batch = size.get("B", 1)
        return matmul(layer.name, m=size["M"], n=size["N"], k=size["K"], batch=batch)
    depthwise = layer.type == "DSCONV"
    return conv(
        layer.name,
        height=size["Y"],
        width=size["X"],
        in_channels=size["C"],
        out_channels=size["C"] if depthwise else size["K"],
        window=(size["R"], size["S"]),
        stride=layer.stride,
        groups=size["C"] if depthwise else 1,
        batch=size["N"],
        operator="depthwise" if depthwise else None,
    )


def network_of(network: MaestroNetwork) -> Network:
    """Return the layers of a file as a network without a graph; dataflows are left out."""
    return Network(network.name, tuple(Layer(problem_of(layer)) for layer in network.layers))


def layer_of(problem: Problem) -> MaestroLayer:
    """Return a problem as a layer: the inverse of ``problem_of``, padding made part of the input.

    Raises:
        ArraysmithError: the language has no such operator: dilation, or groups of several channels.
    """
    size = problem.size
    axes = problem.ifmap.axes
    if len(axes) == 3:
        kind = "GEMM" if size["G"] == 1 else "BMM"
        ours = {"B": size["G"], "M": size["P"], "N": size["K"], "K": size["C"]}
        return MaestroLayer(problem.name, kind, tuple((d, ours[d]) for d in TYPES[kind]))
    if len(axes) != 5 or any(len(axis.terms) != 2 or axis.terms[1][1] != 1 for axis in axes[3:]):
        raise ArraysmithError(
            f"{problem.name}: MAESTRO cannot say {problem.operator} with dilation"
        )
    depthwise = size["G"] > 1
    if depthwise and (size["K"], size["C"]) != (1, 1):
        raise ArraysmithError(f"{problem.name}: MAESTRO cannot say groups of several channels")
    stride = (axes[3].terms[0][1], axes[4].terms[0][1])
    extents = {
        "N": size["N"],
        "K": size["K"],
        "C": size["G"] if depthwise else size["C"],
        "R": size["R"],
        "S": size["S"],
        "Y": (size["P"] - 1) * stride[0] + size["R"],
        "X": (size["Q"] - 1) * stride[1] + size["S"],
    }
    kind = "DSCONV" if depthwise else "CONV"
    return MaestroLayer(problem.name, kind, tuple((d, extents[d]) for d in TYPES[kind]), stride)


def architecture_of(
    hardware: Hardware, units: tuple[int, ...] = (), name: str = "maestro"
) -> tuple[Architecture, tuple[str, ...]]:
    """Return the machine of a hardware file: off-chip memory, L2, a fan-out per level, L1, MAC.

    Between two fan-outs stands a hub, a memory that keeps nothing and only orders loops.

    Args:
        hardware: the file.
        units: units of each level of a dataflow, outermost first; empty for one level of all PEs.
        name: of the design.

    Returns:
        the machine, and the assumptions made.
    """
    units = units or (hardware.pes,)
    rate = hardware.noc_elements_per_cycle
    network = XyBus(
        words_per_cycle=None if rate is None else Fraction(rate),
        latency_cycles=hardware.noc_hops or 1,
    )
    offchip = hardware.offchip_elements_per_cycle
    words = None if offchip is None else Fraction(offchip)
    levels: list[ArchitectureLevel] = [
        Memory("dram", "lpddr4", TENSORS, 64, WORD_BITS, None, words, words),
        _buffer("l2", hardware.l2_elements),
    ]
    for index, count in enumerate(units):
        if index:
            levels.append(_buffer(f"hub{index}", 1))
        levels.append(Fanout(f"units{index}", count, 1, network))
    levels.append(_buffer("l1", hardware.l1_elements))
    assumptions = [
        f"elements have {WORD_BITS} bits, the clock {CLOCK_HZ // 10**6} MHz",
        f"memories and MACs cost what they do in {TECHNOLOGY}",
        "buffers have a port each way as wide as needed; only networks and off-chip are limited",
        "units of a level stand in one row; every bus sends equal tiles once and adds partial sums",
    ]
    if hardware.l1_elements is None or hardware.l2_elements is None:
        assumptions.append(f"buffers whose size is not given hold {OPEN_ELEMENTS} elements")
    return Architecture(name, CLOCK_HZ, TECHNOLOGY, tuple(levels), Compute()), tuple(assumptions)


def _buffer(name: str, elements: int | None) -> Memory:
    elements = OPEN_ELEMENTS if elements is None else elements
    words = 1
    while -(-elements // words) > _DEEPEST:
        words *= 2
    return Memory(name, "sram", TENSORS, words * WORD_BITS, WORD_BITS, -(-elements // words))


def to_mapping(
    directives: Directives, layer: MaestroLayer, hardware: Hardware, file: str = ""
) -> tuple[Architecture, Mapping, tuple[str, ...]]:
    """Return the machine and our mapping of a dataflow on a layer, and the assumptions made.

    Raises:
        InputError: directives without a meaning on the layer, or that our mappings cannot say:
            steps that compute an output twice or not at all; a fault each.
    """
    levels = resolve(directives, layer, hardware.pes, file)
    units = tuple(level.units for level in levels)
    problem = problem_of(layer)
    names = OUR_DIM[layer.type]
    around = dict(problem.size)
    entries = [LevelMapping("dram")]
    faults: list[Fault] = []
    for index, level in enumerate(levels):
        temporal: list[Loop] = []
        across: list[Loop] = []
        pairs = {each.dim for each in level.spatial} if len(level.spatial) > 1 else set()
        held = {each.dim: min(each.size, level.extent[each.dim]) for each in level.maps}
        for each in level.maps:
            dim = names[each.dim]
            if each.dim in FILTER_OF and each.dim in pairs:
                # Inputs one by one beside the taps one by one: one output, whose taps are shared.
                if around[dim] != 1:
                    faults.append(
                        _unsayable(each, layer, file, "shares windows of several outputs")
                    )
                continue
            tile, step = _in_outputs(each, level, held, layer)
            if step != tile and tile < around[dim]:
                what = "leaves a gap" if step > tile else "computes outputs twice"
                faults.append(_unsayable(each, layer, file, what))
                continue
            tile = min(tile, around[dim])
            if each.spatial:
                together = min(tile * level.units, around[dim])
                if together < around[dim]:
                    temporal.append(Loop(dim, together))
                if tile < together:
                    across.append(Loop(dim, tile))
            elif tile < around[dim]:
                temporal.append(Loop(dim, tile))
            around[dim] = tile
        keep = () if index else None
        at = f"hub{index}" if index else "l2"
        entries.append(LevelMapping(at, tuple(temporal), keep=keep))
        entries.append(LevelMapping(f"units{index}", x=tuple(across)))
    if faults:
        raise InputError(faults)
    inside = tuple(Loop(dim, 1) for dim in INSIDE if around[dim] > 1)
    entries.append(LevelMapping("l1", inside))
    filled = tuple(entry for entry in entries if entry != LevelMapping(entry.level))
    tile = sum(prod(axis.reach(around) for axis in tensor.axes) for tensor in problem.tensors)
    sized = replace(
        hardware,
        l1_elements=hardware.l1_elements or 2 * tile,
        l2_elements=hardware.l2_elements or 2 * sum(tensor.words for tensor in problem.tensors),
    )
    architecture, assumptions = architecture_of(sized, units)
    if sized != hardware:
        assumptions += ("buffers whose size is not given hold twice what the layer keeps in them",)
    more = (
        "L2 holds the whole layer, off-chip traffic is the footprint, as the tool counts it",
        "loops inside a PE run in the order " + " ".join(INSIDE),
    )
    return architecture, Mapping(filled), (*assumptions, *more)


def _in_outputs(
    each: LevelMap, level: Level, held: dict[str, int], layer: MaestroLayer
) -> tuple[int, int]:
    """Return size and offset of a map in our dims: rows and columns of the output for Y and X."""
    if each.dim not in FILTER_OF:
        return each.size, each.offset
    stride = layer.stride["YX".index(each.dim)]
    if each.size >= level.extent[each.dim]:
        made = outputs(layer, each.dim, level.extent[each.dim], held)
        return made, made
    made = outputs(layer, each.dim, each.size, held)
    return made, each.offset // stride if each.offset % stride == 0 else -1


def _unsayable(each: LevelMap, layer: MaestroLayer, file: str, why: str) -> Fault:
    source = each.source
    text = str(source) if source else f"{each.dim} (not listed)"
    line, column = (source.line, source.column) if source else (0, 0)
    rule = f"cannot be said by our loops: {why}"
    return Fault(f"{layer.name} Dataflow", text, rule, "", file, line, column)


def from_mapping(
    mapping: Mapping, architecture: Architecture, problem: Problem
) -> tuple[Directives, tuple[str, ...]]:
    """Return our mapping as directives, and the assumptions made.

    Every fan-out axis that is used becomes a level. A loop in time that only folds what units share
    below it becomes part of that SpatialMap.

    Raises:
        ArraysmithError: what directives cannot say: a dim looped twice in time within a level,
            windows looped in time, or a tile that holds outputs and shares their taps.
    """
    layer = layer_of(problem)
    theirs = {ours: dim for dim, ours in OUR_DIM[layer.type].items() if dim in layer.size}
    around = dict(problem.size)
    levels: list[tuple[list[tuple[str, int]], tuple[str, int, int] | None]] = [([], None)]
    counts: list[int] = []
    for loop in placed_loops(architecture, problem.size, mapping):
        if loop.count == 1:
            around[loop.dim] = loop.tile
            continue
        if loop.axis == "t":
            levels[-1][0].append((loop.dim, loop.tile))
        else:
            levels[-1] = (levels[-1][0], (loop.dim, loop.tile, loop.count))
            counts.append(loop.count)
            levels.append(([], None))
        around[loop.dim] = loop.tile
    *shared, (inside, _) = levels
    if not shared:
        dim = next(dim for dim in INSIDE if dim in theirs)
        shared, inside = [(inside, (dim, problem.size[dim], 1))], []
    items: list[Map | Cluster] = []
    extents = dict(problem.size)
    for index, (temporal, spread) in enumerate(shared):
        assert spread is not None, "levels end where units share a dim"
        if index:
            items.append(Cluster(Amount(counts[index])))
        items += _level_directives(temporal, spread, theirs, layer, extents)
    assumptions = [
        "memories do not show: the tool knows a shared buffer and one in every PE",
        "a group that is not full keeps its size",
    ]
    if inside:
        loops = " ".join(f"{dim}:{tile}" for dim, tile in inside)
        assumptions.append(f"loops below the last fan-out lose their order: {loops}")
    assumptions.append(f"{prod(counts)} PEs are used, of {architecture.pes}")
    return Directives(tuple(items)), tuple(assumptions)


def _level_directives(
    temporal: list[tuple[str, int]],
    spread: tuple[str, int, int],
    theirs: dict[str, str],
    layer: MaestroLayer,
    extents: dict[str, int],
) -> list[Map | Cluster]:
    dim, tile, count = spread
    loops = list(temporal)
    seen = [each for each, _ in loops]
    place = len(loops)
    if dim in seen:
        place = seen.index(dim)
        if loops.pop(place)[1] != tile * count:
            raise ArraysmithError(f"{layer.name}: {dim} loops in time and space within one level")
        seen.pop(place)
    if len(set(seen)) < len(seen):
        raise ArraysmithError(f"{layer.name}: a dim loops twice in time within one level")
    items: list[Map | Cluster] = []
    words = [(False, each, size) for each, size in loops]
    words.insert(place, (True, dim, tile))
    taps = {theirs[ours]: ours for ours in ("R", "S") if ours in theirs}
    for spatial, each, size in words:
        word = theirs[each]
        if word in taps and not spatial:
            raise ArraysmithError(f"{layer.name}: {each} loops in time: windows stay whole there")
        if word in taps:
            window = {"R": "Y", "S": "X"}[word]
            if extents[{"Y": "P", "X": "Q"}[window]] != 1 or size != 1:
                raise ArraysmithError(f"{layer.name}: units share {each} of several outputs")
            items.append(Map(True, Amount(1), Amount(1), window))
        if layer.type in {"CONV", "DSCONV"} and word in FILTER_OF:
            word += "'"
        items.append(Map(spatial, Amount(size), Amount(size), word))
        extents[each] = size
    for tap in taps:
        if tap != theirs[dim]:
            held = Amount(0, ((tap, 1),)) if extents[taps[tap]] > 1 else Amount(1)
            items.append(Map(False, held, held, tap))
    return items
