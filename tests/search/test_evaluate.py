import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from small_run import RUN, write

from arraysmith.arch.mapping import Mapping
from arraysmith.search.baseline import score_baselines, why_unmappable
from arraysmith.search.evaluate import Evaluator, best_candidates, build_tables, meshes_of
from arraysmith.search.mapper import Candidate
from arraysmith.search.objective import Figures
from arraysmith.search.run_file import load_run
from arraysmith.sim.analytical.model import AnalyticalModel


@dataclass(frozen=True)
class FakeTable:
    """As many cycles as the buffer has lines; nothing fits less than 128."""

    energy_pj: float

    def best(self, architecture, objective):
        assert objective == "edp"
        depth = architecture.value("glb.depth")
        return Candidate(Mapping(()), depth, self.energy_pj) if depth >= 128 else None


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load_run(write(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def tables(run):
    seed = np.random.SeedSequence(1)
    return tuple(build_tables(run, seed, meshes=meshes_of(run.space), samples=2000, threads=1))


BASELINE = Figures(1, 1.0, 1, 1, 1, 1)


def test_a_design_costs_the_sum_of_its_layers_with_their_repeats(run):
    evaluator = Evaluator(run, (FakeTable(10.0), FakeTable(100.0)), BASELINE)
    found = evaluator.evaluate((0, 2, 0, 0))
    assert found.cycles == 256 + 2 * 256
    assert found.energy_pj == 10.0 + 2 * 100.0
    assert found.loss == pytest.approx(210.0 * 1e-12 * 768)


def test_a_design_on_which_a_layer_has_no_mapping_is_infinitely_bad(run):
    found = Evaluator(run, (FakeTable(10.0), FakeTable(1.0)), BASELINE).evaluate((0, 0, 0, 0))
    assert math.isinf(found.loss)


def test_meshes_are_all_of_the_space_and_the_templates_own(run, tmp_path):
    shapes = [(1, 12), (2, 6), (3, 4), (4, 3), (6, 2), (12, 1)]
    assert list(meshes_of(run.space)) == shapes
    fixed = RUN.replace(
        "{product: 12, paths: [array.mesh_x, array.mesh_y]}", "{path: array.mesh_x, values: [2]}"
    )
    fixed = load_run(write(tmp_path, fixed.replace("pes: 12", "max_pes: 12")))
    assert meshes_of(fixed.space) == ((2, 3), (4, 3))


def test_a_candidate_and_the_model_agree_on_cycles_and_energy(run, tables):
    model = AnalyticalModel("timeloop")
    rng = np.random.default_rng(0)
    compared = 0
    for _ in range(20):
        design = run.space.architecture(run.space.repair(run.space.random(rng)))
        found = best_candidates(run, tables, design)
        for layer, candidate in zip(run.layers, found or (), strict=False):
            report = model.evaluate(design, layer.problem, candidate.mapping)
            assert candidate.cycles == report.cycles
            assert candidate.energy_pj == pytest.approx(report.energy_pj, rel=1e-12)
            compared += 1
    assert compared > 10


def test_mapping_the_original_better_never_makes_it_worse(run, tables):
    model = AnalyticalModel(run.setting)
    gained = 0
    for seed in range(5):
        found = score_baselines(run, model, tables, np.random.SeedSequence(seed))
        for before, after in zip(found.original.layers, found.remapped.layers, strict=True):
            assert after.edp_j_cycles <= before.edp_j_cycles
            gained += after.edp_j_cycles < before.edp_j_cycles
    assert gained


@dataclass(frozen=True)
class OneMapping:
    """A table of one mapping."""

    mapping: Mapping

    def best(self, architecture, objective):
        return Candidate(self.mapping, 1, 1.0)


def test_a_stated_mapping_better_than_the_table_is_kept_as_the_best(run, tables):
    model = AnalyticalModel(run.setting)
    good = score_baselines(run, model, tables, np.random.SeedSequence(0))
    best, poor = good.remapped.design.mappings[0], good.original.design.mappings[0]
    assert best != poor
    network = replace(run.network, layers=run.network.layers[:1])
    stated = replace(run, network=network, baseline=replace(run.baseline, mapping=best))
    found = score_baselines(stated, model, (OneMapping(poor),), np.random.SeedSequence(0))
    assert found.original.design.mappings == (best,)
    assert found.remapped == found.original


def test_without_a_stated_mapping_or_samples_mapping_gains_nothing(run, tables):
    best = replace(run, baseline=replace(run.baseline, samples=0))
    model = AnalyticalModel(run.setting)
    found = score_baselines(best, model, tables, np.random.SeedSequence(0))
    assert found.original == found.remapped


def test_the_memory_that_is_too_small_is_named(run, tables):
    problem = run.layers[0].problem
    assert why_unmappable(tables[0], problem, run.template, "edp") is None
    for level in ("glb", "psum_spad"):
        narrow = {f"{level}.depth": 1, f"{level}.width_bits": 8}
        reason = why_unmappable(tables[0], problem, run.template.with_values(narrow), "edp")
        assert reason is not None
        assert f"no tile fits {level}: for one mapping, {level}: " in reason


def test_a_mesh_that_is_too_small_is_named(run, tables):
    narrow = run.template.with_values({"array.mesh_x": 1, "array.mesh_y": 1})
    reason = why_unmappable(tables[0], run.layers[0].problem, narrow, "edp")
    assert reason == "first has no mapping that fits the mesh"


def test_the_posters_space_holds_a_design_below_136_and_above_the_floor():
    """Compulsory off-chip words and MACs are 249.3 uJ, so 128.7 J x cycle at full utilisation."""
    run = load_run("poster")
    values = {
        "array.mesh_x": 14, "array.mesh_y": 12, "glb.width_bits": 128, "glb.depth": 80,
        "ifmap_spad.width_bits": 128, "ifmap_spad.depth": 1, "weight_spad.width_bits": 128,
        "weight_spad.depth": 5, "psum_spad.width_bits": 128, "psum_spad.depth": 1,
    }  # fmt: skip
    genome = run.space.genome_of(run.template.with_values(values))
    assert genome is not None
    assert run.space.fits(genome)
    seed = np.random.SeedSequence(1)
    tables = tuple(
        build_tables(run, seed, meshes=((14, 12),), samples=run.mapper.samples, threads=1)
    )
    found = Evaluator(run, tables, BASELINE).evaluate(genome)
    assert found.cycles == 516_096
    assert 128.7 < found.loss <= 136
