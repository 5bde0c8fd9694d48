"""Every kind of operator by values, in every dataflow, on one array and on several."""

from __future__ import annotations

import numpy as np
import pytest
from systolic_designs import DATAFLOWS, side_by_side, stationary, systolic, words_by_place

from arraysmith.arch.problem import conv, matmul
from arraysmith.sim.analytical.systolic import evaluate_systolic
from arraysmith.sim.cycle.carrying.reference import random_operands, reference_output
from arraysmith.sim.cycle.systolic.arrays import simulate_systolic
from arraysmith.sim.cycle.systolic.values import systolic_values

OPERATORS = {
    "attention": matmul("scores", m=9, n=9, k=7, batch=5),
    "fully connected": matmul("fc", m=1, n=19, k=23, operator="fc"),
    "1x1": conv("c", height=5, width=6, in_channels=7, out_channels=9, window=(1, 1)),
    "batch": conv(
        "c", height=5, width=4, in_channels=3, out_channels=5, window=(2, 3), batch=4
    ),
    "strides per axis": conv(
        "c", height=11, width=9, in_channels=3, out_channels=5, window=(3, 2), stride=(3, 2)
    ),
    "strides beyond the window": conv(
        "c", height=9, width=9, in_channels=2, out_channels=3, window=(1, 2), stride=(3, 4)
    ),
    "dilation and padding": conv(
        "c", height=7, width=8, in_channels=3, out_channels=4, window=(3, 2),
        dilation=(2, 3), padding=(2, 1),
    ),
    "groups": conv(
        "c", height=5, width=5, in_channels=6, out_channels=9, window=(3, 3), groups=3, batch=2
    ),
    "depthwise": conv(
        "c", height=6, width=5, in_channels=8, out_channels=8, window=(3, 3), groups=8,
        stride=(2, 1), padding=(1, 1),
    ),
    "depthwise, two filters a channel": conv(
        "c", height=5, width=5, in_channels=4, out_channels=8, window=(2, 2), groups=4
    ),
}  # fmt: skip


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("operator", OPERATORS)
def test_values_and_counts_of_every_operator(operator, dataflow):
    problem, mapping = OPERATORS[operator], stationary(dataflow)
    ifmap, weight = random_operands(problem, 7)
    want = reference_output(problem, ifmap, weight)
    tight = systolic(4, 3, depth=(48, 40, 24), offchip=2, latency=3, sram=2)
    for design in (tight, side_by_side(tight, 2, 2), side_by_side(tight, 2, 2, "stream", "rows")):
        got = systolic_values(design, problem, mapping, ifmap, weight)
        assert np.array_equal(got, want)
        report = simulate_systolic(design, problem, mapping)
        assert words_by_place(report) == words_by_place(evaluate_systolic(design, problem, mapping))
        assert report.utilization <= 1
        for tensor in ("ifmap", "weight"):
            used = len(np.unique(used_words(problem, tensor)))
            assert report.words("dram", tensor, "read") >= used


def used_words(problem, tensor):
    """Indices of the words that some product takes, from the definition of the axes."""
    data = problem.tensor(tensor)
    found, inside = np.zeros(1, np.int64), np.ones(1, bool)
    for axis in data.axes:
        index = np.full(1, axis.offset)
        for dim, coefficient in axis.terms:
            index = np.add.outer(index, coefficient * np.arange(problem.size[dim])).ravel()
        index = np.unique(index)
        found = np.add.outer(found * axis.extent, index).ravel()
        inside = np.logical_and.outer(inside, (index >= 0) & (index < axis.extent)).ravel()
    return found[inside]
