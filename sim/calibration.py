"""Closed forms corrected by what a simulator measured: a linear model per cause, fitted once.

A rehearsal (``sim.analytical.rehearsal``) says how many cycles go to what. The correction takes its
cycles by cause and gives those of each cause as a sum of them: near the identity, because the fit
pays for every step away from it; and cycles that the two models blame on different causes move
between them. Computing stays as it is: both models count it exactly.

Fitted on one design, a correction says nothing of another one, and is refused for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arraysmith.arch.architecture import Architecture, Memory
from arraysmith.arch.errors import ArraysmithError, Fault, InputError
from arraysmith.arch.loader import architecture_document
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import TENSORS, Problem
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.sim.analytical.rehearsal.run import rehearse
from arraysmith.sim.analytical.rehearsal.state import CAUSES
from arraysmith.sim.ranking import kendall_tau
from arraysmith.sim.report import EDGES, Report

Float = NDArray[np.float64]

KIND = "calibration"
SCHEMA = 1
"""Version of the file format."""

MOST_WEIGHT = 1_000_000
"""Most that one cycle of a cause may count for another one, in a file: more is damage."""

PULLS = (1.0, 0.1, 0.01, 0.001)
"""How strongly a fit may hold to the identity, in whole runs of a cause per run it is fitted on;
most strongly first."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Cycles of each cause, as a sum over those that a rehearsal says.

    Attributes:
        weights: per cause of ``CAUSES``, what a cycle of each cause counts for it; ``compute``
            counts for itself alone.
    """

    weights: tuple[tuple[float, ...], ...]

    @classmethod
    def none(cls) -> Correction:
        """Return the correction that leaves everything as it is."""
        return cls(tuple(tuple(row) for row in np.eye(len(CAUSES)).tolist()))

    @classmethod
    def fitted(cls, said: Sequence[Float], measured: Sequence[Float]) -> Correction:
        """Return the correction of least squares relative to the cycles measured.

        How strongly it holds to the identity is decided on layers that are left out, one after the
        other; of one layer there is no correction. What orders their mappings worse than no
        correction is out. Of the rest, the one that holds most is taken, no correction first, whose
        error there is within one standard error of the least: to be better by less may be chance,
        and costs the order of mappings that differ little. (The one-standard-error rule: Breiman,
        Friedman, Olshen, Stone, *Classification and Regression Trees*, 1984, section 3.4.3.)

        Args:
            said: per layer float64 [n, causes], of rehearsals.
            measured: per layer float64 [n, causes], of simulations of the same.
        """
        if len(said) < 2:
            return cls.none()
        plain = [cls.none()] * len(said)
        order = _order(plain, said, measured)
        pulls: list[float | None] = [None]
        errors = [_errors(plain, said, measured)]
        for pull in PULLS:
            fits = []
            for i in range(len(said)):
                rest = [k for k in range(len(said)) if k != i]
                fits.append(cls._pulled([said[k] for k in rest], [measured[k] for k in rest], pull))
            if _order(fits, said, measured) >= order:
                pulls.append(pull)
                errors.append(_errors(fits, said, measured))
        least = min(errors, key=lambda x: float(x.mean()))
        near = [x.mean() <= x.std(ddof=1) / np.sqrt(len(x)) for x in (e - least for e in errors)]
        chosen = pulls[near.index(True)]
        return cls.none() if chosen is None else cls._pulled(said, measured, chosen)

    @classmethod
    def _pulled(cls, said: Sequence[Float], measured: Sequence[Float], pull: float) -> Correction:
        totals = np.concatenate(measured).sum(axis=1, keepdims=True)
        x, y = np.concatenate(said) / totals, np.concatenate(measured) / totals
        hold = pull * len(x) * np.eye(len(CAUSES))
        weights = np.linalg.solve(x.T @ x + hold, x.T @ y + hold).T
        weights[0] = np.eye(len(CAUSES))[0]
        return cls(tuple(tuple(row) for row in weights.tolist()))

    def cycles(self, said: Float) -> Float:
        """Return float64 [n, causes], corrected; no cause is negative.

        Args:
            said: float64 [n, causes], of rehearsals.
        """
        found: Float = np.maximum(said @ np.array(self.weights).T, 0.0)
        return found


def _errors(
    corrections: Sequence[Correction], said: Sequence[Float], measured: Sequence[Float]
) -> Float:
    """Return float64 [layers], mean absolute error of cycles as a share of them.

    Args:
        corrections: one per layer, as the other two.
        said: see ``Correction.fitted``.
        measured: see there.
    """
    parts = zip(corrections, said, measured, strict=True)
    return np.array([np.abs(c.cycles(x).sum(1) / y.sum(1) - 1).mean() for c, x, y in parts])


def _order(
    corrections: Sequence[Correction], said: Sequence[Float], measured: Sequence[Float]
) -> float:
    """Return Kendall's tau over the mappings of each layer; arguments as of ``_errors``."""
    found = [c.cycles(x).sum(1) for c, x in zip(corrections, said, strict=True)]
    tau = kendall_tau(found, [x.sum(1) for x in measured])
    return 1.0 if tau is None else tau


@dataclass(frozen=True)
class CalibratedModel:
    """The analytical model with its cycles corrected; a model like the others.

    Attributes:
        correction: of the design.

    Stall causes are those of ``rehearsal.CAUSES``. First fill and last drain count, as in the
    simulator.
    """

    correction: Correction = field(default_factory=Correction.none)

    def evaluate(self, architecture: Architecture, problem: Problem, mapping: Mapping) -> Report:
        """Return the cost; fidelity ``calibrated``.

        Raises:
            IllegalMappingError: naming every rule that is broken.
            ArraysmithError: a systolic array, whose closed forms have other causes.
        """
        if architecture.systolic:
            raise ArraysmithError(f"{architecture.name}: no calibration of a systolic array")
        report = AnalyticalModel().evaluate(architecture, problem, mapping)
        said = rehearse(architecture, problem, mapping, report).cycles
        return corrected(report, said, self.correction)


def corrected(report: Report, said: Sequence[float], correction: Correction) -> Report:
    """Return a Report of the analytical model with corrected cycles, and leakage over them.

    Never fewer than its closed forms say: they bound every run from below.

    Args:
        report: of the analytical model, default setting.
        said: cycles by cause of the rehearsal.
        correction: of its design.
    """
    cycles = [round(x) for x in correction.cycles(np.array([said]))[0]]
    short = report.cycles - report.compute_cycles - sum(cycles[1:])
    if short > 0:
        cycles[_slowest(report)] += short
    stalls = tuple((c, n) for c, n in zip(CAUSES[1:], cycles[1:], strict=True) if n)
    total = report.compute_cycles + sum(n for _, n in stalls)
    longer = total / report.cycles
    return replace(
        report,
        fidelity="calibrated",
        stalls=stalls,
        uncounted=tuple(x for x in report.uncounted if x[0] not in EDGES),
        leakage_energy_pj=report.leakage_energy_pj * longer,
        leakage=tuple((name, energy_pj * longer) for name, energy_pj in report.leakage),
    )


def _slowest(report: Report) -> int:
    """Return the cause that binds in the closed forms."""
    part = max(report.balance, key=lambda x: x.cycles).part
    if part == report.balance[1].part:  # computing first, then the off-chip memory
        return CAUSES.index("offchip")
    networks = {x.network for x in report.traffic}
    return CAUSES.index("networks" if part in networks else "ports")


def cycles_by_cause(architecture: Architecture, report: Report) -> tuple[int, ...]:
    """Return the cycles of a simulated run by ``CAUSES``.

    Raises:
        ArraysmithError: a stall cause that is none of the simulator's.
    """
    found = dict.fromkeys(CAUSES, 0)
    found["compute"] = report.compute_cycles
    known = {f"offchip_{tensor}": "offchip" for tensor in TENSORS}
    known |= {f"bank_{tensor}": "ports" for tensor in TENSORS}
    known |= {edge: edge for edge in EDGES} | {f"{architecture.compute.name}_room": "rooms"}
    for level in architecture.levels:
        kind = "ports" if isinstance(level, Memory) else "networks"
        known |= {f"{level.name}_{x}": kind for x in (*TENSORS, "port", "links")}
        known[f"{level.name}_room"] = "rooms"
    for name, cycles in report.stalls:
        cause = name.partition(" ")[0]  # what follows says where on a network, or in a DRAM
        if cause not in known:
            raise ArraysmithError(f"{architecture.name}: no cause of calibration has {name}")
        found[known[cause]] += cycles
    return tuple(found.values())


def architecture_digest(architecture: Architecture) -> str:
    """Return the SHA-256 of every number of a design, in hexadecimal; its source does not count."""
    text = json.dumps(architecture_document(architecture, ""), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def calibration_document(architecture: Architecture, correction: Correction) -> dict[str, Any]:
    """Return what ``read_calibration`` needs, as plain data."""
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "architecture": architecture.name,
        "architecture_digest": architecture_digest(architecture),
        "correction": {
            cause: dict(zip(CAUSES, row, strict=True))
            for cause, row in zip(CAUSES, correction.weights, strict=True)
        },
    }


def read_calibration(path: str | Path, architecture: Architecture) -> Correction:
    """Return the correction in a file, for ``architecture``.

    Raises:
        InputError: not such a file, damaged, or of another design.
    """
    name = str(path)

    def fault(where: str, value: str, rule: str, hint: str = "") -> InputError:
        return InputError([Fault(where, value, rule, hint, name)])

    again = "make it with arraysmith calibrate"
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise fault("", "", error.strerror or "cannot be read", again) from None
    except UnicodeDecodeError:
        raise fault("", "", "is not text", again) from None
    except json.JSONDecodeError as error:
        place = Fault("", "", f"is not JSON: {error.msg}", again, name, error.lineno, error.colno)
        raise InputError([place]) from None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise fault("kind", "", f"is not a {KIND}", again)
    if document.get("schema") != SCHEMA:
        raise fault("schema", str(document.get("schema")), f"format {SCHEMA} is read", again)
    if document.get("architecture_digest") != architecture_digest(architecture):
        rule = f"is of another design than {architecture.name}, or of other numbers of it"
        raise fault("architecture", str(document.get("architecture")), rule, again)
    try:
        table = document["correction"]
        weights = tuple(tuple(float(table[c][x]) for x in CAUSES) for c in CAUSES)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise fault("correction", "", "a number per cause and cause is needed", again) from None
    small = bool((np.abs(weights) <= MOST_WEIGHT).all())  # false for what is no number, too
    if not small or weights[0] != Correction.none().weights[0]:
        rule = f"numbers have to be within {MOST_WEIGHT:,}, and compute to count for itself alone"
        raise fault("correction", "", rule, again)
    return Correction(weights)
