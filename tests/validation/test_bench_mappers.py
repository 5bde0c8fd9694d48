"""The benchmark of mappers times the model's own results, and gives other tools legal work."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from arraysmith.arch.legality import check_mapping
from arraysmith.arch.mapping import Mapping, from_factors
from arraysmith.arch.notation.maestro_levels import check_network
from arraysmith.arch.notation.maestro_reader import parse_network
from arraysmith.arch.problem import DIMS
from arraysmith.sim.analytical.encoding import AXIS_CODES, MappingArrays
from arraysmith.sim.analytical.model import AnalyticalModel
from arraysmith.validation.bench_counting import LAYERS, draw
from arraysmith.validation.bench_mappers import SAME, layer_of
from arraysmith.validation.mapper_peers import AbsentError, maestro, maestro_layer, zigzag
from arraysmith.validation.mapper_rates import Evaluator, machine_of

LAYER = {"conv, 7 dims": LAYERS["conv, 7 dims"]}


def mapping_at(mappings: MappingArrays, row: int) -> Mapping:
    axes = {code: name for name, code in AXIS_CODES.items()}
    slots = zip(mappings.level, mappings.axis, mappings.dim[row], mappings.count[row], strict=True)
    levels = machine_of(3).levels
    return from_factors(
        machine_of(3),
        tuple((levels[at].name, axes[int(axis)], DIMS[d], int(n)) for at, axis, d, n in slots),
    )


@pytest.mark.parametrize("name", SAME)
def test_scores_are_those_of_the_reports_of_the_same_mappings(name: str) -> None:
    machine, problem = machine_of(3), LAYERS[name]
    mappings = draw(machine, problem, 60, seed=5)
    scores = Evaluator.of(machine, problem).scores(mappings)
    model = AnalyticalModel("default")
    legal = 0
    for row in range(60):
        mapping = mapping_at(mappings, row)
        fits = not check_mapping(machine, problem, mapping)
        assert bool(scores.fits[row]) == fits
        if fits:
            legal += 1
            report = model.evaluate(machine, problem, mapping)
            assert int(scores.cycles[row]) == report.cycles
            assert scores.energy_pj[row] == pytest.approx(report.energy_pj, rel=1e-12)
    assert legal


@pytest.mark.parametrize("dims", range(1, 9))
def test_layers_of_the_plot_have_as_many_dims_as_they_say(dims: int) -> None:
    for padded in (False, True):
        assert sum(size > 1 for size in layer_of(dims, padded=padded).sizes) == dims


@pytest.mark.parametrize("name", SAME)
def test_the_other_tool_is_given_dataflows_that_cover_the_layer(name: str) -> None:
    rng = random.Random(1)
    texts = [maestro_layer(LAYERS[name], i, rng) for i in range(40)]
    network = parse_network("Network bench {\n" + "".join(texts) + "}\n")
    assert len(network.layers) == 40
    if "stride" not in name:  # strided rows leave gaps as that tool reads them
        assert not check_network(network.layers)


def test_a_tool_that_is_not_there_is_told_by_its_path() -> None:
    for measure in (zigzag, maestro):
        with pytest.raises(AbsentError, match=r"^/nowhere/tool: No such file or directory$"):
            measure("/nowhere/tool", LAYER, machine_of(3), 1)


def test_a_python_without_the_tool_says_what_it_misses() -> None:
    with pytest.raises(AbsentError, match="exit code 1: ModuleNotFoundError: No module named"):
        zigzag(sys.executable, LAYER, machine_of(3), 1)


def test_a_program_that_leaves_mappings_out_is_no_result(tmp_path: Path) -> None:
    program = tmp_path / "program"
    for wrote, why in (("", "wrote no results"), ("echo Num MACs > bench.csv", "0 results for 1")):
        program.write_text(f"#!/bin/sh\n{wrote}\n")
        program.chmod(0o755)
        with pytest.raises(AbsentError, match=why):
            maestro(str(program), LAYER, machine_of(3), 1)
