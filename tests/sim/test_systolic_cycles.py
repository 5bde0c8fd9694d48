"""Cycles of a systolic array against the closed form and against an array of registers."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from register_array import operand_stationary, output_stationary
from systolic_designs import DATAFLOWS, SRAMS, Kept, stationary, systolic

from arraysmith.arch.problem import conv, matmul
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.streams import address_map
from arraysmith.sim.cycle.systolic import simulate_systolic

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


def _twin(dataflow: str, drain: str, a: np.ndarray, b: np.ndarray):
    if dataflow == "os":
        return output_stationary(a, b, shift=drain == "shift")
    return operand_stationary(a, b) if dataflow == "ws" else operand_stationary(b.T, a.T)


@given(mesh, mesh, mesh, st.integers(0, 99), st.sampled_from(["shift", "free"]))
@settings(deadline=None, max_examples=40)
def test_one_fold_takes_as_long_as_an_array_of_registers(m, n, k, seed, drain):
    a, b = _operands(m, n, k, seed)
    problem = matmul("mm", m=m, n=n, k=k)
    architecture = systolic(9, 9, drain=drain)
    for dataflow in DATAFLOWS:
        run = _twin(dataflow, drain, a, b)
        product = a @ b
        assert np.array_equal(run.output, product.T if dataflow == "is" else product)
        mapping = stationary(dataflow)
        assert simulate_systolic(architecture, problem, mapping).cycles == run.cycles


@given(mesh, mesh, mesh, st.sampled_from(["shift", "free"]))
@settings(deadline=None, max_examples=20)
def test_a_fold_on_the_whole_array_takes_as_long_as_one_padded_with_zeros(m, n, k, drain):
    a, b = _operands(m, n, k, 1)
    problem = matmul("mm", m=m, n=n, k=k)
    architecture = systolic(10, 11, drain=drain, partial_folds="full")
    for dataflow in DATAFLOWS:
        wide_a = np.zeros((10 if dataflow == "os" else 11 if dataflow == "is" else m,
                           k if dataflow == "os" else 10), int)  # fmt: skip
        wide_b = np.zeros((wide_a.shape[1], n if dataflow == "is" else 11), int)
        wide_a[:m, :k], wide_b[:k, :n] = a, b
        run = _twin(dataflow, drain, wide_a, wide_b)
        mapping = stationary(dataflow)
        assert simulate_systolic(architecture, problem, mapping).cycles == run.cycles


@given(mesh, mesh, mesh, st.sampled_from(["shift", "free"]))
@settings(deadline=None, max_examples=30)
def test_every_word_passes_the_edge_in_the_cycle_in_which_the_registers_take_it(m, n, k, drain):
    a, b = _operands(m, n, k, 0)
    problem = matmul("mm", m=m, n=n, k=k)
    architecture = systolic(9, 9, drain=drain)
    base = {name: region.base for name, region in address_map(problem, architecture).items()}
    for dataflow in DATAFLOWS:
        run = _twin(dataflow, drain, a, b)
        # Edge events as (cycle, byte address): ifmap [m, k], weight [n, k], ofmap [m, n].
        if dataflow == "os":
            ifmap = [(u, i * k + t) for u, i, t in run.left]
            weight = [(u, j * k + t) for u, j, t in run.top]
            ofmap = [(u, i * n + j) for u, j, i in run.out]
        elif dataflow == "ws":
            ifmap = [(u, t * k + i) for u, i, t in run.left]
            weight = [(u, j * k + i) for u, j, i in run.top]
            ofmap = [(u, t * n + j) for u, j, t in run.out]
        else:
            weight = [(u, t * k + i) for u, i, t in run.left]
            ifmap = [(u, j * k + i) for u, j, i in run.top]
            ofmap = [(u, j * n + t) for u, j, t in run.out]
        probe = Kept()
        simulate_systolic(architecture, problem, stationary(dataflow), probe)
        for tensor, direction, expected in (
            ("ifmap", "read", ifmap),
            ("weight", "read", weight),
            ("ofmap", "write", ofmap),
        ):
            seen = probe.stream(f"{SRAMS[tensor]}/{tensor}/{direction}")
            assert sorted((u, x - base[tensor]) for u, _, x, *_ in seen.tolist()) == sorted(
                expected
            )
        assert len(probe.stream("ofmap_sram/ofmap/read")) == 0


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_groups_run_one_after_the_other(dataflow):
    one = conv("g", height=6, width=6, in_channels=3, out_channels=4, window=(3, 3))
    three = conv("g", height=6, width=6, in_channels=9, out_channels=12, window=(3, 3), groups=3)
    architecture = systolic(4, 4)
    cycles = [simulate_systolic(architecture, p, stationary(dataflow)).cycles for p in (one, three)]
    assert cycles[1] == 3 * cycles[0]
