"""Ask and tell: what every optimiser offers to the runner.

An optimiser sees genomes and losses only. It never evaluates, draws from the one generator it was
given, and depends on nothing else: told the same losses it asks for the same genomes, so that a
search is resumed by replaying its ledger. The runner's loop is

    while (genomes := optimiser.ask()):
        optimiser.tell(genomes, [loss(genome) for genome in genomes])

A new optimiser is one module in this package (or in another distribution, see ``arch.registry``):

    @register("optimiser", "mine")
    class Mine(Optimiser): ...

with its settings as a ``Spec``, which run files fill, and three lines of test that inherit
``tests/search/conformance.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from arraysmith.arch.registry import declare_kind
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.space import Genome

declare_kind("optimiser", package="arraysmith.search.optimisers")


@dataclass(frozen=True)
class Domain:
    """Where an optimiser may look.

    Attributes:
        sizes: number of choices per gene, each at least 1.
        repair: turns any genome within ``sizes`` into one that may be evaluated; idempotent.
    """

    sizes: tuple[int, ...]
    repair: Callable[[Genome], Genome]


class Optimiser(ABC):
    """Base of the optimisers.

    Attributes:
        settings_type: model of the settings, every field with a default.
        settings: effort and shape of the search.
        domain: where to look.
        drawn: genomes drawn so far.
        repaired: how many of them had to be repaired.
    """

    settings_type: ClassVar[type[Spec]]

    def __init__(self, domain: Domain, rng: np.random.Generator, settings: Any = None) -> None:
        """Start a search; ``settings`` is a ``settings_type``, None takes its defaults."""
        self.domain = domain
        self.settings = self.settings_type() if settings is None else settings
        self.drawn = 0
        self.repaired = 0
        self._rng = rng

    @abstractmethod
    def ask(self) -> list[Genome]:
        """Return the genomes to evaluate next, all legal; empty when the search is over.

        Asking again before ``tell`` returns the same genomes.
        """

    @abstractmethod
    def tell(self, genomes: Sequence[Genome], losses: Sequence[float]) -> None:
        """Take the losses of the genomes asked last, in the same order; infinite is allowed."""

    @property
    def expected(self) -> int | None:
        """How many genomes will be asked in total, repeated ones included; None if unknown."""
        return None

    def _legal(self, genome: Genome) -> Genome:
        """Return the repaired genome and count it."""
        legal = self.domain.repair(genome)
        self.drawn += 1
        self.repaired += legal != genome
        return legal

    def _random(self) -> Genome:
        """Return a legal genome, uniform before repair."""
        return self._legal(tuple(int(self._rng.integers(size)) for size in self.domain.sizes))
