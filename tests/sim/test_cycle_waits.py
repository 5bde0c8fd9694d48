"""Every wait of a simulated spatial array: told one by one, with what was behind it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import simpy
import tiny
from cases import case
from chip_trees import tree_case
from systolic_designs import stationary, systolic

from arraysmith.arch.mapping import from_factors
from arraysmith.arch.problem import TENSORS, conv, matmul
from arraysmith.sim.cycle import model as cycle_model
from arraysmith.sim.cycle.array import columns
from arraysmith.sim.cycle.array.blame import FIRST_LINK, WAIT, add_wait, chained
from arraysmith.sim.cycle.model import CycleModel
from arraysmith.sim.cycle.offchip.protocol import FixedRate
from arraysmith.sim.cycle.parameters import CycleParameters
from arraysmith.sim.cycle.systolic import arrays as systolic_model
from arraysmith.sim.cycle.tracing.waiting import NoProgressError
from arraysmith.sim.probe import LINK_BITS, MOST_LINKS, links_of
from arraysmith.sim.waits import WaitTotals


class Told(WaitTotals):
    """Totals that keep every wait, too: rows of (cycle, cycles, cause, step, chain)."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, ...]] = []
        self.names: tuple[str, ...] = ()

    def stalls(self, clock_cycle, cycles, cause, names, chains=None) -> None:
        super().stalls(clock_cycle, cycles, cause, names, chains)
        parts = clock_cycle, cycles, cause, chains.step, chains.chain
        self.rows += zip(*(x.tolist() for x in parts), strict=True)
        self.names = names


def told(design, parameters: CycleParameters | None = None):
    waits = Told()
    return CycleModel(waits, parameters or CycleParameters()).evaluate(*design), waits


@pytest.mark.parametrize("draw", [case, tree_case])
def test_waits_add_up_to_the_causes_and_do_not_overlap(draw) -> None:
    for seed in range(40):
        report, waits = told(draw(seed))
        assert report == CycleModel().evaluate(*draw(seed))
        assert waits.cycles == {cause: n for cause, n in report.stalls if n}, seed
        end, step = 0, 0
        for cycle, cycles, cause, before, chain in waits.rows:
            assert cycles > 0
            assert cycle >= end
            assert before >= step
            assert chain & FIRST_LINK == cause
            assert len(links_of(chain, waits.names)) <= MOST_LINKS
            end, step = cycle + cycles, before
        assert end <= report.cycles
        # What is no wait is computing.
        assert report.cycles - sum(row[1] for row in waits.rows) == report.compute_cycles


def test_waits_told_a_few_at_a_time_are_the_same() -> None:
    for seed in range(6):
        whole, few = told(tree_case(seed))[1], told(tree_case(seed), CycleParameters(4096, 4))[1]
        assert few.rows == whole.rows


def _rows(**dram):
    """A layer in 8 glb tiles on a design whose off-chip memory is given."""
    double = dram.pop("double_buffered", True)
    problem = conv("rows", height=16, width=6, in_channels=4, out_channels=4, window=(1, 3))
    architecture = tiny.spatial(
        dram=tiny.memory("dram", TENSORS, **dram),
        glb=tiny.memory("glb", TENSORS, depth=4096, double_buffered=double),
    )
    places = (("dram", "t", "P", 8), ("glb", "t", "P", 2), ("glb", "t", "Q", 4))
    inner = (("array", "x", "K", 4), ("psum_spad", "t", "C", 4), ("psum_spad", "t", "S", 3))
    return architecture, problem, from_factors(architecture, places + inner)


def test_a_slow_channel_is_what_stands_behind_waits_for_words() -> None:
    _, waits = told(_rows(read=Fraction(1, 4), write=Fraction(1, 4)))
    most = waits.chains[0]
    assert most.links[:2] == ("offchip_ifmap", "channel_in")
    # A tile of 2 x 6 x 4 words takes 192 cycles and is worked on for 96; the first is the fill and
    # the next comes with the weights.
    assert (most.waits, most.cycles) == (6, 6 * (192 - 96))


def test_a_place_that_is_free_late_is_what_stands_behind_waits_for_words() -> None:
    _, waits = told(_rows(read=100, write=100, latency=40, double_buffered=False))
    most = waits.chains[0]
    assert most.links == ("offchip_ifmap", "glb_room")
    assert most.waits == 7  # every tile but the first
    assert not any("glb_room" in x.links for x in told(_rows(read=100, write=100))[1].chains)


def test_the_first_wait_is_the_fill_and_the_last_one_the_drain() -> None:
    report, waits = told(_rows(read=2, write=1, latency=9))
    first, last = waits.rows[0], waits.rows[-1]
    assert waits.names[first[2]] == "fill"
    assert links_of(first[4], waits.names)[1].startswith(("offchip", "glb"))
    assert links_of(last[4], waits.names)[:2] == ("drain", "offchip_ofmap")
    assert (first[0], last[0] + last[1]) == (0, report.cycles)


def test_a_chain_names_nothing_twice_in_a_row_and_ends_after_its_last_link() -> None:
    assert chained(3, 0) == 3
    assert chained(3, 3) == 3
    assert chained(2, chained(3, 4)) == 2 | 3 << LINK_BITS | 4 << 2 * LINK_BITS
    long = 0
    for cause in range(1, 10):
        long = chained(cause, long)
    assert links_of(long, tuple(range(10))) == (9, 8, 7, 6, 5, 4)


def test_a_wait_of_no_cycles_is_none() -> None:
    stalls, waits = np.zeros(4, np.int64), np.zeros((2, WAIT), np.int64)
    state = np.zeros(columns.STATE, np.int64)
    add_wait(stalls, waits, state, 5, 0, 2)
    assert (stalls.sum(), state[columns.WAITS]) == (0, 0)
    add_wait(stalls, waits, state, 5, 7, 2 | 3 << LINK_BITS)
    assert stalls.tolist() == [0, 0, 7, 0]
    assert waits[0].tolist() == [5, 7, 2 | 3 << LINK_BITS, 0]


class Losing(FixedRate):
    """A channel that loses what comes after so many transfers of a tensor, in one direction."""

    def __init__(self, env, memory, tensor: str, after: int, *, outward: bool) -> None:
        super().__init__(env, memory, None)
        self.simpy_env = env
        self.lost, self.left = (tensor, outward), after

    def transfer(self, transfer):
        if (transfer.tensor, transfer.outward) == self.lost:
            self.left -= 1
            if self.left < 0:
                yield self.simpy_env.event()
        return (yield from super().transfer(transfer))


def losing(monkeypatch, tensor: str, after: int, *, outward: bool = False) -> None:
    def channel(env: simpy.Environment, architecture, probe):
        del probe
        return Losing(env, architecture.memories[0], tensor, after, outward=outward)

    monkeypatch.setattr(cycle_model, "offchip_channel", channel)


def test_a_run_without_progress_stops_with_the_cycle_and_the_chain(monkeypatch) -> None:
    design = _rows(read=2, write=2, latency=5)
    losing(monkeypatch, "ifmap", 2)
    with pytest.raises(NoProgressError) as lost:
        CycleModel().evaluate(*design)
    assert lost.value.chain == (
        "ifmap tile 2 to come in",
        "channel_in: the transfer of ifmap tile 2 does not end",
    )
    assert f"no progress after cycle {lost.value.cycle:,}: array <- ifmap" in str(lost.value)
    assert 0 < lost.value.cycle < 10_000


def test_results_that_never_leave_stop_the_run_where_their_room_is_missing(monkeypatch) -> None:
    design = _rows(read=2, write=2)
    losing(monkeypatch, "ofmap", 1, outward=True)
    with pytest.raises(NoProgressError) as lost:
        CycleModel().evaluate(*design)
    assert lost.value.chain == (
        "room for ofmap tile 3",
        "channel_out: the transfer of ofmap tile 1 does not end",
    )


def test_results_that_never_end_after_the_last_step_stop_the_run(monkeypatch) -> None:
    design = _rows(read=2, write=2)
    losing(monkeypatch, "ofmap", 7, outward=True)
    with pytest.raises(NoProgressError) as lost:
        CycleModel().evaluate(*design)
    assert lost.value.chain == ("channel_out: the transfer of ofmap tile 7 does not end",)


def test_a_systolic_array_without_progress_says_what_it_waits_for(monkeypatch) -> None:
    class Stuck:
        def __init__(self, env) -> None:
            self.env = env

        def transfer(self, transfer):
            del transfer
            yield self.env.event()

    monkeypatch.setattr(systolic_model, "offchip_channel", lambda env, *_: Stuck(env))
    design = systolic(3, 3), matmul("mm", m=4, n=4, k=4), stationary("os")
    with pytest.raises(NoProgressError, match="after cycle 0: array <- offchip_"):
        CycleModel().evaluate(*design)
