"""Small files in the language of Timeloop 0.4, shared by the tests of their readers."""

from __future__ import annotations

EYERISS = """\
architecture:
  version: 0.4
  nodes:
  - !Container
    name: system
  - !Component
    name: DRAM
    class: DRAM
    attributes: {type: "LPDDR4", width: 64, datawidth: 8, arraysmith_latency: 100 cycles}
  - !Container
    name: eyeriss
    attributes: {technology: "65nm", global_cycle_seconds: 1e-9}
  - !Component
    name: glb
    class: smartbuffer_SRAM
    attributes: {depth: 16384, width: 64, datawidth: 8, read_bandwidth: 16, write_bandwidth: 16}
    constraints:
      dataspace: {keep: [Inputs, Outputs], bypass: [Weights]}
  - !Container
    name: column
    spatial: {meshX: 14}
    constraints:
      spatial:
        permutation: [N, C, P, R, S, M, Q]
        factors: [N=1, C=1, P=1, R=1, S=1]
        split: 999
  - !Container
    name: row
    spatial: {meshY: 12}
    constraints:
      spatial: {split: 0, permutation: [N, P, Q, R, M, C, S], factors: [N=1, P=1, Q=1, R=1, S=0]}
  - !Parallel
    nodes:
    - !Component
      name: ifmap_spad
      class: smartbuffer_RF
      attributes: &spad {depth: 12, width: 16, datawidth: 8, read_bandwidth: 2, write_bandwidth: 2}
      constraints:
        dataspace: {keep: [Inputs]}
        temporal: {factors: [N=1, M=1, C=1, P=1, Q=1, R=1, S=1]}
    - !Component
      name: weight_spad
      class: smartbuffer_RF
      attributes: {<<: *spad, depth: 192}
      constraints:
        dataspace: {keep: [Weights]}
        temporal: {permutation: [R, C], factors: [N=1, M=1, P=1, Q=1, S=1]}
    - !Component
      name: psum_spad
      class: smartbuffer_RF
      attributes: {<<: *spad, depth: 16, datawidth: 16}
      constraints:
        dataspace: {keep: [Outputs]}
        temporal: {permutation: M, factors: [N=1, C=1, R=1, S=1, P=1, Q=1]}
  - !Component
    name: mac
    class: intmac
    attributes: {multiplier_width: 8, adder_width: 16, arraysmith_energy: 0.39082 pJ}
"""
"""The design of the poster, in the words of that tool."""

LAYER = """\
problem:
  version: 0.4
  instance: {C: 3, M: 64, N: 1, P: 224, Q: 224, R: 3, S: 3, Hstride: 1, Hpad: 0}
  shape:
    name: CNN_Layer
    dimensions: [C, M, R, S, N, P, Q]
    coefficients:
    - {name: Hstride, default: 2}
    - {name: Hdilation, default: 1}
    data_spaces:
    - {name: Weights, projection: [[[C]], [[M]], [[R]], [[S]]]}
    - name: Inputs
      projection:
      - [[N]]
      - [[C]]
      - [[R, Hdilation], [P, Hstride]]
      - [[S], [Q]]
    - {name: Outputs, projection: [[[N]], [[M]], [[Q]], [[P]]], read_write: True}
"""

MAPPING = """\
mapping:
  - {target: DRAM, type: temporal, factors: C1 M4 R3 S1 N1 P8 Q2, permutation: RMQPCSN}
  - {target: glb, type: temporal, factors: "Q=28, P=0", permutation: [Q, P]}
  - {target: glb, type: dataspace, keep: [Inputs, Outputs], bypass: [Weights]}
  - {target: inter_column_spatial, type: spatial, factors: [M=2, Q=4], permutation: QM, split: 2}
  - {target: row, type: spatial, factors: [S=3, M=4], permutation: [S, M], split: 0}
  - {target: row, type: temporal, factors: [S=1, M=1]}
  - {target: weight_spad, type: temporal, factors: C=3, permutation: C}
  - {target: psum_spad, type: temporal, factors: [M=2], permutation: M}
  - {target: psum_spad, type: datatype, keep: [Outputs], bypass: [Weights, Inputs]}
"""
"""The mapping of ``tests/sim/poster_design.py`` on that design."""

FRONT_END = """\
architecture:
  version: '0.4'
  subtree:
  - name: system
    attributes: {technology: 65nm, global_cycle_seconds: 1e-9, version: '0.4'}
    local:
    - name: DRAM[1..1]
      class: DRAM
      attributes: {type: LPDDR4, width: 64, datawidth: 8, meshX: 1, meshY: 1}
    - {name: "inter_column_spatial[1..1]", class: dummy_storage, attributes: {technology: -1}}
    - {name: "inter_row_spatial[1..4]", class: dummy_storage, attributes: {meshX: 4, meshY: 1}}
    subtree:
    - name: PE
      local:
      - name: spad[1..12]
        class: storage
        subclass: smartbuffer_RF
        attributes: {depth: 8, width: 16, datawidth: 16, meshX: 4, meshY: 3, n_banks: 2}
      - name: mac[1..12]
        class: intmac
        attributes: {datawidth: 8, meshX: 4, meshY: 3}
architecture_constraints:
  targets:
  - {target: spad, type: dataspace, keep: [Outputs], bypass: [Inputs, Weights]}
mapping: []
"""
"""What the tool's front end makes of its files."""
