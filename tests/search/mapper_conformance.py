"""What every mapper has to keep. A test class inherits it in three lines:

    class TestMine(MapperConformance):
        mapper = Mine
        settings = MineSettings(effort=3)

``evaluations`` is the budget of a task; a mapper that scores none of its own sets it as it likes.
"""

import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from designs import DESIGN

from arraysmith.arch.architecture import Architecture, Fanout, Memory
from arraysmith.arch.dataflow import Dataflow, LevelRule
from arraysmith.arch.legality import check_mapping, division_violations
from arraysmith.arch.problem import TENSORS, conv, matmul
from arraysmith.search.mappers.base import LayerTask
from arraysmith.sim.analytical.model import AnalyticalModel

ANY = Dataflow("any", "", ())
ROWS = Dataflow(
    "rows",
    "",
    (
        LevelRule("array", x=("Q", "K"), y=("S", "C"), whole=("S",)),
        LevelRule("weight_spad", temporal=("C", "R")),
    ),
)
CONV = conv("c", height=6, width=6, in_channels=4, out_channels=5, window=(3, 3))
GEMM = matmul("g", m=12, n=10, k=8)
FLAT = Architecture(
    name="flat",
    clock_hz=10**9,
    technology="65nm",
    levels=(
        Memory("dram", "lpddr4", TENSORS, 64, 8),
        Memory("glb", "sram", TENSORS, 64, 8, depth=12),
        Fanout("array", 4, 2),
        Memory("spad", "regfile", TENSORS, 16, 8, depth=4),
    ),
)

TASKS = {
    "convolution under a dataflow": LayerTask(DESIGN, CONV, ROWS, "default", "edp", 300),
    "convolution, free": LayerTask(DESIGN, CONV, ANY, "default", "edp", 300),
    "product, energy": LayerTask(FLAT, GEMM, ANY, "default", "energy", 300),
    "product, cycles": LayerTask(FLAT, GEMM, ANY, "default", "latency", 300),
    "product, tiles that divide": LayerTask(FLAT, GEMM, ANY, "timeloop", "edp", 300),
}

FRESH = """
import pickle, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
mapper, settings, task = pickle.loads(bytes.fromhex(sys.argv[2]))
print(repr(mapper(settings).find(task, np.random.default_rng(5))))
"""


class MapperConformance:
    mapper = None
    settings = None
    evaluations = None
    tasks = tuple(TASKS)

    def task(self, name):
        task = TASKS[name]
        return task if self.evaluations is None else replace(task, evaluations=self.evaluations)

    def find(self, task, seed=5):
        return self.mapper(self.settings).find(task, np.random.default_rng(seed))

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls):
        mapper = cls()
        return {name: mapper.find(mapper.task(name)) for name in mapper.tasks}

    def test_a_legal_mapping_is_found_for_every_task(self, found):
        for name, result in found.items():
            task = self.task(name)
            assert result.mapping is not None, name
            assert check_mapping(task.architecture, task.problem, result.mapping) == ()
            if task.setting == "timeloop":
                assert not division_violations(task.architecture, task.problem, result.mapping)

    def test_the_dataflow_is_kept(self, found):
        for name, result in found.items():
            task = self.task(name)
            extents = task.problem.size
            for rule in task.dataflow.rules:
                entry = result.mapping.at(rule.level)
                for loops, dims in (
                    (entry.temporal, rule.temporal),
                    (entry.x, rule.x),
                    (entry.y, rule.y),
                ):
                    used = [loop.dim for loop in loops]
                    assert dims is None or used == [d for d in dims if d in used], name
                for dim in rule.whole:
                    outside = [
                        loop
                        for level in result.mapping.levels
                        if level.level != rule.level
                        for loop in (*level.temporal, *level.x, *level.y)
                        if loop.dim == dim
                    ]
                    assert extents[dim] == 1 or not outside, name

    def test_the_figures_are_those_of_the_model(self, found):
        for name, result in found.items():
            task = self.task(name)
            model = AnalyticalModel(task.setting)
            report = model.evaluate(task.architecture, task.problem, result.mapping)
            assert result.cycles == report.cycles, name
            assert result.energy_pj == pytest.approx(report.energy_pj, rel=1e-9), name
            loss = {
                "edp": report.edp_j_cycles,
                "energy": report.energy_pj,
                "latency": float(report.cycles),
            }[task.objective]
            assert result.loss == pytest.approx(loss, rel=1e-9), name

    def test_no_more_than_the_budget_is_evaluated(self, found):
        for name, result in found.items():
            assert 0 < result.evaluations <= self.task(name).evaluations, name
        for budget in (1, 7):
            name = self.tasks[0]
            assert self.find(replace(self.task(name), evaluations=budget)).evaluations <= budget

    def test_the_curve_falls_and_ends_at_the_loss(self, found):
        for name, result in found.items():
            counts = [count for count, _ in result.curve]
            losses = [loss for _, loss in result.curve]
            assert counts == sorted(set(counts)), name
            assert losses == sorted(set(losses), reverse=True), name
            assert losses[-1] == result.loss, name
            assert 1 <= counts[0] <= counts[-1] <= result.evaluations, name

    def test_repairs_are_counted_among_what_was_drawn(self, found):
        for name, result in found.items():
            assert 0 <= result.repaired <= result.drawn, name

    def test_a_bound_is_no_more_than_the_loss(self, found):
        for name, result in found.items():
            if result.bound is not None:
                assert result.bound <= result.loss * (1 + 1e-9), name
            if result.proven:
                assert result.gap == pytest.approx(0, abs=1e-9), name

    def test_equal_seeds_find_equal_mappings(self, found):
        for name in self.tasks[:2]:
            assert self.find(self.task(name)) == found[name]

    def test_the_task_and_the_global_generator_are_left_alone(self):
        task = self.task(self.tasks[0])
        before = pickle.dumps(task), str(np.random.get_state())  # noqa: NPY002 - stays as it is
        self.find(task)
        assert (pickle.dumps(task), str(np.random.get_state())) == before  # noqa: NPY002 - likewise

    def test_a_fresh_interpreter_with_another_hash_seed_finds_the_same(self, found):
        name = self.tasks[-1]
        blob = pickle.dumps((self.mapper, self.settings, self.task(name))).hex()
        here = str(Path(__file__).parent)
        answer = subprocess.run(
            [sys.executable, "-c", FRESH, here, blob],
            env={**os.environ, "PYTHONHASHSEED": "7"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert answer == repr(found[name]) + "\n"

    def test_what_fits_nowhere_is_said_and_not_returned(self):
        memories = list(FLAT.levels)
        memories[3] = replace(memories[3], depth=1)  # two words for three tensors
        task = replace(
            self.task(self.tasks[-1]), architecture=replace(FLAT, levels=tuple(memories))
        )
        result = self.find(task)
        if result.mapping is None:
            assert math.isinf(result.loss)
        else:  # a tensor passed by
            assert check_mapping(task.architecture, task.problem, result.mapping) == ()
