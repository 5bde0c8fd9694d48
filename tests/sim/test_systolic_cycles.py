"""Cycles of a systolic array against the closed form and against an array of registers."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from register_array import HazardError, operand_stationary, output_stationary
from systolic_designs import DATAFLOWS, SRAMS, Kept, stationary, systolic

from arraysmith.arch.architecture import Systolic
from arraysmith.arch.problem import conv, matmul
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.systolic.arrays import simulate_systolic
from arraysmith.sim.cycle.tracing.streams import address_map

small = st.integers(1, 40)
mesh = st.integers(1, 9)


@given(small, small, small, mesh, mesh, st.sampled_from(["shift", "free"]))
@settings(deadline=None, max_examples=60)
def test_with_unlimited_memory_every_gemm_takes_the_published_closed_form(m, n, k, R, C, drain):
    problem = matmul("mm", m=m, n=n, k=k)
    # SCALE-Sim's Sr, Sc, T of the three dataflows.
    shape = {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}
    for dataflow in DATAFLOWS:
        architecture = systolic(R, C, drain=drain, partial_folds="full")
        rows, columns, steps = shape[dataflow]
        folds = -(-rows // R) * -(-columns // C)
        loads = 0 if dataflow == "os" and drain == "free" else R
        mapping = stationary(dataflow)
        report = simulate_systolic(architecture, problem, mapping)
        assert report.cycles == folds * (loads + R + C + steps - 2)
        assert report.stalls == ()
        assert evaluate_systolic(architecture, problem, mapping).cycles == report.cycles


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_with_unlimited_memory_both_models_agree_on_convolutions(seed):
    random = Random(seed)
    problem = conv(
        "conv",
        height=random.randint(4, 9),
        width=random.randint(4, 9),
        in_channels=2 * random.randint(1, 3),
        out_channels=2 * random.randint(1, 3),
        window=(random.randint(1, 3), random.randint(1, 3)),
        padding=(random.randint(0, 1), random.randint(0, 1)),
        groups=random.choice((1, 2)),
    )
    architecture = systolic(
        random.randint(1, 6), random.randint(1, 6), partial_folds=random.choice(("used", "full"))
    )
    for dataflow in DATAFLOWS:
        mapping = stationary(dataflow)
        simulated = simulate_systolic(architecture, problem, mapping)
        assert simulated.cycles == evaluate_systolic(architecture, problem, mapping).cycles
        assert simulated.stalls == ()


def test_partial_folds_cost_what_they_use_or_the_whole_array():
    problem = matmul("mm", m=5, n=7, k=3)
    times = {}
    for kind in ("used", "full"):
        architecture = systolic(4, 4, partial_folds=kind)
        mapping = stationary("os")
        times[kind] = simulate_systolic(architecture, problem, mapping).cycles
    # Rows 4 + 1, columns 4 + 3, each fold 2 r + c + 3 - 2.
    assert times == {"used": 13 + 7 + 12 + 6, "full": 4 * 13}


def _operands(m: int, n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(-9, 10, (m, k)), random.integers(-9, 10, (k, n))


def _blocks(dataflow, a, b, rows, columns, *, padded):
    """What enters left and on top in every fold of a @ b, in the order of the folds."""
    m, n, k = len(a), b.shape[1], len(b)
    # (streaming [steps, all rows], staying or other [all rows or steps, all columns])
    left, top = {"os": (a.T, b), "ws": (a, b), "is": (b.T, a.T)}[dataflow]
    height, width = {"os": (m, n), "ws": (k, n), "is": (k, m)}[dataflow]
    found, corners = [], []
    for j in range(0, width, columns):
        for i in range(0, height, rows):
            one = left[:, i : i + rows]
            other = (
                top[:, j : j + columns] if dataflow == "os" else top[i : i + rows, j : j + columns]
            )
            if padded:
                wide = np.zeros((len(one), rows), int)
                wide[:, : one.shape[1]] = one
                more = np.zeros((len(other) if dataflow == "os" else rows, columns), int)
                more[: len(other), : other.shape[1]] = other
                one, other = wide, more
            found.append((one.T if dataflow == "os" else one, other))
            corners.append((i, j))
    return found, corners


def _run(dataflow, blocks, starts, network):
    if dataflow == "os":
        twice = network.fold_overlap == "accumulators"
        return output_stationary(blocks, starts, network.drain, twice=twice)
    return operand_stationary(blocks, starts, twice=network.fold_overlap == "weights")


switches = st.builds(
    Systolic,
    drain=st.sampled_from(("shift", "bus", "free")),
    fold_overlap=st.sampled_from(("none", "weights", "accumulators")),
    partial_folds=st.sampled_from(("used", "full")),
)


def _simulated(dataflow, problem, R, C, network):
    """A run with memory that never interferes, and the starts of its folds."""
    architecture = systolic(R, C, network=network)
    probe = Kept()
    report = simulate_systolic(architecture, problem, stationary(dataflow), probe)
    assert report.stalls == ()
    return architecture, probe, report, np.concatenate([f.start for f in probe.taken]).tolist()


@given(mesh, mesh, mesh, st.integers(1, 5), st.integers(1, 5), st.integers(0, 99), switches)
@settings(deadline=None, max_examples=120)
def test_a_run_takes_as_long_as_an_array_of_registers(m, n, k, R, C, seed, network):
    a, b = _operands(m, n, k, seed)
    problem = matmul("mm", m=m, n=n, k=k)
    for dataflow in DATAFLOWS:
        _, _, report, starts = _simulated(dataflow, problem, R, C, network)
        full = network.partial_folds == "full"
        blocks, corners = _blocks(dataflow, a, b, R, C, padded=full)
        run = _run(dataflow, blocks, starts, network)
        assert report.cycles == run.cycles
        total = np.zeros(((len(a) if dataflow == "os" else len(blocks[0][0])) + R,
                          (len(a) if dataflow == "is" else b.shape[1]) + C), int)  # fmt: skip
        for (i, j), output in zip(corners, run.outputs, strict=True):
            i = i if dataflow == "os" else 0  # noqa: PLW2901 - row folds add up
            total[i : i + output.shape[0], j : j + output.shape[1]] += output
        product = (a @ b).T if dataflow == "is" else a @ b
        assert np.array_equal(total[: len(product), : product.shape[1]], product)


@given(mesh, mesh, mesh, st.integers(1, 5), st.integers(1, 5), switches)
@settings(deadline=None, max_examples=80)
def test_no_fold_can_start_a_cycle_earlier_in_an_array_of_registers(m, n, k, R, C, network):
    a, b = _operands(m, n, k, 3)
    problem = matmul("mm", m=m, n=n, k=k)
    # With full extents unused rows and columns are timed, too: there is room for more.
    network = replace(network, partial_folds="used")
    for dataflow in DATAFLOWS:
        overlaps = network.fold_overlap == ("accumulators" if dataflow == "os" else "weights")
        _, _, _, starts = _simulated(dataflow, problem, R, C, network)
        blocks, _ = _blocks(dataflow, a, b, R, C, padded=False)
        for late in range(1, len(starts)) if overlaps else ():
            hasty = [start - (number >= late) for number, start in enumerate(starts)]
            with pytest.raises(HazardError):
                _run(dataflow, blocks, hasty, network)


@given(mesh, mesh, mesh, st.integers(1, 5), st.integers(1, 5), switches)
@settings(deadline=None, max_examples=60)
def test_every_word_passes_the_edge_in_the_cycle_in_which_the_registers_take_it(
    m, n, k, R, C, network
):
    a, b = _operands(m, n, k, 0)
    problem = matmul("mm", m=m, n=n, k=k)
    network = replace(network, partial_folds="used")
    for dataflow in DATAFLOWS:
        architecture, probe, _, starts = _simulated(dataflow, problem, R, C, network)
        base = {name: region.base for name, region in address_map(problem, architecture).items()}
        blocks, corners = _blocks(dataflow, a, b, R, C, padded=False)
        run = _run(dataflow, blocks, starts, network)
        # Byte addresses of ifmap [m, k], weight [n, k], ofmap [m, n] at (fold corner, lane, step).
        left, top, out = {
            "os": (
                lambda i, j, lane, step: (i + lane) * k + step,
                lambda i, j, lane, step: (j + lane) * k + step,
                lambda i, j, lane, step: (i + step) * n + j + lane,
            ),
            "ws": (
                lambda i, j, lane, step: step * k + i + lane,
                lambda i, j, lane, step: (j + lane) * k + i + step,
                lambda i, j, lane, step: step * n + j + lane,
            ),
            "is": (
                lambda i, j, lane, step: step * k + i + lane,
                lambda i, j, lane, step: (j + lane) * k + i + step,
                lambda i, j, lane, step: (j + lane) * n + step,
            ),
        }[dataflow]
        sides = {"left": ("ifmap", left), "top": ("weight", top), "out": ("ofmap", out)}
        if dataflow == "is":
            sides |= {"left": ("weight", left), "top": ("ifmap", top)}
        for side, (tensor, address) in sides.items():
            expected = sorted(
                (cycle, lane, base[tensor] + address(*corners[fold], lane, step), fold)
                for cycle, fold, lane, step in getattr(run, side)
            )
            way = "write" if side == "out" else "read"
            seen = probe.stream(f"{SRAMS[tensor]}/{tensor}/{way}")
            # Kept rows: request, response, address, size, tile, port. The order is told, too.
            assert seen[:, [0, 5, 2, 4]].tolist() == [list(x) for x in expected]
        added = [
            (cycle, lane, base["ofmap"] + out(*corners[fold], lane, step), fold)
            for cycle, fold, lane, step in run.out
            if dataflow != "os" and corners[fold][0] > 0
        ]
        seen = probe.stream("ofmap_sram/ofmap/read")
        assert seen[:, [0, 5, 2, 4]].tolist() == [list(x) for x in sorted(added)]


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_groups_run_one_after_the_other(dataflow):
    one = conv("g", height=6, width=6, in_channels=3, out_channels=4, window=(3, 3))
    three = conv("g", height=6, width=6, in_channels=9, out_channels=12, window=(3, 3), groups=3)
    architecture = systolic(4, 4)
    cycles = [simulate_systolic(architecture, p, stationary(dataflow)).cycles for p in (one, three)]
    assert cycles[1] == 3 * cycles[0]
