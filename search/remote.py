"""Scoring of genomes in other processes: a worker makes the evaluator for itself and keeps it.

What travels is the run, not its tables: they follow from it, and a worker that starts in the middle
of a search makes them again.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

import numpy as np

from arraysmith.arch.dataflow import Dataflow
from arraysmith.search.evaluate import Evaluator, Finder
from arraysmith.search.finders import finders
from arraysmith.search.ledger import Evaluation
from arraysmith.search.objective import Cost
from arraysmith.search.run import Run
from arraysmith.search.space import Genome

_KEPT: dict[str, Evaluator] = {}
_LOCK = threading.Lock()


def make_evaluator(
    run: Run,
    seed: np.random.SeedSequence,
    baseline: Cost,
    *,
    threads: int,
    done: Callable[[], None] = lambda: None,
) -> Evaluator:
    """Return the evaluator of a run.

    Args:
        run: the search.
        seed: of tables and mappers.
        baseline: what losses are relative to.
        threads: to build tables with.
        done: called after each layer.
    """
    found: dict[Dataflow, tuple[Finder, ...]] = {}
    for choice, dataflow in ((None, run.dataflow), *run.dataflows):
        if dataflow not in found:
            # Anew from its entropy: spawning from one seed twice would give other children.
            again = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key)
            layers = []
            for finder in finders(run, again, threads=threads, choice=choice):
                layers.append(finder)
                done()
            found[dataflow] = tuple(layers)
    named = {name: found[dataflow] for name, dataflow in run.dataflows}
    return Evaluator(run, found[run.dataflow], baseline, named)


@dataclass(frozen=True)
class Job:
    """What a worker needs to make an evaluator.

    Attributes:
        content: pickled run, seed and baseline.
        key: digest of the content.
    """

    content: bytes
    key: str = field(default="")

    @classmethod
    def of(cls, run: Run, seed: np.random.SeedSequence, baseline: Cost) -> Job:
        """Return the job of a search."""
        content = pickle.dumps((run, (seed.entropy, seed.spawn_key), baseline))
        return cls(content, hashlib.sha256(content).hexdigest())


def evaluate(job: Job, genomes: Sequence[Genome]) -> list[Evaluation]:
    """Return the evaluations of genomes, in their order; runs in a worker."""
    with _LOCK:
        if job.key not in _KEPT:
            run, (entropy, spawn_key), baseline = pickle.loads(job.content)  # noqa: S301  # our own
            _KEPT.clear()
            seed = np.random.SeedSequence(entropy, spawn_key=spawn_key)
            _KEPT[job.key] = make_evaluator(run, seed, baseline, threads=1)
    evaluator = _KEPT[job.key]
    return [evaluator.evaluate(genome) for genome in genomes]


def evaluate_apart(
    executor: Executor, job: Job, genomes: Sequence[Genome], parts: int
) -> list[Evaluation]:
    """Return the evaluations of genomes by the workers of an executor, in the order of genomes."""
    size = max(1, -(-len(genomes) // max(1, parts)))
    chunks = [genomes[i : i + size] for i in range(0, len(genomes), size)]
    futures = [executor.submit(evaluate, job, chunk) for chunk in chunks]
    return [evaluation for future in futures for evaluation in future.result()]
