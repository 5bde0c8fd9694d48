"""Calibration of the analytical model by itself: sample, simulate, fit, tell the error of the fit.

Whole layers are held out: neither they nor their mappings are used in the fit, and all errors are
of them. The order of mappings counts within a layer, because designs are compared on one.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.dataflow import Dataflow
from arraysmith.arch.errors import Fault, InputError
from arraysmith.arch.loader import mapping_document
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Problem
from arraysmith.search.calibration_points import Key, PointLedger
from arraysmith.search.calibration_sample import Drawn, Measured, draw, measure
from arraysmith.sim.analytical.rehearsal.state import CAUSES
from arraysmith.sim.calibration import (
    Correction,
    calibration_document,
)
from arraysmith.sim.provenance import problem_document, provenance
from arraysmith.sim.ranking import kendall_tau

Float = NDArray[np.float64]

MODELS = ("closed forms", "rehearsal", "calibrated")
"""What errors are told of; the closed forms with their first fill and last drain."""


@dataclass(frozen=True)
class Sampling:
    """Everything that decides a calibration.

    Attributes:
        architecture: the design, a spatial one.
        problems: layers that differ; at least two.
        dataflow: what mappings may look like; None for anything.
        samples: mappings of a layer.
        most_steps: steps that a simulation may take.
        held_out: share of the layers that is not used in the fit, above 0 and below 1.
        seed: of the mappings and of the layers held out.
    """

    architecture: Architecture
    problems: tuple[Problem, ...]
    dataflow: Dataflow | None
    samples: int
    most_steps: int
    held_out: float
    seed: int

    def __post_init__(self) -> None:
        faults = []
        if self.architecture.systolic:
            rule = "a systolic array has one mapping per dataflow: nothing to sample"
            faults.append(Fault("ARCH", self.architecture.name, rule, "name a spatial design"))
        if len(self.problems) < 2:
            names = ", ".join(x.name for x in self.problems)
            rule = "whole layers are held out: at least two that differ are needed"
            faults.append(Fault("--workload", names, rule, "name a network, or more layers"))
        if not 0 < self.held_out < 1:
            rule = "is a share of the layers, above 0 and below 1"
            faults.append(Fault("--held-out", str(self.held_out), rule, "for example 0.3"))
        if faults:
            raise InputError(faults)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the layers; those of several networks that share one are numbered."""
        seen: dict[str, int] = {}
        found = []
        for problem in self.problems:
            seen[problem.name] = seen.get(problem.name, 0) + 1
            again = seen[problem.name]
            found.append(problem.name if again == 1 else f"{problem.name} ({again})")
        return tuple(found)

    def document(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "layers": [problem_document(x) for x in self.problems],
            "dataflow": self.dataflow and asdict(self.dataflow),
            "samples": self.samples,
            "most_steps": self.most_steps,
            "held_out": self.held_out,
        }

    def provenance(self) -> dict[str, Any]:
        """Return where the result comes from."""
        return provenance(
            self.architecture,
            model="calibration",
            setting="default",
            seed=self.seed,
            **self.document(),
        )

    def digest(self) -> str:
        """Return the SHA-256 of all of it, in hexadecimal: equal digests, equal results."""
        text = json.dumps(self.provenance(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def held_out_layers(self) -> frozenset[int]:
        """Return the numbers of the layers that are not used in the fit: at least one, not all."""
        layers = len(self.problems)
        many = min(max(1, round(self.held_out * layers)), layers - 1)
        rng = np.random.default_rng(np.random.SeedSequence(self.seed).spawn(layers + 1)[-1])
        return frozenset(rng.permutation(layers)[:many].tolist())

    def draw(self) -> tuple[Drawn, ...]:
        """Return the mappings of every layer.

        Raises:
            InputError: a layer has fewer than two that are short enough.
        """
        seeds = np.random.SeedSequence(self.seed).spawn(len(self.problems))
        found = tuple(
            draw(self.architecture, x, self.dataflow, self.samples, self.most_steps, seed)
            for x, seed in zip(self.problems, seeds, strict=True)
        )
        rule = f"fewer than two mappings of at most {self.most_steps:,} steps were drawn"
        faults = [
            Fault("--workload", x.name, rule, "raise --most-steps, or name smaller layers")
            for x, drawn in zip(self.problems, found, strict=True)
            if len(drawn.mappings) < 2
        ]
        if faults:
            raise InputError(faults)
        return found


def calibrate(
    sampling: Sampling,
    out: Path,
    executor: Executor,
    begin: Callable[[int], None],
    step: Callable[[], None],
    ahead: int = 1,
) -> dict[str, Any]:
    """Calibrate into the file ``out`` and return its content.

    The result depends on the sampling alone. What was simulated stands in a ledger beside the file
    until that is complete; the same call goes on with it.

    Args:
        sampling: what to do.
        out: file; must not exist, its folder must.
        executor: measures mappings.
        begin: told how many mappings there are.
        step: called after each.
        ahead: mappings handed to the executor at a time; changes nothing but the time.

    Raises:
        InputError: ``out`` exists or has no folder, the ledger is of another calibration, or too
            few mappings can be simulated.
    """
    if out.exists():
        raise InputError([Fault("--out", str(out), "exists", "remove it, or name another file")])
    if not out.parent.is_dir():
        raise InputError([Fault("--out", str(out), "its folder does not exist", "make it")])
    drawn = sampling.draw()
    begin(sum(len(x.mappings) for x in drawn))
    with PointLedger(out, sampling.digest()) as ledger:
        _measure(sampling, drawn, ledger, executor, step, ahead)
        points = [
            [ledger.known[layer, m] for m in range(len(x.mappings))]
            for layer, x in enumerate(drawn)
        ]
        document = document_of(sampling, drawn, points)
        part = out.with_name(out.name + ".part")
        part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        part.replace(out)
        ledger.remove()
    return document


def _measure(
    sampling: Sampling,
    drawn: Sequence[Drawn],
    ledger: PointLedger,
    executor: Executor,
    step: Callable[[], None],
    ahead: int,
) -> None:
    """Measure what the ledger does not hold, in order."""
    tasks: list[tuple[Key, Mapping]] = [
        ((layer, m), mapping)
        for layer, x in enumerate(drawn)
        for m, mapping in enumerate(x.mappings)
    ]
    missing = []
    for key, mapping in tasks:
        if key in ledger.known:
            step()
        else:
            missing.append((key, mapping))
    under_way: deque[tuple[Key, Future[Measured]]] = deque()

    def take() -> None:
        key, future = under_way.popleft()
        ledger.append(key, future.result())
        step()

    for key, mapping in missing:
        problem = sampling.problems[key[0]]
        under_way.append((key, executor.submit(measure, sampling.architecture, problem, mapping)))
        if len(under_way) >= ahead:
            take()
    while under_way:
        take()


def document_of(
    sampling: Sampling, drawn: Sequence[Drawn], points: Sequence[Sequence[Measured]]
) -> dict[str, Any]:
    """Return the content of the file: fit, errors, training set and where they come from."""
    apart = sampling.held_out_layers()
    training = [rows for layer, rows in enumerate(points) if layer not in apart]
    correction = Correction.fitted(
        [np.array([x.said for x in rows], np.float64) for rows in training],
        [np.array([x.measured for x in rows], np.float64) for rows in training],
    )
    names = sampling.names
    return {
        **calibration_document(sampling.architecture, correction),
        "trained": {
            "layers": [x for i, x in enumerate(names) if i not in apart],
            **errors_of([x for i, x in enumerate(points) if i not in apart], correction),
        },
        "held_out": {
            "layers": [x for i, x in enumerate(names) if i in apart],
            **errors_of([x for i, x in enumerate(points) if i in apart], correction),
        },
        "layers": [
            {
                "layer": name,
                "held_out": i in apart,
                "too_long": x.too_long,
                **errors_of([rows], correction),
            }
            for i, (name, x, rows) in enumerate(zip(names, drawn, points, strict=True))
        ],
        "points": [
            {
                "layer": name,
                "held_out": i in apart,
                "mapping": mapping_document(mapping)["levels"],
                **point.to_dict(),
            }
            for i, (name, x, rows) in enumerate(zip(names, drawn, points, strict=True))
            for mapping, point in zip(x.mappings, rows, strict=True)
        ],
        "causes": list(CAUSES),
        "provenance": sampling.provenance(),
    }


def errors_of(layers: Sequence[Sequence[Measured]], correction: Correction) -> dict[str, Any]:
    """Return how far the models are from the simulator on some layers, as plain data.

    Per model: mean, 90th percentile and largest absolute error relative to the cycles simulated,
    the share of mappings within 3 %, and Kendall's tau over the mappings of each layer. Per cause:
    mean share of the cycles simulated, and mean absolute error before and after in that unit.
    """
    rows = [x for layer in layers for x in layer]
    said = np.array([x.said for x in rows], np.float64)
    measured = np.array([x.measured for x in rows], np.float64)
    totals = measured.sum(axis=1)
    closed = np.array([x.closed for x in rows], np.float64)
    fixed = correction.cycles(said)
    models = (
        closed + np.array([x.edges for x in rows]),
        np.maximum(said.sum(axis=1), closed),
        np.maximum(fixed.sum(axis=1), closed),
    )
    ends = np.cumsum([len(layer) for layer in layers])[:-1]
    found: dict[str, Any] = {"mappings": len(rows), "models": {}, "by_cause": {}}
    for name, cycles in zip(MODELS, models, strict=True):
        error = np.abs(cycles / totals - 1)
        found["models"][name] = {
            "mean_error": float(error.mean()),
            "p90_error": float(np.quantile(error, 0.9)),
            "max_error": float(error.max()),
            "within_3_percent": float((error <= 0.03).mean()),
            "kendall_tau": kendall_tau(np.split(cycles, ends), np.split(totals, ends)),
        }
    for c, cause in enumerate(CAUSES):
        found["by_cause"][cause] = {
            "share": float((measured[:, c] / totals).mean()),
            "rehearsal_error": float((np.abs(said[:, c] - measured[:, c]) / totals).mean()),
            "calibrated_error": float((np.abs(fixed[:, c] - measured[:, c]) / totals).mean()),
        }
    return found
