"""The mapper: one table of mappings, the best of it on any hardware."""

from __future__ import annotations

import pickle
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from test_mapping_space import DESIGN, LAYER, MESHES, ROW_STATIONARY, joined

from arraysmith.arch.architecture import Fanout, Ports, Systolic, Wires
from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.arch.legality import check_mapping
from arraysmith.search.mapper import OBJECTIVES, build_table, find_mapping, mapping_of, thinned
from arraysmith.search.mapping_space import MappingSpace
from arraysmith.sim.analytical.model import AnalyticalModel

CHIPS = [
    DESIGN.with_values({"array.mesh_x": x, "array.mesh_y": y, "glb.depth": depth, **extra})
    for x, y in MESHES
    for depth in (64, 1024)
    for extra in ({}, {"psum_spad.depth": 1, "weight_spad.depth": 3})
]


def table(setting="default", samples=3000, seed=0, threads=1):
    return build_table(
        LAYER,
        DESIGN,
        ROW_STATIONARY,
        setting=setting,
        meshes=MESHES,
        seed=seed,
        samples=samples,
        threads=threads,
    )


def value(objective, cycles, energy_pj):
    return {"edp": cycles * energy_pj, "energy": energy_pj, "latency": cycles}[objective]


@pytest.mark.parametrize("setting", ["default", "timeloop"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_best_mapping_is_legal_and_its_report_says_the_same(setting, objective):
    mappings = table(setting)
    for chip in CHIPS:
        best = mappings.best(chip, objective)
        assert best is not None
        assert not check_mapping(chip, LAYER, best.mapping)
        report = AnalyticalModel(setting).evaluate(chip, LAYER, best.mapping)
        assert report.cycles == best.cycles
        assert report.energy_pj == pytest.approx(best.energy_pj, rel=1e-12)


def test_ports_of_every_kind_take_the_time_that_the_report_says():
    mappings = table(samples=500)
    taken = dict.fromkeys(Ports, 0)
    for ports in Ports:
        for chip in CHIPS:
            narrow = chip.with_values({f"{x.name}.ports": int(ports) for x in chip.memories})
            best = mappings.best(narrow, "latency")
            assert best is not None
            report = AnalyticalModel().evaluate(narrow, LAYER, best.mapping)
            assert report.cycles == best.cycles
            taken[ports] += report.cycles
    assert taken[Ports.SHARED] > taken[Ports.DEDICATED]
    assert taken[Ports.AVERAGED] not in {taken[Ports.SHARED], taken[Ports.DEDICATED]}


@pytest.mark.parametrize("setting", ["default", "timeloop"])
def test_wires_and_buses_count_in_the_choice_as_they_do_in_the_report(setting):
    mappings = table(setting)
    wires = Wires(hop_um=2000, routers=True)
    for chip in CHIPS[::3]:
        levels = tuple(
            replace(x, network=replace(x.network, wires=wires, words_per_cycle=Fraction(1, 2)))
            if isinstance(x, Fanout)
            else x
            for x in chip.levels
        )
        wired = replace(chip, levels=levels)
        best = mappings.best(wired, "energy")
        assert best is not None
        report = AnalyticalModel(setting).evaluate(wired, LAYER, best.mapping)
        assert sum(x.energy_pj for x in report.traffic) > 0.05 * report.energy_pj
        assert report.energy_pj == pytest.approx(best.energy_pj, rel=1e-12)
        assert report.cycles == best.cycles


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_nothing_in_a_sample_beats_the_best(objective):
    mappings = table()
    space = MappingSpace.of(DESIGN, LAYER, ROW_STATIONARY, MESHES)
    points = joined(space.points(np.random.default_rng(0), 3000))
    chip = CHIPS[0]
    best = mappings.best(chip, objective)
    assert best is not None
    tried = 0
    for row in range(0, len(points), 40):
        mapping = mapping_of(space, points.take(slice(row, row + 1)))
        if check_mapping(chip, LAYER, mapping):
            continue
        tried += 1
        report = AnalyticalModel().evaluate(chip, LAYER, mapping)
        got = value(objective, report.cycles, report.energy_pj)
        assert got >= value(objective, best.cycles, best.energy_pj) * (1 - 1e-12)
    assert tried > 10


def test_no_single_move_improves_the_best():
    mappings = table()
    chip = CHIPS[1]
    best = mappings.best(chip, "edp")
    assert best is not None
    point = next(
        mappings.points.take(slice(i, i + 1))
        for i in range(len(mappings))
        if mapping_of(mappings.space, mappings.points.take(slice(i, i + 1))) == best.mapping
    )
    around = mappings.space.neighbours(point)
    for row in range(len(around)):
        mapping = mapping_of(mappings.space, around.take(slice(row, row + 1)))
        if not check_mapping(chip, LAYER, mapping):
            report = AnalyticalModel().evaluate(chip, LAYER, mapping)
            assert report.edp_j_cycles >= best.cycles * best.energy_pj * 1e-12 * (1 - 1e-12)


def test_thinning_loses_no_optimum():
    mappings = table(samples=400)
    again = thinned(mappings)
    assert len(again) == len(mappings)  # nothing left to drop
    for chip in CHIPS:
        for objective in OBJECTIVES:
            assert again.best(chip, objective) == mappings.best(chip, objective)


def test_none_fits_a_hardware_without_room():
    chip = DESIGN.with_values({"glb.depth": 1, "glb.width_bits": 8})
    assert table().best(chip, "edp") is None


def test_a_memory_without_room_for_any_tile_is_a_fault_of_the_input():
    small = DESIGN.with_values({"glb.depth": 1})
    with pytest.raises(InputError) as caught:
        find_mapping(small, LAYER, ROW_STATIONARY, setting="timeloop", samples=100)
    (fault,) = caught.value.faults
    assert fault.field == "glb.depth"
    (room,) = (x.capacity_words for x in small.memories if x.name == "glb")
    assert fault.value == f"{room} words"
    assert int(fault.rule.split()[-2]) > room


def test_equal_seeds_give_equal_tables_and_tables_travel_between_processes():
    first, second = table(seed=3), table(seed=3, threads=2)
    assert np.array_equal(first.words, second.words)
    assert pickle.loads(pickle.dumps(first)).best(CHIPS[0], "edp") == first.best(CHIPS[0], "edp")


def test_a_systolic_array_is_refused():
    chip = replace(DESIGN, levels=(DESIGN.levels[0], Fanout("array", 4, 4, Systolic())))
    with pytest.raises(ArraysmithError, match="no mappings to search"):
        build_table(
            LAYER, chip, ROW_STATIONARY, setting="default", meshes=MESHES, seed=0, samples=10
        )
