"""What a search found, before anything is written of it."""

from __future__ import annotations

from dataclasses import dataclass

from arraysmith.search.baseline import Baselines
from arraysmith.search.evaluate import Scored
from arraysmith.search.ledger import Evaluation
from arraysmith.search.run import Run
from arraysmith.search.space import Genome
from arraysmith.sim.calibration import Correction
from arraysmith.traces.page import Sensitivity


@dataclass(frozen=True, slots=True)
class Generation:
    """Losses of one batch: the best so far, the best and the median of the batch's finite ones.

    Infinite when nothing was finite. With several objectives also the share of the box between the
    best and the worst of each that the front met so far covers.
    """

    best: float
    batch_best: float
    batch_median: float
    hypervolume: float | None = None


@dataclass(frozen=True, slots=True)
class RoundDesign:
    """A design that was simulated on the way, as it was foretold; cycles of ``layers``.

    Attributes:
        genome: of the search.
        why: ``best`` by the scores of then, or ``informative`` for the fit.
        layers: numbers of those simulated; the others have too many steps.
        closed: cycles by the closed forms of the run's setting, with repeats.
        rehearsed: as rehearsed, without correction.
        corrected: by the correction that held then.
        simulated: as simulated.
    """

    genome: Genome
    why: str
    layers: tuple[int, ...]
    closed: int
    rehearsed: int
    corrected: int
    simulated: int


@dataclass(frozen=True, slots=True)
class Round:
    """One round of simulations.

    Attributes:
        search: number of the search of the run, from 1.
        generation: after which it was made, from 1.
        points: layers simulated before it, which the correction then was fitted to.
        designs: simulated in it.
        too_long: designs with layers that were left out for their steps.
    """

    search: int
    generation: int
    points: int
    designs: tuple[RoundDesign, ...]
    too_long: int

    def errors(self) -> dict[str, float | None]:
        """Return the mean absolute error of cycles by model, a share; None without designs.

        None of the models had seen the designs.
        """
        found: dict[str, float | None] = {}
        for model in ("closed", "rehearsed", "corrected"):
            shares = [abs(getattr(x, model) / x.simulated - 1) for x in self.designs]
            found[model] = sum(shares) / len(shares) if shares else None
        return found


@dataclass(frozen=True)
class Ranked:
    """One of the best designs, by both models.

    Attributes:
        genome: of the search.
        analytical: by the closed forms; ``loss`` is of it.
        cycle: simulated; ``cycle_loss`` is of it.
        loss: of the run's objective.
        cycle_loss: likewise, relative to the simulated baseline.
    """

    genome: Genome
    analytical: Scored
    cycle: Scored
    loss: float
    cycle_loss: float


@dataclass(frozen=True)
class SearchResult:
    """Everything a search found.

    Attributes:
        run: what was searched.
        baselines: the template by the closed forms.
        baselines_cycle: the same, simulated.
        rivals: of ``run.stated_rivals``: (by the closed forms, simulated).
        estimated: (label, by the closed forms) of the rivals that name a dataflow, with their best
            mappings. They are not simulated: where nothing is reused that takes hours.
        top: best designs, best simulated loss first; the first is the winner.
        generations: convergence of the first search.
        repeats: (number of the seed, convergence) of every search, the first included.
        front: evaluations that no other dominates, where the run has several objectives.
        corner: of every objective, the value that hypervolumes are taken up to; empty without.
        scored: mappings scored in full for the distinct designs.
        compared: legal mappings that they were compared with.
        evaluations: distinct designs evaluated.
        drawn: genomes drawn by the optimiser.
        repaired: how many of them had to be repaired to keep the budget.
        mappings: mappings in the tables, over all layers.
        rounds: of simulations on the way.
        correction: of cycles by cause that they led to; None without calibration.
        energy: what energies are multiplied with beside it.
        gaps: of the winner's mapping of each layer of ``run.layers``, see ``Candidate.gap``.
        notes: likewise, what a mapper says of it beside; empty for none.
    """

    run: Run
    baselines: Baselines
    baselines_cycle: Baselines
    rivals: tuple[tuple[Scored, Scored], ...]
    top: tuple[Ranked, ...]
    generations: tuple[Generation, ...]
    evaluations: int
    drawn: int
    repaired: int
    mappings: int
    repeats: tuple[tuple[int, tuple[Generation, ...]], ...] = ()
    front: tuple[Evaluation, ...] = ()
    corner: tuple[float, ...] = ()
    scored: int = 0
    compared: int = 0
    estimated: tuple[tuple[str, Scored], ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    gaps: tuple[float | None, ...] = ()
    notes: tuple[tuple[str, ...], ...] = ()
    rounds: tuple[Round, ...] = ()
    correction: Correction | None = None
    energy: float = 1.0

    @property
    def winner(self) -> Ranked:
        """The best design."""
        return self.top[0]
