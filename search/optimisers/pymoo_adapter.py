"""Optimisers of pymoo (Blank and Deb, IEEE Access 2020), to be compared with. Extra ``baselines``.

Several algorithms behind one name, chosen by ``algorithm``; NSGA2, SPEA2 and AGEMOEA take vectors
of losses. All see the genes as numbers from 0 to 1 (``continuous``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from arraysmith.arch.registry import register
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.optimisers.base import Domain, Losses, Optimiser
from arraysmith.search.optimisers.continuous import FiniteLosses, UnitCube
from arraysmith.search.space import Genome

_MODULES = {
    "DE": "soo.nonconvex.de",
    "ES": "soo.nonconvex.es",
    "GA": "soo.nonconvex.ga",
    "PSO": "soo.nonconvex.pso",
    "AGEMOEA": "moo.age",
    "NSGA2": "moo.nsga2",
    "SPEA2": "moo.spea2",
}
_MANY = ("AGEMOEA", "NSGA2", "SPEA2")


class PymooSettings(Spec):
    """Which algorithm, and its effort."""

    algorithm: Literal["AGEMOEA", "DE", "ES", "GA", "NSGA2", "PSO", "SPEA2"] = Field(
        default="GA", description="as pymoo names it"
    )
    population: int = Field(default=64, ge=4, le=10**6, description="genomes per batch, about")
    generations: int = Field(default=40, ge=1, le=10**6, description="batches")


@register("optimiser", "pymoo")
class Pymoo(Optimiser[float | Losses]):
    """See the module."""

    settings_type = PymooSettings
    settings: PymooSettings
    requires = ("pymoo",)
    revisable = True

    def __init__(
        self, domain: Domain, rng: np.random.Generator, settings: PymooSettings | None = None
    ) -> None:
        super().__init__(domain, rng, settings)
        # Not at the top: an extra.
        problem_module = import_module("pymoo.core.problem")
        name = self.settings.algorithm
        algorithm = getattr(import_module(f"pymoo.algorithms.{_MODULES[name]}"), name)
        objectives = domain.objectives if self.takes_vectors(self.settings) else 1
        self._cube = UnitCube(domain)
        self._inner: Any = _created(algorithm, name, self.settings.population)
        self._inner.setup(
            problem_module.Problem(n_var=self._cube.coordinates, n_obj=objectives, xl=0.0, xu=1.0),
            termination=("n_gen", self.settings.generations + 1),
            seed=int(rng.integers(2**32)),
            verbose=False,
        )
        self._finite = [FiniteLosses() for _ in range(objectives)]
        self._batch = 0
        self._points: Any = None
        self._asked: list[Genome] = []

    @classmethod
    def takes_vectors(cls, settings: Any) -> bool:
        """The algorithms for many objectives do."""
        return settings is not None and settings.algorithm in _MANY

    def ask(self) -> list[Genome]:
        """Return the next batch; the algorithm decides how many."""
        if not self._asked and self._batch < self.settings.generations:
            self._points = self._inner.ask()
            if self._points is not None:  # it may give up before its time
                points = self._points.get("X")
                self._asked = [self._legal(self._cube.genome(x)) for x in points]
        return list(self._asked)

    def tell(self, genomes: Sequence[Genome], losses: Sequence[float | Losses]) -> None:
        """Tell it on."""
        del genomes
        self._points.set("F", self._values(losses))
        self._inner.evaluator.n_eval += len(losses)
        self._inner.tell(infills=self._points)
        self._asked = []
        self._batch += 1

    def revise(self, loss_of: Callable[[Genome], float | Losses]) -> None:
        """Give the population other losses: it competes with the next points."""
        if self._batch:
            population = self._inner.pop
            genomes = [self.domain.repair(self._cube.genome(x)) for x in population.get("X")]
            population.set("F", self._values([loss_of(x) for x in genomes]))

    def _values(self, losses: Sequence[float | Losses]) -> NDArray[np.float64]:
        """Return float64 [n, objectives], all finite."""
        vectors = [x if isinstance(x, tuple) else (x,) for x in losses]
        columns = zip(self._finite, zip(*vectors, strict=True), strict=True)
        return np.array([finite.finite(column) for finite, column in columns]).T


def _created(algorithm: Any, name: str, population: int) -> Any:
    if name == "ES":
        return algorithm(pop_size=max(1, population // 7), n_offsprings=population)
    return algorithm(pop_size=population)
