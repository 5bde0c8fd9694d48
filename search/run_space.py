"""The space and the budget of a run file, checked: every fault at its place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from arraysmith.arch.architecture import Architecture, Compute, Memory, Ports
from arraysmith.arch.budget import Budget
from arraysmith.arch.errors import InputError, nearest
from arraysmith.arch.file_faults import FileFaults
from arraysmith.arch.paths import CLOCK, numbers_of
from arraysmith.arch.technology.estimate import mac_cost, memory_cost
from arraysmith.search.objective import MAPPING_OBJECTIVES
from arraysmith.search.run_spec import ChoiceSpec, ProductSpec, RunSpec
from arraysmith.search.space import (
    DATAFLOW,
    MAPPED_BY,
    FixedProduct,
    IntegerChoice,
    MappingChoice,
    Parameter,
    Space,
    factorisations,
)

MOST_VALUES = 100_000
"""Most values of one parameter."""


def _is_ports(path: str) -> bool:
    return path.endswith(".ports")


_MESH = ("mesh_x", "mesh_y")

_SOME = MAPPING_OBJECTIVES[:2]

_BUDGET_KEYS = {
    "storage_bits": "storage",
    "area_um2": "area",
    "power_mw": "power",
    "offchip_bits_per_s": "bandwidth",
}
"""Keys of run files by the limits of ``Budget``; the others have the same name."""


@dataclass
class SpaceReader(FileFaults):
    """Reads the space of one run file.

    Attributes:
        spec: the file.
        template: that the space changes.
        without: keys and entries of the space that have faults already, see ``run_sound``.
    """

    spec: RunSpec
    template: Architecture
    without: frozenset[str] = frozenset()

    def read(self) -> Space | None:
        """Return the space, or None after noting its faults."""
        parameters: list[Parameter] = []
        taken: dict[str, str] = {}
        for index, spec in enumerate(self.spec.space):
            where = f"space[{index}]"
            if where in self.without:
                continue
            for at, path in self.paths(spec, where):
                if path in taken:
                    self.fault(at, "is searched twice", f"{taken[path]} has it too")
                taken.setdefault(path, at)
            parameter = self.parameter(spec, where)
            if parameter is not None:
                parameters.append(parameter)
        if self.faults or any(x.startswith("space") for x in self.without):
            return None
        space = Space(self.template, tuple(parameters), Budget.of_spec(self.spec.budget))
        self.check_shapes(space)
        if not self.faults and "budget" not in self.without:
            self.check_budget(space)
        return None if self.faults else space

    def paths(self, spec: ChoiceSpec | ProductSpec, where: str) -> Iterator[tuple[str, str]]:
        """Yield (place in the file, path) of everything a parameter sets."""
        if spec.paths is not None:
            yield from ((f"{where}.paths[{i}]", path) for i, path in enumerate(spec.paths))
        if isinstance(spec, ChoiceSpec) and spec.path is not None:
            yield f"{where}.path", spec.path

    def parameter(self, spec: ChoiceSpec | ProductSpec, where: str) -> Parameter | None:
        """Return a parameter; None after noting a fault."""
        if isinstance(spec, ChoiceSpec) and (spec.path is None) == (spec.paths is None):
            rule = "must have exactly one of path and paths"
            self.fault(where, rule, "paths: names several that always have the same value")
            return None
        if isinstance(spec, ChoiceSpec) and spec.path in {MAPPED_BY, DATAFLOW}:
            return self.mapping_choice(spec, where)
        before = len(self.faults)
        for at, path in self.paths(spec, where):
            self.check_path(path, at)
        if isinstance(spec, ProductSpec):
            return None if len(self.faults) > before else self.product(spec, where)
        values = self.values(spec, where)
        if not values or len(self.faults) > before:
            return None
        if values[-1] > max(Ports) and any(_is_ports(x) for _, x in self.paths(spec, where)):
            names = ", ".join(f"{x.value} {x.name.lower()}" for x in Ports)
            self.fault(where, f"ports must be one of {names}")
            return None
        first, *tied = (path for _, path in self.paths(spec, where))
        return IntegerChoice(first, values, tuple(tied))

    def product(self, spec: ProductSpec, where: str) -> FixedProduct | None:
        """Return the factorisations that are shapes of memories; None after noting a fault."""
        found = list(islice(factorisations(spec.product, len(spec.paths)), MOST_VALUES + 1))
        if len(found) > MOST_VALUES:
            rule = f"has more than {MOST_VALUES:,} factorisations"
            self.fault(f"{where}.product", rule, "give fewer paths, or a product of fewer factors")
            return None
        some = tuple(x for x in found if self.is_shape(dict(zip(spec.paths, x, strict=True))))
        if not some:
            rule = "no factorisation of it is a legal shape"
            hint = "a line has whole words; sizes need a cost; ports are 1 to 3"
            self.fault(f"{where}.product", rule, hint)
            return None
        return FixedProduct(spec.paths, spec.product, () if len(some) == len(found) else some)

    def is_shape(self, values: dict[str, int]) -> bool:
        """Tell whether memories of the template may have these numbers, by path."""
        if any(_is_ports(x) and value > max(Ports) for x, value in values.items()):
            return False
        changed = self.template.with_values(values)
        for before, memory in zip(self.template.memories, changed.memories, strict=True):
            if memory == before:
                continue
            if memory.width_bits % memory.word_bits:
                return False
            if memory.depth is not None:
                try:
                    memory_cost(memory, self.template.technology)
                except InputError:
                    return False
        return True

    def mapping_choice(self, spec: ChoiceSpec, where: str) -> MappingChoice | None:
        """Return a choice of names; dataflows are loaded by the caller."""
        assert spec.path is not None
        names = spec.names
        if names is None or spec.values is not None or spec.range is not None:
            self.fault(where, "must have names", f"for example names: [{', '.join(_SOME)}]")
            return None
        if len(set(names)) != len(names):
            self.fault(f"{where}.names", "must name each once")
            return None
        if spec.path == MAPPED_BY:
            unknown = [name for name in names if name not in MAPPING_OBJECTIVES]
            for name in unknown:
                at = f"{where}.names[{names.index(name)}]"
                rule = f"must be one of {', '.join(MAPPING_OBJECTIVES)}"
                self.fault(at, rule, nearest(name, MAPPING_OBJECTIVES))
            if unknown:
                return None
        return MappingChoice(spec.path, names)

    def check_path(self, path: str, at: str) -> None:
        """Note a path that names nothing that may change."""
        if path == CLOCK:
            return
        template = self.template
        name, dot, what = path.partition(".")
        owners = {level.name: level for level in template.levels}
        owner = template.compute if name == template.compute.name else owners.get(name)
        known = [*owners, template.compute.name]
        if not dot:
            self.fault(at, "must be level.field", f"for example glb.depth, or {CLOCK}")
        elif owner is None:
            self.fault(at, f"{template.name} has no level {name}", nearest(name, known))
        elif what not in numbers_of(owner):
            if isinstance(owner, Memory) and what == "depth":
                self.fault(at, f"{name} is off-chip: it has no size to search")
            else:
                rule = f"must be one of {', '.join(numbers_of(owner))} of {name}"
                self.fault(at, rule, nearest(what, numbers_of(owner)))

    def values(self, spec: ChoiceSpec, where: str) -> tuple[int, ...]:
        """Return the values of a choice, rising; empty after noting a fault."""
        if (spec.values is None) == (spec.range is None) or spec.names is not None:
            rule = "must have exactly one of values and range"
            self.fault(where, rule, "for example range: [64, 32768], step: pow2")
            return ()
        if spec.values is not None:
            if spec.step is not None:
                self.fault(f"{where}.step", "only a range has a step", "remove it")
            if len(set(spec.values)) != len(spec.values):
                self.fault(f"{where}.values", "must name each value once")
                return ()
            return tuple(sorted(spec.values))
        assert spec.range is not None
        low, high = spec.range
        if low > high:
            self.fault(f"{where}.range", "must be [least, most]", "swap them")
            return ()
        if spec.step == "pow2":
            return tuple(low << i for i in range((high // low).bit_length()))
        step = spec.step or 1
        assert isinstance(step, int)
        if (high - low) // step >= MOST_VALUES:
            rule = f"has more than {MOST_VALUES:,} values"
            self.fault(f"{where}.range", rule, "give a larger step, or step: pow2")
            return ()
        return tuple(range(low, high + 1, step))

    def check_shapes(self, space: Space) -> None:
        """Note widths that words do not fill, and shapes that the technology has no cost for."""
        at: dict[str, int] = {}
        choices: dict[str, tuple[int, ...]] = {}
        for index, parameter in enumerate(space.parameters):
            if isinstance(parameter, IntegerChoice):
                for path in parameter.paths:
                    at[path], choices[path] = index, parameter.values
        apart: set[str] = set()
        for index, parameter in enumerate(space.parameters):
            if isinstance(parameter, FixedProduct):
                apart.update(path.partition(".")[0] for path in parameter.paths)
                # Each of its choices was looked at beside the template; now beside the others.
                for values in parameter.choices:
                    told = len(self.faults)
                    given = dict(zip(parameter.paths, values, strict=True))
                    own = {path: (value,) for path, value in given.items()}
                    self.check_memories(choices | own, at | dict.fromkeys(given, index), set(given))
                    if len(self.faults) > told:
                        break
        self.check_memories(
            choices, at, {path for path in choices if path.partition(".")[0] not in apart}
        )
        self.check_compute(choices, at)

    def check_memories(
        self, choices: dict[str, tuple[int, ...]], at: dict[str, int], touched: set[str]
    ) -> None:
        """Note illegal shapes of memories that have a number at a path of ``touched``.

        Args:
            choices: values by path.
            at: number of the parameter by path.
            touched: paths.
        """
        for memory in self.template.memories:
            sizes = {
                what: choices.get(f"{memory.name}.{what}", (getattr(memory, what),))
                for what in ("depth", "width_bits", "word_bits", "banks")
            }
            searched = [at[path] for what in sizes if (path := f"{memory.name}.{what}") in at]
            if not any(f"{memory.name}.{what}" in touched for what in sizes):
                continue
            where = f"space[{searched[0]}]"
            ragged = [(x, y) for x in sizes["width_bits"] for y in sizes["word_bits"] if x % y]
            if ragged:
                width, word = ragged[0]
                rule = f"width {width} is not a multiple of {memory.name}'s word"
                hint = f"a word is {word} bit and lies in one line"
                at_width = at.get(f"{memory.name}.width_bits", searched[0])
                self.fault(f"space[{at_width}]", rule, hint)
                continue
            for rule in self.unpriced(memory, sizes):
                self.fault(where, rule, "narrow the values")
                break

    def unpriced(self, memory: Memory, sizes: dict[str, tuple[int, ...]]) -> Iterator[str]:
        """Yield why shapes have no cost: least and most depth and banks at every width."""
        technology = self.template.technology
        for width in sizes["width_bits"]:
            for depth in dict.fromkeys((sizes["depth"][0], sizes["depth"][-1])):
                for banks in dict.fromkeys((sizes["banks"][0], sizes["banks"][-1])):
                    shape = replace(memory, depth=depth, width_bits=width, banks=banks)
                    try:
                        memory_cost(shape, technology)
                    except InputError as error:
                        reason = "; ".join(fault.rule for fault in error.faults)
                        size = f"{depth} x {width} bit" + (f", {banks} banks" if banks > 1 else "")
                        yield f"{memory.name} of {size} has no cost: {reason}"

    def check_compute(self, choices: dict[str, tuple[int, ...]], at: dict[str, int]) -> None:
        """Note bits of the MAC that the technology has no cost for."""
        compute = self.template.compute
        for what in ("multiply_bits", "accumulate_bits"):
            path = f"{compute.name}.{what}"
            for value in choices.get(path, ()):
                changed: Compute = replace(compute, multiply_bits=value)
                if what == "accumulate_bits":
                    changed = replace(compute, accumulate_bits=value)
                try:
                    mac_cost(changed, self.template.technology)
                except InputError as error:
                    reason = "; ".join(fault.rule for fault in error.faults)
                    rule = f"{path} {value} has no cost: {reason}"
                    self.fault(f"space[{at[path]}]", rule, "narrow the values")
                    break

    def check_budget(self, space: Space) -> None:
        """Note a budget that no design meets, or that some corner of the space cannot meet."""
        exact = space.budget.pes is not None
        for index, parameter in enumerate(space.parameters):
            if not isinstance(parameter, IntegerChoice):
                continue
            free_mesh = len(parameter.values) > 1
            if exact and free_mesh and parameter.path.partition(".")[2] in _MESH:
                hint = "give the meshes as product: and paths:, or use max_pes"
                self.fault(f"space[{index}]", "the budget fixes the number of MACs", hint)
                return
        for genome in space.smallest():
            excesses = space.budget.violations(space.architecture(genome))
            for excess in excesses:
                key = _BUDGET_KEYS.get(excess.limit, excess.limit)
                if math.isinf(excess.value):
                    name = self.template.memories[0].name
                    rule = f"{name} has no rates, so that no design keeps within it"
                    self.fault(f"budget.{key}", rule, f"give {name} read: and write: rates")
                    continue
                shape = ", ".join(f"{path} {x}" for path, x in space.values(genome).items())
                rule = (
                    f"no design meets it: the smallest has {excess.value:,.15g}, "
                    f"which must be {excess.rule} {excess.allowed:,.15g}"
                )
                self.fault(f"budget.{key}", rule, f"{shape}; raise the budget or lower the values")
            if excesses:
                return
