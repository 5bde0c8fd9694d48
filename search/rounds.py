"""Rounds of simulations during a search: what is simulated, and how well it was foretold.

Every so many generations some designs are simulated whole, layer by layer with their mappings, and
the correction is fitted to all that was simulated so far. Most of them are the best by the present
correction that no simulation stands for yet. The others are those of the good ones that the fit
learns most of: it is a linear one in the shares of a run that go to each cause, x, so a design adds
log det(M + X^T X) - log det M to what is known, M = sum of x x^T over the points so far (D-optimal
design: Fedorov, Theory of Optimal Experiments, 1972; the variance of a fit is x^T M^-1 x).

Before the fit, the errors of all models on the new points are noted: they were not used in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.mapping import Mapping
from arraysmith.search.alternatives import candidate_of, rehearsed, simulate_mapping
from arraysmith.search.baseline import Baselines
from arraysmith.search.corrected import Costed, Judge
from arraysmith.search.evaluate import (
    Evaluator,
    MappedDesign,
    best_candidates,
    evaluate_design,
    mapped_by,
    rehearsed_layers,
)
from arraysmith.search.found import Round, RoundDesign
from arraysmith.search.ledger import Evaluation, Ledger
from arraysmith.search.refine_corrected import Corrected
from arraysmith.search.rehearsed import Simulated
from arraysmith.search.run import Calibration
from arraysmith.search.space import Genome
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal.plan import steps_of
from arraysmith.sim.analytical.rehearsal.state import CAUSES

Float = NDArray[np.float64]

GOOD_SHARE = 0.1
"""Of the designs that no simulation stands for, the best that may be simulated for what they tell:
this share of them ..."""

GOOD_LEAST = 16
"""... and at least so many."""

TOO_LONG = 8
"""Designs found too long in a round, per design that is simulated, until no more are looked for."""

STATED = -1
"""In place of a variant: the mapping of the original."""

RIDGE = 1e-3
"""Weight of a point in every direction that is taken as known before the first simulation."""


@dataclass
class Rounds:
    """The rounds of a search; see the module.

    Attributes:
        judge: what designs cost.
        evaluator: finds mappings again.
        ledger: gets what was simulated; what it knows is not simulated again.
        executor: simulates.
        calibration: how often, and how many.
        searches: of the run so far, the present one included.
        rounds: made so far.
    """

    judge: Judge
    evaluator: Evaluator
    ledger: Ledger
    executor: Executor
    calibration: Calibration
    searches: int = 0
    rounds: list[Round] = field(default_factory=list)
    _met: dict[Genome, Evaluation] = field(default_factory=dict, repr=False)
    _alike: set[tuple[tuple[float, ...], ...]] = field(default_factory=set, repr=False)

    def begin(self) -> None:
        """Note that the next search of the run begins; it goes on with what is known."""
        self.searches += 1

    def revised(self, evaluation: Evaluation) -> Evaluation:
        """Return an evaluation with the losses that hold now."""
        return self.judge.revised(evaluation)

    @property
    def told(self) -> str:
        """How many designs were simulated, of how many at most where that is known."""
        return self._told(sum(len(x.designs) for x in self.rounds))

    def _told(self, simulated: int) -> str:
        run, every = self.evaluator.run, self.calibration.every
        generations = getattr(run.settings, "generations", None)
        if generations is None:
            return str(simulated)
        return f"{simulated}/{run.repeats * self.calibration.simulate * (generations // every)}"

    def after(
        self, evaluations: Sequence[Evaluation], generation: int, tell: Callable[[str], None]
    ) -> bool:
        """Take in a generation, and make a round when it is time; see ``explore.Correcting``."""
        self._met.update((x.genome, x) for x in evaluations if not math.isinf(x.loss))
        if generation % self.calibration.every or not self._met:
            return False
        self._round(generation, tell)
        return True

    def best_simulated(self) -> Genome | None:
        """Return the design of least loss that was simulated whole; None if none was.

        It has to be among the best in the end, whatever scores say of designs not simulated.
        """
        known = [
            self.revised(self.ledger.evaluations[genome])
            for genome in self.judge.points
            if all(x.simulated for x in self.judge.choice(self.ledger.evaluations[genome]))
        ]
        best = min(known, key=lambda x: (x.loss, x.genome), default=None)
        return None if best is None else best.genome

    @property
    def corrected(self) -> Corrected:
        """The scores that hold now, for what no table holds."""
        judge = self.judge
        return Corrected(judge.correction, judge.energy, self.calibration.mappings, judge.baseline)

    def mapped(self, genome: Genome) -> MappedDesign:
        """Return a design met before with the mappings that it is scored with."""
        design = self.evaluator.run.space.architecture(genome)
        evaluation = self.ledger.evaluations[genome]
        found = tuple(
            self._mapping(genome, layer, costed.row.variant)
            for layer, costed in enumerate(self.judge.choice(evaluation))
        )
        return MappedDesign(design, found)

    def remapped(self, baselines: Baselines) -> Baselines:
        """Return the template with the mappings that the correction prefers.

        So that hardware gains nothing that another mapping of the template would have gained.
        """
        run, template = self.evaluator.run, self.evaluator.run.template
        objective = run.mapper.objective
        tables = self.evaluator.tables
        found = best_candidates(run, tables, template)
        assert found is not None  # without mappings the search does not begin
        rows, _, _ = rehearsed_layers(run, tables, template, objective, found)
        stated = baselines.original.design.mappings
        options = []
        for layer, mapping, mine in zip(run.layers, stated, rows, strict=True):
            report = AnalyticalModel().evaluate(template, layer.problem, mapping)
            row = rehearsed(template, layer.problem, mapping, report, STATED, report.cycles)
            options.append((*mine, row))
        mappings = []
        chosen = self.judge.chosen(options, objective)
        for table, mapping, costed in zip(tables, stated, chosen, strict=True):
            if costed.row.variant == STATED:
                mappings.append(mapping)
                continue
            candidate = candidate_of(table.best, template, objective, costed.row.variant)
            assert candidate is not None  # it was rehearsed
            mappings.append(candidate.mapping)
        design = MappedDesign(template, tuple(mappings))
        model = AnalyticalModel(run.setting)
        return baselines.remapped_as(evaluate_design(model, design, run.layers))

    def _mapping(self, genome: Genome, layer: int, variant: int) -> Mapping:
        run = self.evaluator.run
        find = self.evaluator.finders(genome)[layer].best
        found = candidate_of(find, run.space.architecture(genome), mapped_by(run, genome), variant)
        assert found is not None  # it was rehearsed
        return found.mapping

    def _round(self, generation: int, tell: Callable[[str], None]) -> None:
        settings = self.calibration
        ranked = self._ranked()
        good = ranked[: max(GOOD_LEAST, math.ceil(GOOD_SHARE * len(ranked)))]
        too_long: set[Genome] = set()
        picked: list[_Picked] = []
        best = settings.simulate - settings.informative
        self._pick("best", iter(ranked), best, picked, too_long)
        self._pick("informative", self._telling(good, picked), settings.simulate, picked, too_long)
        designs = self._simulated(picked, tell)
        found = Round(
            search=self.searches,
            generation=generation,
            points=sum(map(len, self.judge.points.values())),
            designs=tuple(designs),
            too_long=len(too_long),
        )
        self.rounds.append(found)
        for pick in picked:
            self.judge.learn(pick.evaluation.genome, pick.layers)
        if picked:
            self.judge.fit(self._met)

    def _ranked(self) -> list[Evaluation]:
        """Return what no simulation stands for, the best first.

        What rehearses alike in every cause simulates alike: of such designs the best one is here,
        or none when one was simulated.
        """
        found: dict[tuple[tuple[float, ...], ...], Evaluation] = {}
        for x in sorted(self._met.values(), key=lambda x: (self.judge.revised(x).loss, x.genome)):
            found.setdefault(self._rehearsal(x), x)
        return [x for alike, x in found.items() if alike not in self._alike]

    def _rehearsal(self, evaluation: Evaluation) -> tuple[tuple[float, ...], ...]:
        """Return what was rehearsed of the mappings that a design has now."""
        return tuple(x.row.said for x in self.judge.choice(evaluation))

    def _pick(
        self,
        why: str,
        ranked: Iterator[Evaluation],
        upto: int,
        picked: list[_Picked],
        too_long: set[Genome],
    ) -> None:
        """Add designs in their order until there are ``upto``, as far as they are short enough."""
        run, most = self.evaluator.run, self.calibration.most_steps
        limit = TOO_LONG * self.calibration.simulate
        for evaluation in ranked:
            if len(picked) >= upto or len(too_long) >= limit:
                return
            genome, costs = evaluation.genome, self.judge.choice(evaluation)
            if any(x.evaluation is evaluation for x in picked) or genome in too_long:
                continue
            design = run.space.architecture(genome)
            tasks = []
            for layer, costed in enumerate(costs):
                mapping = self._mapping(genome, layer, costed.row.variant)
                if steps_of(design, run.layers[layer].problem, mapping) <= most:
                    tasks.append((layer, costed, mapping))
            if len(tasks) < len(costs):
                too_long.add(genome)
            if tasks:
                self._alike.add(self._rehearsal(evaluation))
                picked.append(_Picked(evaluation, why, tuple(tasks)))

    def _telling(
        self, good: Sequence[Evaluation], picked: Sequence[_Picked]
    ) -> Iterator[Evaluation]:
        """Yield the good designs by what they tell beyond all points and ``picked``, anew each."""
        known = RIDGE * np.eye(len(CAUSES))
        for genome, layers in self.judge.points.items():
            options = self._met[genome].options
            for layer, variant in layers:
                row = next(x for x in options[layer] if x.variant == variant)
                known += _information([row.said])
        for pick in picked:
            known += _information([costed.row.said for _, costed, _ in pick.tasks])
        left = {x.genome: x for x in good}
        shares = {x.genome: [costed.row.said for costed in self.judge.choice(x)] for x in good}
        while left:
            gains = {x: _gain(known, shares[x]) for x in left}
            genome = max(gains, key=lambda x: gains[x])
            chosen, before = left.pop(genome), len(picked)
            yield chosen
            if len(picked) > before:
                known += _information(shares[genome])

    def _simulated(
        self, picked: Sequence[_Picked], tell: Callable[[str], None]
    ) -> Iterator[RoundDesign]:
        """Simulate what was picked, as far as the ledger does not know it, and record it."""
        run = self.evaluator.run
        waiting = []
        for pick in picked:
            genome = pick.evaluation.genome
            known = self.ledger.simulated.get(genome, {})
            design = run.space.architecture(genome)
            waiting.append(
                None
                if all((layer, costed.row.variant) in known for layer, costed, _ in pick.tasks)
                else [
                    self.executor.submit(
                        simulate_mapping,
                        design,
                        run.layers[layer].problem,
                        mapping,
                        layer,
                        costed.row.variant,
                    )
                    for layer, costed, mapping in pick.tasks
                ]
            )
        done = sum(len(x.designs) for x in self.rounds)
        for number, (pick, futures) in enumerate(zip(picked, waiting, strict=True), start=1):
            genome = pick.evaluation.genome
            if futures is not None:
                self.ledger.append_simulated(genome, [x.result() for x in futures])
            known = self.ledger.simulated[genome]
            pick.layers += [known[layer, costed.row.variant] for layer, costed, _ in pick.tasks]
            tell(self._told(done + number))
            yield self._told_of(pick)

    def _told_of(self, pick: _Picked) -> RoundDesign:
        """Return what all models say of a design that was simulated, before the fit."""
        run = self.evaluator.run
        repeats = [run.layers[layer].repeat for layer, _, _ in pick.tasks]

        def summed(cycles: Callable[[Costed], int]) -> int:
            pairs = zip(repeats, pick.tasks, strict=True)
            return sum(repeat * cycles(costed) for repeat, (_, costed, _) in pairs)

        points = zip(repeats, pick.layers, strict=True)
        return RoundDesign(
            genome=pick.evaluation.genome,
            why=pick.why,
            layers=tuple(layer for layer, _, _ in pick.tasks),
            closed=summed(lambda x: x.row.closed),
            rehearsed=summed(lambda x: max(x.row.least, round(sum(x.row.said)))),
            corrected=summed(lambda x: self.judge.costed(x.row).cycles),
            simulated=sum(repeat * point.total for repeat, point in points),
        )


@dataclass
class _Picked:
    """A design to simulate.

    Attributes:
        evaluation: of it.
        why: ``best`` or ``informative``.
        tasks: (number of the layer, its mapping as costed, the mapping) of what is short enough.
        layers: what the simulation said.
    """

    evaluation: Evaluation
    why: str
    tasks: tuple[tuple[int, Costed, Mapping], ...]
    layers: list[Simulated] = field(default_factory=list)


def _shares(said: Sequence[Sequence[float]]) -> Float:
    """Return float64 [n, causes], the share of each run that goes to each cause."""
    rows = np.array(said, np.float64)
    shares: Float = rows / rows.sum(axis=1, keepdims=True)
    return shares


def _information(said: Sequence[Sequence[float]]) -> Float:
    shares = _shares(said)
    found: Float = shares.T @ shares
    return found


def _gain(known: Float, said: Sequence[Sequence[float]]) -> float:
    """Return by how much runs add to the logarithm of the determinant of what is known."""
    shares = _shares(said)
    inner = np.eye(len(shares)) + shares @ np.linalg.solve(known, shares.T)
    return round(float(np.linalg.slogdet(inner)[1]), 9)
