"""Single waits added up by what waited for what, and as text."""

from __future__ import annotations

import json
import pickle
from random import Random

import numpy as np
from systolic_designs import any_design, stationary, unless_refused

from arraysmith.arch.problem import matmul
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.probe import LINK_BITS, Chains, links_of
from arraysmith.sim.report import Report
from arraysmith.sim.waits import MOST_ROWS, Wait, WaitTotals, explain_waits

NAMES = ("fill", "glb_weight", "offchip_weight", "channel_in", "drain")
PORT = 1 | 2 << LINK_BITS | 3 << 2 * LINK_BITS
FILL = 0 | 2 << LINK_BITS


def totals_of(*calls):
    """Totals of waits, (cycle, cycles, step, chain) each, told in several calls."""
    totals = WaitTotals()
    for waits in calls:
        cycle, cycles, step, chain = np.array(waits, np.int64).T
        cause = chain & ((1 << LINK_BITS) - 1)
        totals.stalls(cycle, cycles, cause, NAMES, Chains(step, chain))
    return totals


HANDMADE = totals_of([(0, 10, 0, FILL), (12, 3, 1, PORT)], [(20, 7, 2, PORT), (40, 7, 5, PORT)])
REPORT = Report("cycle", "default", 100, 200, 4, 10**9, 23, (("fill", 10), ("glb_weight", 17)), 4,
    (), (), 1.0, 0.0)  # fmt: skip


def test_a_chain_is_read_from_its_cause_on_and_may_begin_with_the_first_name():
    assert links_of(PORT, NAMES) == ("glb_weight", "offchip_weight", "channel_in")
    assert links_of(FILL, NAMES) == ("fill", "offchip_weight")
    assert links_of(0, NAMES) == ("fill",)


def test_waits_add_up_by_chain_over_all_calls():
    port, fill = HANDMADE.chains
    assert (port.waits, port.cycles) == (3, 17)
    assert port.first == Wait(12, 3, 1, ("glb_weight", "offchip_weight", "channel_in"))
    assert port.longest == Wait(20, 7, 2, port.links)  # of equal ones the first
    assert (fill.waits, fill.cycles, fill.first, fill.longest) == (1, 10, fill.first, fill.first)
    assert HANDMADE.cycles == {"glb_weight": 17, "fill": 10}


def test_totals_survive_a_process_and_become_json():
    again = pickle.loads(pickle.dumps(HANDMADE))
    assert again.chains == HANDMADE.chains
    first = json.loads(json.dumps(again.to_dict()))[0]
    assert first == {
        "chain": ["glb_weight", "offchip_weight", "channel_in"],
        "waits": 3,
        "cycles": 17,
        "first": {"cycle": 12, "cycles": 3, "step": 1},
        "longest": {"cycle": 20, "cycles": 7, "step": 2},
    }


def test_the_text_names_causes_chains_and_the_longest_wait():
    text = explain_waits("conv1", REPORT, HANDMADE)
    rows = [line.split() for line in text.splitlines()]
    assert text.startswith("conv1: 50 cycles\n")
    assert ["computing", "23", "46.00"] in rows
    assert ["glb_weight", "17", "34.00"] in rows
    assert ["all", "50", "100.00"] in rows
    chain = "array <- glb_weight <- offchip_weight <- channel_in"
    assert any(line.startswith(chain) and "62.96" in line for line in text.splitlines())
    assert text.endswith(
        "longest wait: 10 cycles from cycle 0, before step 0: array <- fill <- offchip_weight"
    )
    assert explain_waits("x", REPORT, WaitTotals()).endswith("the array never waits")


def test_chains_beyond_those_shown_are_one_row_that_adds_up():
    many = totals_of([(k, 100 - k, k, 1 | k << LINK_BITS) for k in range(1, 4)])
    assert "more" not in explain_waits("x", REPORT, many)
    chains = [1 | (k % 5) << LINK_BITS | (k // 5) << 2 * LINK_BITS for k in range(6, 24)]
    more = totals_of([(k, 50 - k, k, chain) for k, chain in enumerate(chains)])
    rest = more.chains[MOST_ROWS:]
    row = next(x for x in explain_waits("x", REPORT, more).splitlines() if " more" in x)
    assert row.split()[:4] == [
        str(len(rest)), "more", str(len(rest)), str(sum(x.cycles for x in rest)),
    ]  # fmt: skip


def test_waits_of_systolic_arrays_add_up_to_the_causes_of_the_report():
    waited = 0
    for seed in range(30):
        random = Random(seed)
        design, totals = any_design(random), WaitTotals()
        problem = matmul("mm", m=random.randint(1, 9), n=random.randint(1, 9), k=7)
        mapping = stationary(random.choice(("os", "ws", "is")))
        report = unless_refused(CycleModel(totals).evaluate, design, problem, mapping)
        if report is None:
            continue
        told = {k: n for k, n in report.stall_cycles.items() if n and not k.startswith("gap_")}
        assert totals.cycles == dict(sorted(told.items(), key=lambda x: -x[1])), seed
        assert all(len(x.links) == 1 and x.first.step is None for x in totals.chains)
        waited += sum(told.values())
    assert waited
