"""The design space: typed parameters of a design, and designs kept inside a budget.

A genome is a tuple of small integers, one per parameter: the index of its choice. Everything else
(values, architecture, budget) follows from it, so equal genomes are equal designs on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isqrt, prod

import numpy as np

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.budget import Budget
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.paths import owner_of

Genome = tuple[int, ...]
"""One index per parameter."""


@dataclass(frozen=True)
class IntegerChoice:
    """One number of the architecture and the values it may take.

    Attributes:
        path: see ``arch.paths``, for example ``glb.depth``.
        values: rising, at least one.
        tied: further paths that always have the same value: a word has its bits everywhere.
    """

    path: str
    values: tuple[int, ...]
    tied: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.values or list(self.values) != sorted(set(self.values)):
            raise ArraysmithError(f"{self.path}: values must rise, got {self.values}")

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that a choice sets."""
        return (self.path, *self.tied)

    @cached_property
    def choices(self) -> tuple[tuple[int, ...], ...]:
        """Values of ``paths``, by index."""
        return tuple((value,) * len(self.paths) for value in self.values)


@dataclass(frozen=True)
class FixedProduct:
    """Several numbers whose product is given: all ordered factorisations, or some of them.

    Attributes:
        paths: for example ``array.mesh_x``, ``array.mesh_y``; at least two.
        product: at least 1.
        some: those that are choices, in the order of ``factorisations``; empty for all.
    """

    paths: tuple[str, ...]
    product: int
    some: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        if len(self.paths) < 2 or self.product < 1:
            raise ArraysmithError(f"a product needs two paths and a positive number: {self}")

    @cached_property
    def choices(self) -> tuple[tuple[int, ...], ...]:
        """Values of ``paths``, by index: rising in the first, then the second, ..."""
        return self.some or tuple(factorisations(self.product, len(self.paths)))


MAPPED_BY, DATAFLOW = "mapping.objective", "mapping.dataflow"
"""Paths of what a genome may say of mappings: what they minimise, and their dataflow."""


@dataclass(frozen=True)
class MappingChoice:
    """How the mappings of a design are chosen, as a gene beside those of the hardware.

    Attributes:
        path: ``MAPPED_BY`` or ``DATAFLOW``.
        names: objectives, or dataflows; at least one, each once.
    """

    path: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) != len(self.names):
            raise ArraysmithError(f"{self.path}: each name once, got {self.names}")

    @property
    def paths(self) -> tuple[str, ...]:
        """No path of the architecture."""
        return ()

    @property
    def choices(self) -> tuple[tuple[str, ...], ...]:
        """Names by index."""
        return tuple((name,) for name in self.names)


Parameter = IntegerChoice | FixedProduct | MappingChoice


def factorisations(product: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Return every way to write ``product`` as ``parts`` factors, in rising order."""
    low = [x for x in range(1, isqrt(product) + 1) if product % x == 0]
    divisors = [*low, *(product // x for x in reversed(low) if x * x != product)]

    def split(rest: int, parts: int) -> Iterator[tuple[int, ...]]:
        if parts == 1:
            yield (rest,)
            return
        for first in divisors:
            if rest % first == 0:
                yield from ((first, *others) for others in split(rest // first, parts - 1))

    return split(product, parts)


@dataclass(frozen=True)
class Space:
    """A template, the parameters that a search may change, and what a design has to keep.

    Attributes:
        template: gives every number that is not a parameter.
        parameters: in the order of the genome; no path twice.
        budget: what a design may spend. ``repair`` shrinks: with an exact number of MACs, meshes
            have to be fixed or of fixed product.
    """

    template: Architecture
    parameters: tuple[Parameter, ...]
    budget: Budget

    def __post_init__(self) -> None:
        paths = [path for x in self.parameters for path in (x.paths or (_path(x),))]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            raise ArraysmithError(f"in more than one parameter: {', '.join(twice)}")
        for parameter in self.parameters:
            for path in parameter.paths:
                owner_of(self.template, path)  # raises when there is no such number

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Number of choices of each parameter."""
        return tuple(len(parameter.choices) for parameter in self.parameters)

    @property
    def genomes(self) -> int:
        """Number of genomes, those outside the budget included."""
        return prod(self.sizes)

    def values(self, genome: Genome) -> dict[str, int | str]:
        """Return the number at every path of the space, and the names of mapping choices."""
        return {**self.hardware(genome), **self.mapping(genome)}

    def hardware(self, genome: Genome) -> dict[str, int]:
        """Return the number at every path of the architecture."""
        return {
            path: value
            for parameter, index in zip(self.parameters, genome, strict=True)
            if not isinstance(parameter, MappingChoice)
            for path, value in zip(parameter.paths, parameter.choices[index], strict=True)
        }

    def mapping(self, genome: Genome) -> dict[str, str]:
        """Return the name chosen at every path of the mapping; empty when none is searched."""
        return {
            parameter.path: parameter.names[index]
            for parameter, index in zip(self.parameters, genome, strict=True)
            if isinstance(parameter, MappingChoice)
        }

    def architecture(self, genome: Genome) -> Architecture:
        """Return the design, inside the budget or not."""
        return self.template.with_values(self.hardware(genome))

    def genome_of(self, architecture: Architecture) -> Genome | None:
        """Return the genome whose values ``architecture`` has; None if a value is no choice.

        Mapping choices, of which an architecture knows nothing, get their first.
        """
        genome = []
        for parameter in self.parameters:
            if isinstance(parameter, MappingChoice):
                genome.append(0)
                continue
            values = tuple(architecture.value(path) for path in parameter.paths)
            if values not in parameter.choices:
                return None
            genome.append(parameter.choices.index(values))
        return tuple(genome)

    @property
    def magnitudes(self) -> tuple[tuple[float, ...], ...]:
        """Per gene the numbers of its choices; nothing where they are no quantities."""
        return tuple(
            tuple(map(float, x.values)) if isinstance(x, IntegerChoice) else ()
            for x in self.parameters
        )

    def random(self, rng: np.random.Generator) -> Genome:
        """Return a genome drawn uniformly, inside the budget or not."""
        return tuple(int(rng.integers(size)) for size in self.sizes)

    def fits(self, genome: Genome) -> bool:
        """Return whether the design keeps the budget."""
        return self.budget.admits(self.architecture(genome))

    def repair(self, genome: Genome) -> Genome:
        """Return ``genome``, or a smaller design near it that keeps the budget.

        While there are too many MACs, the largest mesh goes down a choice at a time. After that,
        while there is too much storage or area, the depth of the memory that takes most bits (all
        instances) does, and when no depth is left to shrink, widths do; then, for the pins, rates
        of the off-chip memory, and for power the clock. When none of those is left the others
        follow. Meshes of fixed product stay. Ties go to what is declared first: equal genomes give
        equal repairs.

        Raises:
            ArraysmithError: nothing is left to shrink, see ``smallest``.
        """
        while True:
            design = self.architecture(genome)
            broken = {excess.limit for excess in self.budget.violations(design)}
            if not broken:
                return genome
            order = next(fields for limits, fields in _SHRINKS if broken & limits)
            shrinkable = [
                i
                for i, parameter in enumerate(self.parameters)
                if isinstance(parameter, IntegerChoice) and genome[i] > 0
            ]
            if not shrinkable:
                raise ArraysmithError(f"no design meets the budget at {self.values(genome)}")
            target = max(shrinkable, key=lambda i: (*self._weight(i, design, order), -i))
            genome = (*genome[:target], genome[target] - 1, *genome[target + 1 :])

    def _weight(self, index: int, design: Architecture, order: tuple[str, ...]) -> tuple[int, int]:
        """Return how soon parameter ``index`` is shrunk: (kind of field, how much there is)."""
        path = _path(self.parameters[index])
        name, _, field = path.rpartition(".")
        bits = sum(
            memory.capacity_bits * design.instances(memory.name)
            for memory in design.memories
            if memory.name == name
        )
        offchip = name == design.memories[0].name
        kind = 0
        for place, wanted in enumerate(reversed(order), start=1):
            asked, _, where = wanted.partition("@")
            if field.startswith(asked) and (not where or offchip):
                kind = place
        return kind, bits or design.value(path)

    def smallest(self) -> tuple[Genome, ...]:
        """Return the genomes with every integer at its least, one per choice of fixed products.

        Every one of them keeps the budget if and only if ``repair`` always succeeds.
        """
        genomes: list[Genome] = [()]
        for parameter in self.parameters:
            indices = range(len(parameter.choices)) if isinstance(parameter, FixedProduct) else (0,)
            genomes = [(*genome, index) for genome in genomes for index in indices]
        return tuple(genomes)


_SHRINKS = (
    ({"pes", "max_pes"}, ("mesh", "depth", "width_bits")),
    ({"storage_bits", "area_um2"}, ("depth", "width_bits")),
    ({"offchip_bits_per_s"}, ("read@offchip", "write@offchip", "word_bits@offchip", "clock")),
    ({"power_mw"}, ("clock", "mesh", "depth", "width_bits")),
)
"""Which fields shrink first, by the limits that are broken: the first row that has one counts."""


def _path(parameter: Parameter) -> str:
    return parameter.paths[0] if parameter.paths else parameter.path  # type: ignore[union-attr]  # only a product has no path, and it has paths
