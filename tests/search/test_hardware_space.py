"""Spaces over every number of a design, mapping choices, and every kind of budget."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from designs import DESIGN
from hypothesis import given
from hypothesis import strategies as st
from small_run import RUN, write

from arraysmith.arch.budget import Budget
from arraysmith.arch.errors import ArraysmithError, InputError
from arraysmith.search.describe import hardware_text, other_numbers
from arraysmith.search.run_file import load_run
from arraysmith.search.space import MAPPED_BY, IntegerChoice, MappingChoice, Space
from arraysmith.traces.describe import NONE, hardware_table, number_text

PARAMETERS = (
    IntegerChoice("clock_hz", (10**8, 5 * 10**8, 10**9)),
    IntegerChoice("dram.read_words_per_cycle", (1, 4, 16), ("dram.write_words_per_cycle",)),
    IntegerChoice("array.mesh_x", (1, 2, 4, 8)),
    IntegerChoice("glb.depth", (16, 32, 64, 128)),
    IntegerChoice("glb.banks", (1, 2, 4)),
    IntegerChoice("array.words_per_cycle", (1, 2, 4)),
    MappingChoice(MAPPED_BY, ("edp", "latency")),
)
LEAST = Space(DESIGN, PARAMETERS, Budget()).architecture((0,) * 7)
MOST = Space(DESIGN, PARAMETERS, Budget()).architecture((2, 2, 3, 3, 2, 2, 1))

genomes = st.tuples(*(st.integers(0, len(x.choices) - 1) for x in PARAMETERS))


def spent(design):
    limits = Budget(0, 0, 0, 1e-9, 1e-9, 1e-9).violations(design)
    return {excess.limit: excess.value for excess in limits}


LIMITS = ("max_pes", "storage_bits", "area_um2", "power_mw", "offchip_bits_per_s")


@given(genomes, st.sampled_from(LIMITS), st.floats(0, 1))
def test_repair_keeps_every_kind_of_budget_and_leaves_what_fits(genome, limit, share):
    least, most = spent(LEAST)[limit], spent(MOST)[limit]
    allowed = least + share * (most - least)
    if limit in {"max_pes", "storage_bits"}:
        allowed = int(allowed)
    space = Space(DESIGN, PARAMETERS, Budget(**{limit: allowed}))
    repaired = space.repair(genome)
    assert space.fits(repaired)
    assert space.repair(repaired) == repaired
    assert (repaired == genome) == space.fits(genome)
    assert all(a <= b for a, b in zip(repaired, genome, strict=True))
    assert repaired[-1] == genome[-1]  # no budget changes how mappings are chosen


@pytest.mark.parametrize(
    ("limit", "gene"), [("power_mw", 0), ("offchip_bits_per_s", 1), ("max_pes", 2)]
)
def test_what_helps_a_limit_shrinks_first(limit, gene):
    genome = (2, 2, 3, 3, 2, 2, 0)
    space = Space(DESIGN, PARAMETERS, Budget(**{limit: spent(MOST)[limit] * 0.9}))
    changed = [
        i for i, (a, b) in enumerate(zip(space.repair(genome), genome, strict=True)) if a < b
    ]
    assert changed == [gene]


def test_tied_paths_have_one_value_and_mapping_choices_touch_no_hardware():
    space = Space(DESIGN, PARAMETERS, Budget())
    values = space.values((0, 1, 0, 0, 0, 0, 1))
    assert values["dram.read_words_per_cycle"] == values["dram.write_words_per_cycle"] == 4
    assert values[MAPPED_BY] == "latency"
    assert space.mapping((0,) * 7) == {MAPPED_BY: "edp"}
    assert space.architecture((0,) * 6 + (1,)) == LEAST
    assert space.genome_of(LEAST) == (0,) * 7
    assert space.magnitudes[0] == (1e8, 5e8, 1e9)
    assert space.magnitudes[-1] == ()


def test_a_path_may_stand_in_one_parameter_only_and_names_in_one_choice_once():
    twice = (IntegerChoice("glb.depth", (1, 2), ("array.mesh_x",)), PARAMETERS[2])
    with pytest.raises(ArraysmithError, match=r"more than one parameter: array\.mesh_x"):
        Space(DESIGN, twice, Budget())
    with pytest.raises(ArraysmithError, match="each name once"):
        MappingChoice(MAPPED_BY, ("edp", "edp"))


MORE = RUN.replace(
    "budget:",
    """\
  - {path: clock_hz, values: [100000000, 200000000]}
  - {paths: [dram.read_words_per_cycle, dram.write_words_per_cycle], values: [4, 8]}
  - {path: glb.banks, values: [1, 2]}
  - {path: array.words_per_cycle, values: [2, 8]}
  - {path: mac.pipeline_cycles, values: [1, 2]}
  - {path: mapping.objective, names: [latency, edp]}
  - {path: mapping.dataflow, names: [row_stationary, nvdla_like]}
budget:""",
).replace("storage: 8 KiB}", "storage: 8 KiB, power: 10 W, bandwidth: 25.6 GB/s}")


def test_a_run_file_may_change_every_number_and_how_mappings_are_chosen(tmp_path):
    run = load_run(write(tmp_path, MORE))
    assert [x.paths for x in run.space.parameters[4:9]] == [
        ("clock_hz",),
        ("dram.read_words_per_cycle", "dram.write_words_per_cycle"),
        ("glb.banks",),
        ("array.words_per_cycle",),
        ("mac.pipeline_cycles",),
    ]
    assert [name for name, _ in run.dataflows] == ["row_stationary", "nvdla_like"]
    assert run.space.budget.power_mw == 10_000
    assert run.space.budget.offchip_bits_per_s == 25.6e9 * 8
    assert json.loads(json.dumps(run.document)) == run.document


def test_genes_of_the_mapping_decide_what_mappings_look_like(tmp_path):
    from arraysmith.search.objective import Figures
    from arraysmith.search.remote import make_evaluator

    run = load_run(write(tmp_path, MORE))
    unknown = Figures(1, 1.0, 1, 1, 1, 1)
    evaluator = make_evaluator(run, np.random.SeedSequence(1), unknown, threads=1)
    assert set(evaluator.choices) == {DATAFLOW_NAMES[0], DATAFLOW_NAMES[1]}
    assert evaluator.choices["row_stationary"] is evaluator.tables
    big = run.space.repair((3, 4, 4, 4, 1, 1, 1, 1, 0, 0, 0))
    found = {
        (by, flow): evaluator.evaluate((*big[:-2], by, flow)) for by in (0, 1) for flow in (0, 1)
    }
    for flow in (0, 1):
        assert found[0, flow].cycles <= found[1, flow].cycles
        assert found[1, flow].loss <= found[0, flow].loss * (1 + 1e-9)
    assert found[1, 0].energy_pj != found[1, 1].energy_pj
    assert all(x.compared >= x.scored > 0 for x in found.values())


DATAFLOW_NAMES = ("row_stationary", "nvdla_like")


@pytest.mark.parametrize(
    ("old", "new", "field", "rule"),
    [
        ("clock_hz, values", "clock, values", "space[4].path", "must be level.field"),
        ("glb.banks", "glb.colour", "space[6].path", "must be one of depth"),
        ("glb.banks, values: [1, 2]", "glb.ports, values: [2, 4]", "space[6]", "ports must be one"),
        ("[latency, edp]", "[latency, speed]", "space[9].names[1]", "must be one of edp"),
        ("[latency, edp]", "[edp, edp]", "space[9].names", "each once"),
        ("names: [latency, edp]", "values: [1]", "space[9]", "must have names"),
        ("nvdla_like]", "nvdia_like]", "space[10].names[1]", "dataflow"),
        ("power: 10 W", "power: 1 uW", "budget.power", "no design meets it"),
        ("bandwidth: 25.6 GB/s", "bandwidth: 1 kB/s", "budget.bandwidth", "no design meets it"),
        ("bandwidth: 25.6 GB/s", "bandwidth: 2 words/cycle", "budget.bandwidth", "per second"),
        ("paths: [dram.read", "path: glb.x, paths: [dram.read", "space[5]", "exactly one of path"),
    ],
)
def test_faults_of_a_space_are_told_at_their_place(tmp_path, old, new, field, rule):
    assert old in MORE
    with pytest.raises(InputError) as caught:
        load_run(write(tmp_path, MORE.replace(old, new)))
    told = [(fault.field, fault.rule) for fault in caught.value.faults]
    assert [x for x in told if x[0] == field and rule in x[1]], told


def test_a_memory_without_rates_keeps_within_no_bandwidth(tmp_path):
    text = RUN.replace("storage: 8 KiB", "storage: 8 KiB, bandwidth: 25.6 GB/s")
    with pytest.raises(InputError) as caught:
        load_run(write(tmp_path, text))
    (fault,) = caught.value.faults
    assert fault.field == "budget.bandwidth"
    assert fault.rule.startswith("dram has no rates")
    assert "read: and write:" in fault.hint


BY_KIND = RUN.replace("row_stationary", "{any: row_stationary, depthwise: nvdla_like}")


def test_kinds_of_layers_may_have_dataflows_of_their_own(tmp_path):
    network = """\
kind: network
name: small
source: made up
layers:
  - {conv: first, height: 10, width: 10, in: 2, out: 8, window: 3, inputs: []}
  - {conv: second, height: 10, width: 10, in: 8, out: 8, window: 3, groups: 8, inputs: []}
"""
    run = load_run(write(tmp_path, BY_KIND, network))
    assert [run.dataflow_of(x.problem).name for x in run.layers] == [
        "row_stationary",
        "nvdla_like",
    ]
    assert run.digest() != load_run(write(tmp_path, RUN, network)).digest()
    for new, rule in (
        ("{depthwise: nvdla_like}", "for the other layers"),
        ("{any: x, cnv: y}", "kind of layer"),
    ):
        text = BY_KIND.replace("{any: row_stationary, depthwise: nvdla_like}", new)
        with pytest.raises(InputError, match=rule):
            load_run(write(tmp_path, text, network))


def test_searched_numbers_that_are_no_sizes_are_told_beside_the_sizes():
    space = Space(
        DESIGN,
        (
            IntegerChoice("glb.depth", (64, 128)),
            IntegerChoice("glb.banks", (1, 2)),
            IntegerChoice("glb.word_bits", (8, 16), ("dram.word_bits",)),
            IntegerChoice("clock_hz", (10**8, 10**9)),
            MappingChoice(MAPPED_BY, ("edp", "energy")),
        ),
        Budget(),
    )
    others = other_numbers(space)
    assert others == ("glb.banks", "glb.word_bits", "clock_hz")
    found = space.architecture((1, 1, 0, 0, 0))
    text = hardware_text(found, others)
    assert text == f"{hardware_text(found)}, glb.banks 2, glb.word_bits 8, clock_hz 100,000,000"
    assert "glb 128x" in text
    rows = dict(x[:2] for x in hardware_table((("found", found),), others).rows)
    assert [rows[x] for x in others] == ["2", "8", "100,000,000"]


def test_a_number_that_a_design_does_not_state_has_a_dash():
    missing = replace(DESIGN.memories[0], read_words_per_cycle=None)
    design = replace(DESIGN, levels=(missing, *DESIGN.levels[1:]))
    assert number_text(design, "dram.read_words_per_cycle") == NONE
    assert number_text(design, "nowhere.depth") == NONE
    half = replace(missing, read_words_per_cycle=Fraction(5, 2))
    design = replace(DESIGN, levels=(half, *DESIGN.levels[1:]))
    assert number_text(design, "dram.read_words_per_cycle") == "2.5"
