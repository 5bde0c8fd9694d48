"""Scores of mappings within a budget: nothing is evaluated twice, nor after the budget is spent."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from arraysmith.arch.errors import ArraysmithError, nearest
from arraysmith.search.mapping_genes import Float, Genes, GeneSpace, Scores

OBJECTIVES = ("edp", "energy", "latency")
"""What a mapping can be chosen by; cycles x energy, energy, cycles."""


def losses_of(scores: Scores, objective: str) -> Float:
    """Return float64 [n], what is minimised; infinite where a score is not valid.

    Raises:
        ArraysmithError: unknown objective.
    """
    if objective not in OBJECTIVES:
        raise ArraysmithError(f"unknown objective {objective!r}: {nearest(objective, OBJECTIVES)}")
    cycles = scores.cycles.astype(np.float64)
    if objective == "latency":
        losses = cycles
    else:
        losses = scores.energy if objective == "energy" else cycles * scores.energy
    return np.where(scores.valid, losses, np.inf)


@dataclass
class Scorer:
    """Scores candidates of a space and keeps the record of it.

    Attributes:
        space: of the candidates.
        objective: one of ``OBJECTIVES``.
        budget: evaluations, at most.
        evaluations: mappings scored.
        rejected: how many of them the model's own guard refused.
        drawn: candidates, before repair and repetition.
        repaired: how many of them had to be repaired.
        best: the best mapping so far, a batch of one; None before the first valid one.
        loss: of it; infinite before.
        cycles: of it.
        energy: of it, in the model's unit.
        curve: (evaluations, loss) whenever the best became better.
    """

    space: GeneSpace
    objective: str
    budget: int
    evaluations: int = 0
    rejected: int = 0
    drawn: int = 0
    repaired: int = 0
    best: Genes | None = None
    loss: float = np.inf
    cycles: int = 0
    energy: float = 0.0
    curve: list[tuple[int, float]] = field(default_factory=list)
    _known: dict[bytes, float] = field(default_factory=dict, repr=False)

    @property
    def left(self) -> int:
        """Evaluations left."""
        return self.budget - self.evaluations

    def legal(self, genes: Genes) -> Genes:
        """Return candidates repaired, and count both."""
        legal, changed = self.space.repair(genes)
        self.drawn += len(genes)
        self.repaired += int(changed.sum())
        return legal

    def knows(self, key: bytes) -> bool:
        """Return whether the mapping of a key was scored."""
        return key in self._known

    def losses(self, genes: Genes) -> Float:
        """Return the losses of legal mappings; NaN for those that the budget does not reach.

        Mappings scored before, or earlier in the batch, cost nothing.
        """
        keys = genes.keys()
        fresh: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            if key not in self._known and len(fresh) < self.left:
                fresh.setdefault(key, row)
        if fresh:
            self._evaluate(genes.take(np.array(list(fresh.values()), np.int64)), list(fresh))
        return np.array([self._known.get(key, np.nan) for key in keys], np.float64)

    def _evaluate(self, genes: Genes, keys: list[bytes]) -> None:
        scores = self.space.score(genes)
        losses = losses_of(scores, self.objective)
        for row, (key, loss) in enumerate(zip(keys, losses.tolist(), strict=True)):
            self._known[key] = loss
            self.evaluations += 1
            self.rejected += not scores.valid[row]
            if loss < self.loss:
                self.loss = loss
                self.cycles, self.energy = int(scores.cycles[row]), float(scores.energy[row])
                self.best = genes.take(slice(row, row + 1))
                self.curve.append((self.evaluations, loss))
