"""Random layers on the row-stationary array in SystemVerilog; cycles by hand; wrong programs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from verilator_here import needs_bench

from arraysmith.arch.architecture import Architecture, Compute, Fanout, Memory, XyBus
from arraysmith.arch.mapping import from_factors
from arraysmith.arch.problem import TENSORS, conv
from arraysmith.sim.cycle.carrying.reference import random_operands, reference_output
from arraysmith.validation.spatial_rtl.bench import build, run
from arraysmith.validation.spatial_rtl.compiler import compile_layer
from arraysmith.validation.spatial_rtl.loops import NoProgramError
from arraysmith.validation.suites.spatial_array_rtl import compare, random_cases


def design(**changes):
    """One word per cycle everywhere, no latency."""

    def memory(name, tensors, depth, rate):
        device = "lpddr4" if depth is None else "sram"
        return Memory(name, device, tensors, 8, 8, depth, rate, rate)

    one = Fraction(1)
    levels = (
        memory("dram", TENSORS, None, one),
        memory("glb", TENSORS, 4096, one),
        Fanout("array", 4, 3, XyBus(one)),
        *(memory(f"{name}_spad", (name,), 128, None) for name in TENSORS),
    )
    return replace(
        Architecture("tiny", 10**9, "45nm", levels, Compute(pipeline_cycles=1)), **changes
    )


def layer(rows=1, window=1, channels=1, filters=1):
    return conv(
        "c",
        height=rows + window - 1,
        width=1,
        in_channels=channels,
        out_channels=filters,
        window=(window, 1),
    )


def program(problem, factors, architecture=None):
    operands = random_operands(problem, seed=1)
    mapping = from_factors(architecture or design(), factors)
    results = reference_output(problem, *operands)
    return compile_layer(architecture or design(), problem, mapping, operands, results)


@needs_bench
def test_random_layers_take_the_cycles_of_the_simulator_and_make_its_results(tmp_path):
    bench, found = build(), []
    for case in random_cases(12, seed=7):
        found += compare(case, bench, tmp_path / "case")
    assert [x for x in found if not x.exact] == []
    assert sum(x.quantity == "outputs" and x.expected > 0 for x in found) == 12


@needs_bench
def test_a_single_mac_takes_a_cycle_in_each_part_of_the_chip(tmp_path):
    # ifmap in 0, weight in 1, ifmap down 2, weight down 3, MAC 4, sum up 5, out 6.
    made = program(layer(), ())
    made.write(tmp_path / "p")
    seen = run(build(), tmp_path / "p")
    assert (seen.cycles, seen.steps, seen.wrong) == (7, 1, 0)


@needs_bench
def test_rows_of_the_window_are_added_down_a_column(tmp_path):
    # 3 x 2 PEs: 4 words of ifmap on diagonals, 3 of weights along rows, 2 sums.
    made = program(layer(rows=2, window=3), (("array", "x", "P", 2), ("array", "y", "R", 3)))
    assert made.count("leaves") - 4 == 2
    made.write(tmp_path / "p")
    seen = run(build(), tmp_path / "p")
    assert (seen.cycles, seen.wrong) == (7 + 7 + 1 + 2 + 2, 0)


@needs_bench
@pytest.mark.parametrize("name", ["fill_words", "drain_words", "loops", "in_words", "tags"])
def test_a_wrong_program_is_noticed(tmp_path, name):
    problem = layer(rows=4, window=3, channels=2, filters=2)
    factors = (
        ("glb", "t", "C", 2),
        ("array", "x", "P", 4),
        ("array", "y", "R", 3),
        ("ifmap_spad", "t", "K", 2),
    )
    made = program(problem, factors)
    bench = build()
    made.write(tmp_path / "p")
    right = run(bench, tmp_path / "p")
    row = {"loops": -1, "tags": 1}.get(name, 0)
    fields = made.rows[name][row]
    value, bits = fields[-1]
    fields[-1] = (value + 1, bits)
    made.write(tmp_path / "p")
    wrong = run(bench, tmp_path / "p")
    assert wrong.cycles == right.cycles
    assert right.wrong == 0
    assert wrong.wrong > 0


def test_a_case_is_always_the_same_one():
    one, other = (list(random_cases(3, seed=5)) for _ in range(2))
    assert [x.name for x in one] == [x.name for x in other]
    assert [x.program for x in one] == [x.program for x in other]


@pytest.mark.parametrize(
    ("factors", "changes", "says"),
    [
        ((("array", "x", "R", 3),), {}, "dims added up go on y"),
        ((("dram", "t", "R", 3), ("dram", "t", "P", 2)), {}, "come back from off-chip"),
        ((), {"compute": Compute(pipeline_cycles=9)}, "at most 4 stages"),
    ],
)
def test_what_the_array_cannot_run_is_refused(factors, changes, says):
    with pytest.raises(NoProgramError, match=says):
        program(layer(rows=2, window=3), factors, design(**changes))


def test_rates_between_whole_words_are_refused():
    levels = design().levels
    odd = replace(levels[1], read_words_per_cycle=Fraction(2, 3))
    with pytest.raises(NoProgramError, match="glb: rate 2/3: from 1/n to 4 words per cycle"):
        program(layer(), (), design(levels=(levels[0], odd, *levels[2:])))
