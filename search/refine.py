"""Better mappings for the best designs, and what is proven of them.

Tables hold a sample of the mappings whose tiles divide. Before the best designs are simulated,
the genetic mapper goes on from what the table found for every layer: tiles that do not divide keep
more PEs busy. Of the winner, the exact mapper then says how far every layer may be above the best
mapping whose tiles divide, and finds a better one where there is one within its effort. The
template's best mappings get the same, so that no gain of mapping counts as one of hardware.

A calibrated search refines by its corrected scores (``refine_corrected``), and proves nothing: what
bounds closed forms from below does not bound those.

Efforts are counted in mappings and nodes, not in seconds, and every layer of every design draws
from a generator of its own: the result depends on the run alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.mapping import Mapping
from arraysmith.search.evaluate import MappedDesign, Scored, evaluate_design
from arraysmith.search.explore import Progress
from arraysmith.search.mappers.base import LayerTask
from arraysmith.search.objective import Cost, Objective
from arraysmith.search.refine_corrected import Corrected, refine_corrected
from arraysmith.search.run import Run
from arraysmith.search.run_spec import TABLE
from arraysmith.search.space import DATAFLOW, Genome
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.ports import Model

NODES_PER_MAPPING = 100
"""Partial mappings that cost as much time as a mapping that is scored, about."""

GROWTH = 1.1
"""Of the bands of the exact mapper: a good mapping is known, so few bands waste little."""

ROUNDING = 1e-9
"""Gaps below are those of sums in another order."""

Bounds = tuple[float | None, ...]
"""Least loss of each layer; None where nothing is known."""

T = TypeVar("T")


@dataclass(frozen=True)
class Chosen:
    """A mapped design with the dataflow of each of its layers.

    Attributes:
        design: with its mappings.
        dataflows: of each layer of ``Run.layers``.
    """

    design: MappedDesign
    dataflows: tuple[Dataflow, ...]

    @classmethod
    def of(cls, run: Run, scored: Scored, genome: Genome | None = None) -> Chosen:
        """Return a design of the search; without a genome under the run's own dataflow."""
        choice = None if genome is None else run.space.mapping(genome).get(DATAFLOW)
        flows = (run.dataflow_of(layer.problem, choice) for layer in run.layers)
        return cls(scored.design, tuple(flows))


@dataclass(frozen=True)
class Refiner:
    """Finds better mappings of designs.

    Attributes:
        run: the search.
        model: that losses are of.
        baseline: what losses are relative to.
        executor: where layers are done, one task each.
        entropy: of everything random.
        progress: hears of every layer.
        corrected: the scores of a calibrated search; None without a calibration.
    """

    run: Run
    model: Model
    baseline: Cost
    executor: Executor
    entropy: tuple[int, ...]
    progress: Progress
    corrected: Corrected | None = None

    @property
    def active(self) -> bool:
        """Whether the run maps by tables, which other mappers may better."""
        return self.run.mapper.name == TABLE

    def refined(self, chosen: Sequence[Chosen]) -> list[Scored]:
        """Return designs with mappings that are better or the same; as they are where not asked."""
        evaluations = self.run.mapper.refine
        futures: list[list[Future[Mapping]]] = []
        refine = refine_layer
        if self.corrected is not None:
            refine = partial(refine_corrected, by=self.corrected)
        if self.active and evaluations:
            self.progress.stage("refining", len(chosen) * len(self.run.layers), "layer")
            for x in chosen:
                pairs = zip(self._tasks(x, evaluations), x.design.mappings, strict=True)
                futures.append(
                    [
                        self.executor.submit(refine, task, mapping, self._seed(i, task))
                        for i, (task, mapping) in enumerate(pairs)
                    ]
                )
        found = []
        for x, layers in zip(chosen, futures or [[]] * len(chosen), strict=True):
            mappings = [self._done(future) for future in layers] or x.design.mappings
            found.append(self._better(x.design, mappings))
        return found

    def proven(self, chosen: Sequence[Chosen]) -> list[tuple[Scored, Bounds]]:
        """Return designs with mappings that are better or the same, and the bounds of their layers.

        No mapping whose tiles divide has less loss, by the mapping objective, than its bound.
        """
        nodes = self.run.mapper.prove
        if not self.active or not nodes or self.corrected is not None:
            none = (None,) * len(self.run.layers)
            return [(self._better(x.design, x.design.mappings), none) for x in chosen]
        self.progress.stage("proofs", len(chosen) * len(self.run.layers), "layer")
        evaluations = max(1, nodes // NODES_PER_MAPPING)
        futures = [
            [
                self.executor.submit(prove_layer, task, mapping, nodes)
                for task, mapping in zip(
                    self._tasks(x, evaluations), x.design.mappings, strict=True
                )
            ]
            for x in chosen
        ]
        found = []
        for x, layers in zip(chosen, futures, strict=True):
            answers = [self._done(future) for future in layers]
            mappings = [mapping for mapping, _ in answers]
            found.append((self._better(x.design, mappings), tuple(bound for _, bound in answers)))
        return found

    def loss(self, scored: Scored) -> float:
        """Return the loss of a design, as the search had it at its end."""
        if self.corrected is not None:
            return self.corrected.loss(self.run, scored.design)
        return self.run.objective.loss(scored.total, self.baseline)

    def _done(self, future: Future[T]) -> T:
        result = future.result()
        self.progress.step()
        return result

    def _tasks(self, chosen: Chosen, evaluations: int) -> list[LayerTask]:
        run = self.run
        return [
            LayerTask(
                chosen.design.architecture,
                layer.problem,
                dataflow,
                run.setting,
                run.mapper.objective,
                evaluations,
            )
            for layer, dataflow in zip(run.layers, chosen.dataflows, strict=True)
        ]

    def _seed(self, layer: int, task: LayerTask) -> tuple[int, ...]:
        digest = hashlib.sha256(repr((task.architecture, task.dataflow)).encode()).digest()
        return (*self.entropy, layer, *np.frombuffer(digest, np.uint32).tolist())

    def _better(self, design: MappedDesign, mappings: Sequence[Mapping]) -> Scored:
        """Return the design with the new mappings, or as it was if the whole loses by them.

        Layers are mapped one by one: each has less of its own loss, the network almost always.
        """
        before = evaluate_design(self.model, design, self.run.layers)
        other = MappedDesign(design.architecture, tuple(mappings))
        if other == design:
            return before
        after = evaluate_design(self.model, other, self.run.layers)
        return after if self.loss(after) <= self.loss(before) else before


def gaps_of(run: Run, scored: Scored, bounds: Bounds) -> tuple[float | None, ...]:
    """Return how far each layer's loss is above its bound, relative to it; None where unknown."""
    rank = Objective(run.mapper.objective)
    found: list[float | None] = []
    for report, bound in zip(scored.layers, bounds, strict=True):
        gap = None if not bound else rank.loss(report, report) / bound - 1
        found.append(0.0 if gap is not None and gap < ROUNDING else gap)
    return tuple(found)


def refine_layer(task: LayerTask, known: Mapping, entropy: tuple[int, ...]) -> Mapping:
    """Return the best mapping that the genetic mapper finds, beginning with a known one."""
    # Here, not above: only the best designs are refined, and kernels take time to load.
    from arraysmith.search.mappers.genetic import GeneticMapper, GeneticMapperSettings

    mapper = GeneticMapper(GeneticMapperSettings(bypass=False))
    found = mapper.find(task, np.random.default_rng(entropy), known=[known])
    return known if found.mapping is None else _least(task, known, found.mapping)


def prove_layer(task: LayerTask, known: Mapping, nodes: int) -> tuple[Mapping, float | None]:
    """Return a mapping and the bound of all, see ``Refiner.proven``.

    Args:
        task: its evaluations limit the effort.
        known: a legal mapping.
        nodes: partial mappings to look at, at most.
    """
    from arraysmith.search.mappers.exact import Exact, ExactSettings

    mapper = Exact(ExactSettings(nodes=nodes, growth=GROWTH))
    found = mapper.find(task, np.random.default_rng(0), known=[known])
    assert found.mapping is not None  # at least the known one
    return _least(task, known, found.mapping), found.bound


def _least(task: LayerTask, known: Mapping, other: Mapping) -> Mapping:
    """Return the better one; the known one where both are as good."""
    model, rank = AnalyticalModel(task.setting), Objective(task.objective)
    old, new = (model.evaluate(task.architecture, task.problem, x) for x in (known, other))
    before, after = rank.loss(old, old), rank.loss(new, new)
    return other if (after, new.edp_j_cycles) < (before, old.edp_j_cycles) else known
