"""What every mapper offers: the best mapping it finds of one layer on one architecture.

A mapper sees a ``LayerTask`` and draws from the one generator it was given; equal tasks and seeds
give equal results on every machine and for any number of workers. A new one is one module in this
package (or in another distribution, see ``arch.registry``):

    @register("mapper", "mine")
    class Mine(Mapper): ...

with its settings as a ``Spec``, which run files fill, and three lines of test that inherit
``tests/search/mapper_conformance.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.arch.registry import declare_kind
from arraysmith.arch.spec_reader import Spec

declare_kind("mapper", package="arraysmith.search.mappers")


@dataclass(frozen=True)
class LayerTask:
    """One layer to map.

    Attributes:
        architecture: the hardware, all its numbers fixed.
        problem: the layer.
        dataflow: constraints on the mapping.
        setting: of the analytical model.
        objective: one of ``search.objective.MAPPING_OBJECTIVES``.
        evaluations: mappings that may be scored, at most. A mapping that was scored before is not
            scored, nor counted, again.
    """

    architecture: Architecture
    problem: Problem
    dataflow: Dataflow
    setting: str
    objective: str
    evaluations: int


@dataclass(frozen=True)
class Found:
    """What a mapper found.

    Attributes:
        mapping: the best legal mapping; None if it met none.
        cycles: of it; 0 without a mapping.
        energy_pj: of it.
        loss: of it, by the task's objective: cycles, picojoules, or joules x cycles; infinite
            without a mapping.
        evaluations: mappings scored.
        drawn: candidates drawn or generated, before repair and repetition.
        repaired: how many of them had to be repaired to be legal.
        curve: (evaluations, loss) whenever the best became better, losses falling.
        bound: no legal mapping of the mapper's space has less loss; None if it proves nothing.
        proven: whether ``loss`` is the least of the space.
    """

    mapping: Mapping | None
    cycles: int
    energy_pj: float
    loss: float
    evaluations: int
    drawn: int
    repaired: int
    curve: tuple[tuple[int, float], ...]
    bound: float | None = None
    proven: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What else a mapper has to say of its answer, in sentences; nothing by default."""
        return ()

    @property
    def gap(self) -> float | None:
        """How far the loss may be above the optimum, relative to it; None if nothing is proven."""
        if self.bound is None or self.mapping is None or self.bound <= 0:
            return None
        return self.loss / self.bound - 1


class Mapper(ABC):
    """Base of the mappers.

    Attributes:
        settings_type: model of the settings, every field with a default.
        settings: effort and shape of the search.
    """

    settings_type: ClassVar[type[Spec]]

    def __init__(self, settings: Any = None) -> None:
        """Take the settings, a ``settings_type``; None takes its defaults."""
        self.settings = self.settings_type() if settings is None else settings

    @abstractmethod
    def find(self, task: LayerTask, rng: np.random.Generator) -> Found:
        """Return the best mapping found within ``task.evaluations``."""
