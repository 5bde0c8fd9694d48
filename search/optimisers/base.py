"""Ask and tell: what every optimiser offers to the runner.

An optimiser sees genomes and losses only. It never evaluates, draws from the one generator it was
given, and depends on nothing else: told the same losses it asks for the same genomes, so that a
search is resumed by replaying its ledger. The runner's loop is

    while (genomes := optimiser.ask()):
        optimiser.tell(genomes, [loss(genome) for genome in genomes])

Most optimisers minimise one number: ``Optimiser[float]``. One that minimises several at once is an
``Optimiser[Losses]`` that says so in ``takes_vectors``; it is told a vector per genome, as long as
``Domain.objectives``, of length one when there is one objective.

A new optimiser is one module in this package (or in another distribution, see ``arch.registry``):

    @register("optimiser", "mine")
    class Mine(Optimiser[float]): ...

with its settings as a ``Spec``, which run files fill, and three lines of test that inherit
``tests/search/conformance.py``. One that needs a package beyond those of this project names it in
``requires``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.registry import declare_kind
from arraysmith.arch.spec_reader import Spec
from arraysmith.search.space import Genome

declare_kind("optimiser", package="arraysmith.search.optimisers")

Losses = tuple[float, ...]
"""One loss per objective; all infinite when there is no legal mapping."""

L = TypeVar("L")


@dataclass(frozen=True)
class Domain:
    """Where an optimiser may look.

    Attributes:
        sizes: number of choices per gene, each at least 1.
        repair: turns any genome within ``sizes`` into one that may be evaluated; idempotent.
        objectives: losses per genome that an optimiser is told which takes vectors.
        magnitudes: per gene, the number that each choice stands for, or nothing where choices are
            no quantities; empty when unknown. For those who draw evenly in the logarithm.
    """

    sizes: tuple[int, ...]
    repair: Callable[[Genome], Genome]
    objectives: int = 1
    magnitudes: tuple[tuple[float, ...], ...] = ()


class Optimiser(ABC, Generic[L]):
    """Base of the optimisers.

    Attributes:
        settings_type: model of the settings, every field with a default.
        requires: packages without which it cannot work, beyond those of this project.
        revisable: whether ``revise`` makes up for losses that were wrong when they were told.
        settings: effort and shape of the search.
        domain: where to look.
        drawn: genomes drawn so far.
        repaired: how many of them had to be repaired.
    """

    settings_type: ClassVar[type[Spec]]
    requires: ClassVar[tuple[str, ...]] = ()
    revisable: ClassVar[bool] = False

    def __init__(self, domain: Domain, rng: np.random.Generator, settings: Any = None) -> None:
        """Start a search; ``settings`` is a ``settings_type``, None takes its defaults.

        Raises:
            InputError: a package of ``requires`` is not installed.
        """
        missing = self.missing_packages()
        if missing:
            raise InputError([Fault("optimiser.name", "", *missing_rule(missing))])
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
    def tell(self, genomes: Sequence[Genome], losses: Sequence[L]) -> None:
        """Take the losses of the genomes asked last, in the same order; infinite is allowed."""

    def revise(self, loss_of: Callable[[Genome], L]) -> None:
        """Take other losses of what was told: the model that they come from has become better.

        Called where ``revisable``, between ``ask`` and ``tell``, which tells the losses of the
        present batch by the new model. One that goes on from a batch to the next without losses
        of the one before has nothing to do here.

        Args:
            loss_of: every genome told so far to its new loss.
        """
        del loss_of

    @classmethod
    def takes_vectors(cls, settings: Any) -> bool:
        """Tell whether ``tell`` takes a vector of losses per genome rather than one number."""
        del settings
        return False

    @classmethod
    def missing_packages(cls) -> tuple[str, ...]:
        """Return what of ``requires`` is not installed."""
        return tuple(name for name in cls.requires if find_spec(name) is None)

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


def missing_rule(packages: Sequence[str]) -> tuple[str, str]:
    """Return rule and hint for packages that are not installed."""
    rule = f"needs what is not installed: {', '.join(packages)}"
    return rule, "install it with: pip install 'arraysmith[baselines]'"
