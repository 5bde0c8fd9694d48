"""A search small enough to run whole in a second: a folder with everything it needs."""

from dataclasses import replace

from arraysmith.arch.loader import dump_architecture, load_architecture

NETWORK = """\
kind: network
name: small
source: made up
layers:
  - {conv: first, height: 10, width: 10, in: 2, out: 8, window: 3, inputs: []}
  - {conv: second, height: 10, width: 10, in: 4, out: 8, window: 3, inputs: []}
  - {conv: third, height: 10, width: 10, in: 4, out: 8, window: 3, inputs: []}
"""

RUN = """\
kind: run
name: tiny
architecture: small.yaml
workload: net.yaml
dataflow: row_stationary
setting: timeloop
space:
  - {product: 12, paths: [array.mesh_x, array.mesh_y]}
  - {path: glb.depth, range: [64, 1024], step: pow2}
  - {path: weight_spad.depth, values: [2, 4, 8, 16, 64]}
  - {path: psum_spad.depth, values: [1, 2, 4, 8, 16]}
budget: {pes: 12, storage: 8 KiB}
optimiser: {name: genetic, population: 8, parents: 3, generations: 6}
mapper: {samples: 2000}
rescore: {top: 2}
baseline: {label: small original, samples: 20}
"""

SHAPE = {"array.mesh_x": 4, "array.mesh_y": 3, "glb.depth": 1024, "weight_spad.depth": 16}


def write(folder, run=RUN, network=NETWORK, **shape):
    """Write run.yaml and what it refers to; return the path of run.yaml."""
    template = load_architecture("eyeriss-poster-original").with_values({**SHAPE, **shape})
    (folder / "small.yaml").write_text(dump_architecture(replace(template, name="small")))
    (folder / "net.yaml").write_text(network)
    (folder / "run.yaml").write_text(run)
    return folder / "run.yaml"


def content(folder):
    """Every file below ``folder`` by its relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
