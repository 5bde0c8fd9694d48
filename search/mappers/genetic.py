"""The genetic mapper: GAMMA's operators, all of them working, and what goes beyond.

``README.md`` here says why each part is as it is; ``validation/bench_gamma.py`` measures what each
is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field, field_validator

from arraysmith.arch.errors import ArraysmithError, nearest
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec, SpecError
from arraysmith.search.mappers.base import Found, LayerTask, Mapper
from arraysmith.search.mappers.scored import search
from arraysmith.search.mapping_evolution import Effort, Evolution
from arraysmith.search.mapping_genes import Genes, joined
from arraysmith.search.mapping_nests import NestSpace
from arraysmith.search.mapping_operators import OPERATORS
from arraysmith.search.mapping_scores import Scorer

_DEFAULT = Effort()


class GeneticMapperSettings(Spec):
    """Shape of the search; see ``mapping_evolution.Effort``."""

    population: int = Field(default=_DEFAULT.population, ge=2, le=10**5, description="parents")
    children: int = Field(
        default=_DEFAULT.children, ge=1, le=10**5, description="mappings scored a generation"
    )
    first: int = Field(
        default=_DEFAULT.first, ge=2, le=10**6, description="mappings of the first generation"
    )
    seeded: float = Field(
        default=_DEFAULT.seeded, ge=0, le=1, description="share of them from heuristics"
    )
    operators: tuple[str, ...] = Field(
        default=_DEFAULT.operators, min_length=1, description="operators in use"
    )
    adaptive: bool = Field(default=_DEFAULT.adaptive, description="rates follow success")
    patience: int = Field(
        default=_DEFAULT.patience,
        ge=0,
        le=10**9,
        description="evaluations without a gain until the population is drawn anew; 0: never",
    )
    bypass: bool = Field(default=True, description="let tensors pass by memories")

    @field_validator("operators")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in OPERATORS:
                rule = f"unknown operator {name!r}"
                raise SpecError(rule, nearest(name, OPERATORS))
        if len(set(names)) < len(names):
            raise SpecError("every operator once")
        return names

    @property
    def effort(self) -> Effort:
        """The same, as the engine takes it."""
        return Effort(
            self.population,
            self.children,
            self.first,
            self.seeded,
            self.operators,
            self.adaptive,
            self.patience,
        )


@register("mapper", "genetic")
class GeneticMapper(Mapper):
    """See the module."""

    settings_type = GeneticMapperSettings
    settings: GeneticMapperSettings

    def find(
        self, task: LayerTask, rng: np.random.Generator, known: Sequence[Mapping] = ()
    ) -> Found:
        """Return the best mapping found.

        Args:
            task: the layer.
            rng: all that is random.
            known: mappings of similar layers to begin with, made to fit this one.
        """

        def run(space: NestSpace, scorer: Scorer) -> None:
            Evolution(scorer, rng, self.settings.effort).run(_fitted(space, known))

        return search(task, bypass=self.settings.bypass, run=run)


def _fitted(space: NestSpace, known: Sequence[Mapping]) -> Genes | None:
    """Return mappings of other layers as genes of this one; those it cannot say are left out."""
    parts = []
    for mapping in known:
        try:
            parts.append(space.similar(mapping))
        except ArraysmithError:  # of another dataflow or design: it says nothing here
            continue
    return joined(parts) if parts else None
