"""Random mappings: the honest baseline. Tiles are log-uniform, everything else is uniform.

A tile drawn uniformly hardly ever fits a small memory; drawn log-uniformly, random search is level
with a genetic one for the first hundred mappings. What does not fit is repaired, not thrown away.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.mappers.base import Found, LayerTask, Mapper
from arraysmith.search.mappers.scored import search
from arraysmith.search.mapping_nests import NestSpace
from arraysmith.search.mapping_scores import Scorer

IDLE_BATCHES = 20
"""Batches in a row without a new mapping after which a small space counts as seen."""


class RandomSettings(Spec):
    """Effort of a random search."""

    batch: int = Field(default=256, ge=1, le=10**6, description="mappings drawn at a time")
    bypass: bool = Field(default=False, description="let tensors pass by memories")


@register("mapper", "random")
class RandomMapper(Mapper):
    """See the module."""

    settings_type = RandomSettings
    settings: RandomSettings

    def find(self, task: LayerTask, rng: np.random.Generator) -> Found:
        """See ``Mapper``."""

        def run(space: NestSpace, scorer: Scorer) -> None:
            del space
            draw_until_spent(scorer, rng, self.settings.batch)

        return search(task, bypass=self.settings.bypass, run=run)


def draw_until_spent(scorer: Scorer, rng: np.random.Generator, batch: int) -> None:
    """Score random mappings until the budget is spent or nothing new comes."""
    idle = 0
    while scorer.left and idle < IDLE_BATCHES:
        before = scorer.evaluations
        scorer.losses(scorer.legal(scorer.space.random(rng, min(batch, scorer.left))))
        idle = idle + 1 if scorer.evaluations == before else 0
