"""The rules a mapping has to keep, each named: both models refuse a mapping that breaks one."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from arraysmith.arch.architecture import Architecture, Fanout, Memory, ScaleOut
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Mapping, PlacedLoop, kept_tensors, placed_loops
from arraysmith.arch.problem import DIMS, TENSORS, Problem


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule.

    Attributes:
        rule: name of the rule: ``level``, ``place``, ``dim``, ``tile``, ``coverage``, ``division``,
            ``capacity``, ``fanout``, ``bypass`` or ``sparsity``.
        where: level (and dim or tensor) concerned.
        value: what the mapping asks for.
        limit: what is allowed.
    """

    rule: str
    where: str
    value: str
    limit: str

    def __str__(self) -> str:
        return f"{self.where}: {self.value}: {self.rule}: {self.limit}"


class IllegalMappingError(ArraysmithError):
    """A mapping that a model was asked to evaluate breaks at least one rule."""

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        self.violations = violations
        super().__init__("illegal mapping:\n" + "\n".join(map(str, violations)))


def check_mapping(
    architecture: Architecture, problem: Problem, mapping: Mapping
) -> tuple[Violation, ...]:
    """Return every rule that ``mapping`` breaks; empty when it is legal."""
    found = [
        *_check_sparsity(architecture, problem),
        *_check_places(architecture, mapping),
        *_check_tiles(architecture, problem, mapping),
    ]
    if found:
        return tuple(found)
    loops = placed_loops(architecture, problem.size, mapping)
    found += _check_fanouts(architecture, loops)
    found += _check_repeats(architecture, mapping)
    found += _check_reduction(architecture, problem, loops)
    found += _check_keeps(architecture, mapping)
    if not found:
        found += _check_capacity(architecture, problem, mapping)
    return tuple(found)


def require_legal(architecture: Architecture, problem: Problem, mapping: Mapping) -> None:
    """Raise ``IllegalMappingError`` with every broken rule, if there is one."""
    violations = check_mapping(architecture, problem, mapping)
    if violations:
        raise IllegalMappingError(violations)


def division_violations(
    architecture: Architecture, problem: Problem, mapping: Mapping
) -> tuple[Violation, ...]:
    """Return every tile that does not divide the tile around it, for models that need that.

    Args:
        architecture: a spatial one (the folds of a systolic array have exact edges in every model).
        problem: gives the extents.
        mapping: legal otherwise.
    """
    around = dict(problem.size)
    found = []
    names = [*(level.name for level in architecture.levels), architecture.compute.name]
    for loop in placed_loops(architecture, problem.size, mapping):
        if around[loop.dim] % loop.tile:
            limit = f"must divide the tile around it, {around[loop.dim]}"
            where = f"{names[loop.level]}.{loop.dim}"
            found.append(Violation("division", where, f"tile {loop.tile}", limit))
        around[loop.dim] = loop.tile
    return tuple(found)


def require_division(architecture: Architecture, problem: Problem, mapping: Mapping) -> None:
    """Raise ``IllegalMappingError`` with every tile that does not divide the one around it."""
    violations = division_violations(architecture, problem, mapping)
    if violations:
        raise IllegalMappingError(violations)


def tile_sizes(
    architecture: Architecture, problem: Problem, mapping: Mapping, level: int
) -> dict[str, int]:
    """Return the extent of each dim in the tile that one instance of ``level`` works on."""
    sizes = dict(problem.size)
    for loop in placed_loops(architecture, problem.size, mapping):
        if loop.level < level:
            sizes[loop.dim] = loop.tile
    return sizes


def tile_words(
    architecture: Architecture, problem: Problem, mapping: Mapping, level: int
) -> dict[str, int]:
    """Return the words of each tensor in the tile of one instance of ``level``.

    The bounding box over all loops at the level and inside; padding inside the box has its place.
    """
    sizes = tile_sizes(architecture, problem, mapping, level)
    return {
        name: prod(axis.reach(sizes) for axis in tensor.axes)
        for name, tensor in zip(TENSORS, problem.tensors, strict=True)
    }


def _check_sparsity(architecture: Architecture, problem: Problem) -> list[Violation]:
    if problem.weight_sparsity is None or architecture.systolic:
        return []
    limit = "only systolic arrays skip weights that sparsity leaves out"
    return [Violation("sparsity", problem.name, f"weights {problem.weight_sparsity}", limit)]


def _check_places(architecture: Architecture, mapping: Mapping) -> list[Violation]:
    names = {level.name: level for level in architecture.levels}
    order = [*names, architecture.compute.name]
    found = []
    seen: list[int] = []
    for entry in mapping.levels:
        if entry.level not in order:
            found.append(Violation("level", entry.level, "no such level", " > ".join(order)))
            continue
        seen.append(order.index(entry.level))
        level = names.get(entry.level)
        if isinstance(level, Fanout) and entry.temporal:
            found.append(
                Violation("place", entry.level, "temporal loops", "a fan-out takes only x and y")
            )
        cuts = isinstance(level, Fanout) and isinstance(level.network, ScaleOut)
        if cuts and (entry.x or entry.y):
            limit = "its network says which index each axis cuts"
            found.append(Violation("place", entry.level, "spatial loops", limit))
        if not isinstance(level, Fanout) and (entry.x or entry.y):
            found.append(
                Violation("place", entry.level, "spatial loops", "only fan-outs take x and y")
            )
    if seen != sorted(set(seen)):
        found.append(
            Violation("level", "mapping", "order of levels", "each once: " + " > ".join(order))
        )
    return found


def _check_tiles(architecture: Architecture, problem: Problem, mapping: Mapping) -> list[Violation]:
    found = []
    around = problem.size
    around = dict(around)
    for level in [*(x.name for x in architecture.levels), architecture.compute.name]:
        entry = mapping.at(level)
        for loop in (*entry.temporal, *entry.x, *entry.y):
            where = f"{level}.{loop.dim}"
            if loop.dim not in DIMS:
                found.append(Violation("dim", where, "unknown dim", "one of " + " ".join(DIMS)))
            elif not 1 <= loop.tile <= around[loop.dim]:
                found.append(
                    Violation("tile", where, f"tile {loop.tile}", f"1 to {around[loop.dim]}")
                )
            else:
                around[loop.dim] = loop.tile
    found += [
        Violation("coverage", dim, f"innermost tile {left}", "loops must reach tile 1")
        for dim, left in around.items()
        if left != 1
    ]
    return found


def _check_fanouts(architecture: Architecture, loops: tuple[PlacedLoop, ...]) -> list[Violation]:
    if architecture.systolic:
        return []  # what does not fit the array folds over time
    found = []
    for index, level in enumerate(architecture.levels):
        if not isinstance(level, Fanout):
            continue
        for axis, size in (("x", level.mesh_x), ("y", level.mesh_y)):
            used = prod(x.count for x in loops if x.level == index and x.axis == axis)
            if used > size:
                found.append(
                    Violation("fanout", f"{level.name}.{axis}", f"{used} instances", f"{size}")
                )
    return found


def _check_repeats(architecture: Architecture, mapping: Mapping) -> list[Violation]:
    found = []
    for fanout in architecture.fanouts:
        entry = mapping.at(fanout.name)
        for axis, group in (("x", entry.x), ("y", entry.y)):
            dims = [loop.dim for loop in group]
            found += [
                Violation(
                    "repeat",
                    f"{fanout.name}.{axis}",
                    f"{dim} spread {dims.count(dim)} times",
                    "each dim once an axis: one loop of the smallest tile",
                )
                for dim in dict.fromkeys(dims)
                if dims.count(dim) > 1
            ]
    return found


def _check_reduction(
    architecture: Architecture, problem: Problem, loops: tuple[PlacedLoop, ...]
) -> list[Violation]:
    found = []
    for index, level in enumerate(architecture.levels):
        if not isinstance(level, Fanout) or reduces(level):
            continue
        found += [
            Violation(
                "reduction",
                f"{level.name}.{loop.axis}",
                f"{loop.dim} spread over {loop.count}",
                "partial sums: the network cannot add them, and no memory above does (adds_above)",
            )
            for loop in loops
            if loop.level == index and loop.count > 1 and loop.dim not in problem.ofmap.dims
        ]
    return found


def reduces(fanout: Fanout) -> bool:
    """Return whether partial sums of several children of ``fanout`` can become one result."""
    bus = fanout.bus
    return bus is None or bus.reduction or bus.adds_above


def _check_keeps(architecture: Architecture, mapping: Mapping) -> list[Violation]:
    found = []
    for memory in architecture.memories:
        entry = mapping.at(memory.name)
        for tensor in entry.keep or ():
            if tensor not in memory.holds:
                limit = "may hold " + " ".join(memory.holds)
                found.append(Violation("bypass", memory.name, f"keeps {tensor}", limit))
    first = architecture.memories[0]
    kept = kept_tensors(first, mapping.at(first.name))
    found += [
        Violation("bypass", first.name, f"does not keep {tensor}", "off-chip memory keeps all")
        for tensor in TENSORS
        if tensor not in kept
    ]
    return found


def _check_capacity(
    architecture: Architecture, problem: Problem, mapping: Mapping
) -> list[Violation]:
    if architecture.systolic:
        return []  # operands stream through the buffers in chunks that fit
    found = []
    for index, level in enumerate(architecture.levels):
        if not isinstance(level, Memory) or level.capacity_words is None:
            continue
        tiles = tile_words(architecture, problem, mapping, index)
        kept = kept_tensors(level, mapping.at(level.name))
        need = sum(tiles[tensor] for tensor in kept)
        if need > level.capacity_words:
            bits = level.word_bits
            parts = ", ".join(f"{tensor} {tiles[tensor] * bits}" for tensor in kept)
            value = f"needs {need * bits} b, has {level.capacity_words * bits} b: {parts}"
            limit = f"at most {level.capacity_words} words of {bits} b"
            found.append(Violation("capacity", level.name, value, limit))
    return found
