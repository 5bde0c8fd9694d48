"""The exact mapper: it proves the optimum of a finite space, or how far from it it may be.

The space is that of ``exact_space``: tiles whose turns divide, every loop order and every spatial
split that the dataflow and the mesh allow. ``exact_search`` says how it is searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from arraysmith.arch.mapping import Mapping
from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.mappers.base import Found, LayerTask, Mapper
from arraysmith.search.mappers.exact_scores import Incumbent
from arraysmith.search.mappers.exact_search import BranchAndBound
from arraysmith.search.mappers.exact_space import ExactSpace


class ExactSettings(Spec):
    """Effort of the exact mapper; the task's ``evaluations`` limit it, too."""

    nodes: int = Field(
        default=10**9, ge=1, description="partial mappings looked at, at most, a way to bypass"
    )
    growth: float = Field(
        default=1.05, gt=1, le=2, description="limit of a band of bounds over the one before"
    )
    bypass: bool = Field(default=False, description="let tensors pass by memories on the chip")
    answer_interrupt: bool = Field(
        default=False, description="return the best so far and its gap on Ctrl-C; else pass it on"
    )


@dataclass(frozen=True)
class ExactFound(Found):
    """What the exact mapper found.

    Attributes:
        nodes: partial mappings looked at.
        leaves: complete tilings whose loop orders were scored.
        spreads: spatial splits of the space, times the ways to pass by memories.
    """

    nodes: int = 0
    leaves: int = 0
    spreads: int = 0


@register("mapper", "exact")
class Exact(Mapper):
    """Branch and bound; deterministic, the generator is not used."""

    settings_type = ExactSettings
    settings: ExactSettings

    def find(
        self, task: LayerTask, rng: np.random.Generator, known: Sequence[Mapping] = ()
    ) -> ExactFound:
        """Return the optimum, or the best within the effort and a bound of the optimum.

        Args:
            task: the layer.
            rng: not used.
            known: legal mappings of the layer, not scored again; where one of them is better than
                the whole space, as one with ragged tiles may be, it is the answer and proven.

        Raises:
            ArraysmithError: the architecture has no mappings to search, or the dataflow leaves a
                dim no place.
        """
        del rng
        whole = ExactSpace.of(task.architecture, task.problem, task.dataflow, task.setting)
        best = Incumbent(whole, task.objective, task.evaluations)
        for mapping in known:
            best.take(mapping)
        spaces = whole.bypasses() if self.settings.bypass else (whole,)
        searches = [
            BranchAndBound(space, best, nodes=self.settings.nodes, growth=self.settings.growth)
            for space in spaces
        ]
        with suppress(*([KeyboardInterrupt] if self.settings.answer_interrupt else [])):
            for search in sorted(searches, key=lambda x: x.bound):  # a good one bounds the others
                search.run()
        return ExactFound(
            **best.scored,
            bound=min(search.bound for search in searches),
            proven=all(search.proven for search in searches),
            nodes=sum(search.nodes for search in searches),
            leaves=sum(search.leaves for search in searches),
            spreads=len(whole.spreads) * len(searches),
        )
