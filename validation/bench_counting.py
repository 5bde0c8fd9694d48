"""Mappings counted and scored per second and core, against one Report at a time.

Runs both on the same mappings of VGG-16 conv1_1 in one process and prints the ratio. Times are CPU
seconds, because the machine may be shared; kernels are compiled before the clock starts.
"""

from __future__ import annotations

import time

import numpy as np

from arraysmith.arch.dataflows import load_dataflow
from arraysmith.arch.legality import check_mapping
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.networks import load_network
from arraysmith.search.mapper import build_table, mapping_of
from arraysmith.search.mapping_space import MappingSpace
from arraysmith.sim.analytical.model import AnalyticalModel

MANY, FEW = 65_536, 200


def main() -> None:
    """Print rates and their ratio."""
    architecture = load_architecture("eyeriss-poster-original")
    problem = load_network("vgg16:conv1_1").layers[0].problem
    dataflow = load_dataflow("row_stationary")
    mesh = [(architecture.fanouts[0].mesh_x, architecture.fanouts[0].mesh_y)]
    for setting in ("timeloop", "default"):
        space = MappingSpace.of(architecture, problem, dataflow, mesh)
        points = next(space.points(np.random.default_rng(0), FEW))
        model = AnalyticalModel(setting)
        mappings = [mapping_of(space, points.take(slice(i, i + 1))) for i in range(FEW)]
        legal = [x for x in mappings if not check_mapping(architecture, problem, x)]
        model.evaluate(architecture, problem, legal[0])
        start = time.process_time()
        for mapping in legal:
            model.evaluate(architecture, problem, mapping)
        one_by_one = len(legal) / (time.process_time() - start)
        build_table(
            problem, architecture, dataflow, setting=setting, meshes=mesh, seed=0, samples=FEW
        )
        start = time.process_time()
        table = build_table(
            problem, architecture, dataflow, setting=setting, meshes=mesh, seed=0, samples=MANY
        )
        table.best(architecture, "edp")
        batched = MANY / (time.process_time() - start)
        print(
            f"{setting:9} one Report at a time {one_by_one:10,.0f}/s   table {batched:10,.0f}/s"
            f"   ratio {batched / one_by_one:7.1f}"
        )


if __name__ == "__main__":
    main()
