"""The one port that every model implements."""

from __future__ import annotations

from typing import Protocol

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.sim.report import Report


class Model(Protocol):
    """Evaluates a mapped problem; refuses an illegal mapping with ``IllegalMappingError``."""

    def evaluate(self, architecture: Architecture, problem: Problem, mapping: Mapping) -> Report:
        """Return the cost of running ``problem`` on ``architecture`` under ``mapping``."""
        ...
