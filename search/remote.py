"""Scoring of genomes in other processes: a worker gets or makes the evaluator once and keeps it.

Processes of one machine read it from a file. To a cluster only the run travels: its tables follow
from it, and a worker that starts in the middle of a search makes them again.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

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
    """What a worker needs to score genomes; exactly one of content and file.

    Attributes:
        key: tells jobs apart.
        content: pickled run, seed and baseline, to make an evaluator of.
        file: path of a pickled evaluator on this machine.
    """

    key: str
    content: bytes = b""
    file: str = ""

    @classmethod
    def travelling(cls, run: Run, seed: np.random.SeedSequence, baseline: Cost) -> Job:
        """Return the job of a search for workers on other machines."""
        content = pickle.dumps((run, (seed.entropy, seed.spawn_key), baseline))
        return cls(hashlib.sha256(content).hexdigest(), content=content)

    @classmethod
    def stored(cls, evaluator: Evaluator, folder: Path) -> Job:
        """Return the job of a search for processes of this machine, as long as ``folder`` is."""
        path = folder / "evaluator"
        path.write_bytes(pickle.dumps(evaluator))
        return cls(str(path), file=str(path))

    def evaluator(self) -> Evaluator:
        """Return the evaluator, made or read anew."""
        # Both are what this program pickled itself, in this run.
        if self.file:
            stored: Evaluator = pickle.loads(Path(self.file).read_bytes())  # noqa: S301  (our own)
            return stored
        run, (entropy, spawn_key), baseline = pickle.loads(self.content)  # noqa: S301  (our own)
        seed = np.random.SeedSequence(entropy, spawn_key=spawn_key)
        return make_evaluator(run, seed, baseline, threads=1)


def evaluate(job: Job, genomes: Sequence[Genome]) -> list[Evaluation]:
    """Return the evaluations of genomes, in their order; runs in a worker."""
    with _LOCK:
        if job.key not in _KEPT:
            _KEPT.clear()
            _KEPT[job.key] = job.evaluator()
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
