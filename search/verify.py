"""Proof of the winner: its results are right, and every request it makes is on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import ArraysmithError
from arraysmith.arch.mapping import Mapping
from arraysmith.arch.problem import Layer, Problem
from arraysmith.search.evaluate import Scored
from arraysmith.sim.wait_profile import WaitProfile

TRACES = "traces.h5"
"""Name of the trace file."""


@dataclass(frozen=True, slots=True)
class ValueCheck:
    """One layer run with values.

    Attributes:
        design: whose mapping.
        layer: which.
        words: results compared with the reference, bit for bit; all were equal. 0: not run, the
            layer is larger than the run allows.
    """

    design: str
    layer: str
    words: int


@dataclass(frozen=True, slots=True)
class Verification:
    """What was proven.

    Attributes:
        values: per design and layer.
        traces: name of the trace file in the output folder; None when none was asked for.
        waiting: what the winner waits for, per distinct layer; empty where none was recorded.
    """

    values: tuple[ValueCheck, ...]
    traces: str | None
    waiting: tuple[WaitProfile, ...] = ()


def check_values(architecture: Architecture, problem: Problem, mapping: Mapping, seed: int) -> int:
    """Return how many results were compared; raises ``WrongValuesError`` if one differs."""
    from arraysmith.sim.cycle.values import verify_values

    return int(verify_values(architecture, problem, mapping, seed).size)


@dataclass(frozen=True)
class PendingCheck:
    """A check on its way.

    Attributes:
        design: whose mapping.
        layer: which.
        words: to come; None when the layer is too large.
    """

    design: str
    layer: str
    words: Future[int] | None

    def result(self) -> ValueCheck:
        """Wait for the check; raises ``WrongValuesError`` if a result differs."""
        return ValueCheck(self.design, self.layer, 0 if self.words is None else self.words.result())


def submit_checks(
    designs: Sequence[tuple[str, Scored]],
    layers: Sequence[Layer],
    *,
    most_macs: int,
    seed: int,
    executor: Executor,
) -> tuple[PendingCheck, ...]:
    """Begin to run every layer of every design with values.

    Args:
        designs: (name, design).
        layers: that every design has mappings for.
        most_macs: largest layer to run.
        seed: of the operands.
        executor: where tasks run.
    """
    return tuple(
        PendingCheck(
            name,
            layer.name,
            executor.submit(check_values, scored.design.architecture, layer.problem, mapping, seed)
            if layer.problem.macs <= most_macs
            else None,
        )
        for name, scored in designs
        for layer, mapping in zip(layers, scored.design.mappings, strict=True)
    )


def record_traces(
    path: Path,
    scored: Scored,
    layers: Sequence[Layer],
    provenance: dict[str, Any],
    memories: frozenset[str],
    done: Callable[[], None],
) -> tuple[WaitProfile, ...]:
    """Simulate a design once more and write its requests to ``path``.

    Args:
        path: of the HDF5 file.
        scored: the design, simulated before without a probe.
        layers: that it has mappings for.
        provenance: plain data.
        memories: whose requests to store.
        done: called after each layer.

    Returns:
        What each layer waits for.

    Raises:
        ArraysmithError: watching changed the simulation: a bug.
    """
    # Here, not above: they bring h5py and the simulator.
    from arraysmith.traces.recorder import TraceWriter
    from arraysmith.traces.recording import simulate_layer

    design = scored.design
    found = []
    with TraceWriter(path, provenance) as writer:
        for layer, mapping, expected in zip(layers, design.mappings, scored.layers, strict=True):
            waits = WaitProfile()
            report = simulate_layer(
                design.architecture, layer, mapping, writer, memories, waits=waits
            )
            found.append(waits)
            if report != expected:
                raise ArraysmithError(f"{layer.name}: the simulation differs when it is traced")
            done()
    return tuple(found)
