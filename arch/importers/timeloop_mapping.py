"""Timeloop's ``mapping`` sections as mappings of ours.

A permutation lists dims innermost first. Of a spatial directive, dims before ``split`` go along X,
the others along Y. A directive names a memory, or the container whose mesh it spreads over; the
names that the tool's front end gives to meshes (``inter_NAME_spatial``) are known, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.errors import nearest
from arraysmith.arch.importers.timeloop_names import Names
from arraysmith.arch.importers.timeloop_source import Directive, Factor, Reading, read_directive
from arraysmith.arch.mapping import Mapping, from_factors
from arraysmith.arch.problem import DIMS


@dataclass(frozen=True, slots=True)
class Target:
    """What a directive speaks of.

    Attributes:
        level: name of our level.
        columns: loops may go along X.
        rows: loops may go along Y; neither for a memory.
    """

    level: str
    columns: bool = False
    rows: bool = False


def targets_of(architecture: Architecture) -> dict[tuple[str, str], Target]:
    """Return what each (``temporal`` or ``spatial``, name) means on a design."""
    found: dict[tuple[str, str], Target] = {}
    above: Memory | None = None
    for level in architecture.levels:
        if isinstance(level, Memory):
            found["temporal", level.name] = Target(level.name)
            above = level
            continue
        meshes = {level.name: (level.mesh_x, level.mesh_y)}
        for place in [i for i, letter in enumerate(level.name) if letter == "-"]:
            columns, rows = level.name[:place], level.name[place + 1 :]
            meshes |= {columns: (level.mesh_x, 1), rows: (1, level.mesh_y)}
        if level.name.endswith("_mesh"):
            meshes[level.name.removesuffix("_mesh")] = (level.mesh_x, level.mesh_y)
        for name, (x, y) in meshes.items():
            # A mesh of one has an axis, too: factors of 1 may stand there.
            target = Target(level.name, x > 1 or y == 1, y > 1)
            found["spatial", name] = found["spatial", f"inter_{name}_spatial"] = target
        if above is not None:
            # Older files give the spatial loops to the memory above the mesh.
            found.setdefault(
                ("spatial", above.name), Target(level.name, level.mesh_x > 1, level.mesh_y > 1)
            )
    return found


def split_axes(
    reading: Reading, found: Directive, target: Target, dims: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the dims of a spatial directive along X and along Y, innermost first."""
    order = found.order(dims)
    split = found.split
    if split is None:
        split = len(order) if target.columns or not target.rows else 0
        if target.columns and target.rows:
            reading.assume(f"{found.target} has no split: all spatial loops go along X")
    return order[:split], order[split:]


def read_mapping(
    reading: Reading, architecture: Architecture, names: Names, data: Any
) -> Mapping | None:
    """Return the mapping in ``data``; None with faults.

    Args:
        reading: takes faults and assumptions.
        architecture: gives the levels.
        names: words of the problem; its sizes are needed for factors of 0.
        data: the list of directives in section ``mapping``.
    """
    before = len(reading.faults)
    return _Nest(reading, architecture, names).mapping(data, before)


class _Nest:
    """The loops of a mapping, as they are read."""

    def __init__(self, reading: Reading, architecture: Architecture, names: Names) -> None:
        self.reading = reading
        self.architecture = architecture
        self.names = names
        self.dims = tuple(names.dims)
        self.targets = targets_of(architecture)
        self.loops: dict[tuple[str, str], list[Factor]] = {}
        self.keep: dict[str, tuple[str, ...]] = {}
        self.seen: dict[tuple[str, str], str] = {}

    def mapping(self, data: Any, before: int) -> Mapping | None:
        """Return the mapping of a list of directives; None with more faults than ``before``."""
        reading = self.reading
        for index, item in enumerate(reading.listing(data, "mapping")):
            found = read_directive(reading, item, f"mapping[{index}]", self.dims)
            if found is not None:
                self.take(found)
        if len(reading.faults) > before:
            return None
        counts = self.counts()
        if counts is None:
            return None
        factors = []
        for level in self.architecture.levels:
            for axis in ("x", "y") if isinstance(level, Fanout) else ("t",):
                for factor in self.loops.get((level.name, axis), []):
                    ours = self.names.dims[factor.dim]
                    factors.append((level.name, axis, ours, counts[factor.path, factor.dim]))
        return from_factors(self.architecture, tuple(factors), self.keep)

    def take(self, found: Directive) -> None:
        """Note one directive."""
        key = (found.type, found.target)
        if key in self.seen:
            rule = f"{found.target} has two {found.type} directives"
            self.reading.fault(found.path, rule, f"the other one is {self.seen[key]}")
            return
        self.seen[key] = found.path
        if found.type == "dataspace":
            self.take_dataspace(found)
            return
        target = self.targets.get(key)
        if target is None:
            self.misplaced(found)
            return
        if found.type == "temporal":
            self.put(found, found.order(self.dims), (target.level, "t"))
            return
        x, y = split_axes(self.reading, found, target, self.dims)
        for axis, dims, exists in (("x", x, target.columns), ("y", y, target.rows)):
            self.put(found, dims, (target.level, axis), exists=exists)

    def misplaced(self, found: Directive) -> None:
        """Note a directive at a place that has none of its kind, unless it says nothing."""
        other = "spatial" if found.type == "temporal" else "temporal"
        if (other, found.target) not in self.targets:
            if found.target == self.architecture.compute.name and self.idle(found):
                return
            known = {name for _, name in self.targets}
            path = f"{found.path}.target"
            self.reading.fault(path, "unknown level", nearest(found.target, known))
        elif not self.idle(found):
            rule = f"{found.target} takes no {found.type} loops"
            self.reading.fault(f"{found.path}.factors", rule, f"only factors of 1, or {other} ones")

    def idle(self, found: Directive) -> bool:
        """Return whether a directive says nothing but factors of 1."""
        return all(factor.count == 1 for factor in found.factors)

    def put(
        self,
        found: Directive,
        order: tuple[str, ...],
        place: tuple[str, str],
        *,
        exists: bool = True,
    ) -> None:
        """Note the loops of ``order`` (innermost first) at a place, outermost first."""
        factors = {factor.dim: factor for factor in found.factors}
        loops = [factors[dim] for dim in reversed(order) if dim in factors]
        loops = [factor for factor in loops if factor.count != 1]
        for factor in loops:
            if factor.relation != "=":
                self.reading.fault(factor.path, "a mapping must say the factor itself", "use =")
        if loops and not exists:
            rule = f"the mesh of {found.target} has no axis {place[1].upper()}"
            hint = f"split decides which dims go along Y: {loops[0].dim} does"
            self.reading.fault(f"{found.path}.split", rule, hint)
        unsaid = [factor.dim for factor in loops if factor.dim not in (found.permutation or ())]
        if len(unsaid) > 1 and place[1] == "t":
            order_text = ", ".join(unsaid)
            self.reading.assume(f"{found.target}: order not given, outermost first: {order_text}")
        self.loops.setdefault(place, []).extend(loops)

    def take_dataspace(self, found: Directive) -> None:
        """Note what a level keeps."""
        memories = {memory.name: memory for memory in self.architecture.memories}
        kept, passed = (
            self.tensors(listed, f"{found.path}.{key}")
            for key, listed in (("keep", found.keep), ("bypass", found.bypass))
        )
        memory = memories.get(found.target)
        if memory is None:
            if ("spatial", found.target) not in self.targets:
                path = f"{found.path}.target"
                self.reading.fault(path, "unknown level", nearest(found.target, memories))
            elif kept:
                self.reading.fault(f"{found.path}.keep", "a mesh keeps nothing")
            return
        for tensor in kept:
            if tensor not in memory.holds:
                rule = f"{memory.name} may hold only {', '.join(memory.holds)}"
                self.reading.fault(f"{found.path}.keep", rule)
        rest = [tensor for tensor in memory.holds if tensor not in passed]
        self.keep[memory.name] = kept if found.keep is not None else tuple(rest)

    def tensors(self, listed: tuple[str, ...] | None, path: str) -> tuple[str, ...]:
        """Return data spaces by our names."""
        found = []
        for name in listed or ():
            if name in self.names.tensors:
                found.append(self.names.tensors[name])
            else:
                hint = nearest(name, self.names.tensors)
                self.reading.fault(path, f"unknown data space {name}", hint)
        return tuple(dict.fromkeys(found))

    def counts(self) -> dict[tuple[str, str], int] | None:
        """Return the turns of each loop, those of factor 0 worked out; None with a fault."""
        sizes = self.names.sizes
        found: dict[tuple[str, str], int] = {}
        before = len(self.reading.faults)
        theirs = {ours: dim for dim, ours in self.names.dims.items()}
        for ours in DIMS:
            mine = [
                factor
                for loops in self.loops.values()
                for factor in loops
                if self.names.dims[factor.dim] == ours
            ]
            given = 1
            for factor in mine:
                given *= max(1, factor.count)
                found[factor.path, factor.dim] = factor.count
            self._fill(ours, theirs.get(ours, ours), given, mine, sizes, found)
        return found if len(self.reading.faults) == before else None

    def _fill(
        self,
        ours: str,
        dim: str,
        given: int,
        mine: list[Factor],
        sizes: dict[str, int] | None,
        found: dict[tuple[str, str], int],
    ) -> None:
        open_ones = [factor for factor in mine if factor.count == 0]
        if sizes is None:
            for factor in open_ones:
                rule = f"what the other factors leave of {dim} needs the extent of {dim}"
                hint = "put the problem into the same file"
                self.reading.fault(factor.path, rule, hint)
            return
        size = sizes[ours]
        if len(open_ones) > 1:
            rule = f"{dim} has two factors of 0"
            self.reading.fault(open_ones[1].path, rule, "one of them must be said")
        elif open_ones and size % given:
            rule = f"the other factors of {dim} make {given}, which does not divide {size}"
            self.reading.fault(open_ones[0].path, rule)
        elif open_ones:
            found[open_ones[0].path, dim] = size // given
            if given > 1:
                self.reading.assume(f"factor 0 of {dim} is what the others leave, {size // given}")
        elif given != size:
            place = mine[0].path if mine else "mapping"
            self.reading.fault(place, f"factors of {dim} make {given}, its extent is {size}")
