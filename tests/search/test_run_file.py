import pytest
from small_run import NETWORK, RUN, write

from arraysmith.arch.errors import InputError
from arraysmith.arch.main import run as command
from arraysmith.search.run_file import load_run, run_names

MAPPING = """\
kind: mapping
levels:
  dram: {temporal: ['P:1', 'Q:1', 'K:1', 'C:1', 'R:1']}
  array: {y: ['S:1']}
"""
NOTHING = "{cycles: 0, energy: 0, gflops: 0, utilization: 0}"
ONE_LAYER = RUN.replace("net.yaml", "net.yaml:first")


def faults(path):
    with pytest.raises(InputError) as caught:
        load_run(path)
    return caught.value.faults


def place_of(text, found):
    """Return (line, column) of the only occurrence of ``found``, counted from 1."""
    assert text.count(found) == 1
    before = text[: text.index(found)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


@pytest.mark.parametrize("name", ["poster", "vgg16"])
def test_the_runs_that_ship_have_no_faults(name):
    run = load_run(name)
    assert name in run_names()
    assert run.name == name
    assert run.template.pes == 168
    assert all(map(run.space.fits, run.space.smallest()))


def test_the_posters_run_is_the_posters_experiment():
    run = load_run("poster")
    assert run.space.sizes[0] == 16
    assert run.space.budget.storage_bits == 1_048_576 + 591_360 == run.template.storage_bits
    assert [row.cycles for row in run.printed] == [903168, 602112]
    assert [row.energy_pj for row in run.printed] == [720.99e6, 305.38e6]
    rival = run.rivals[0].architecture
    assert run.space.genome_of(run.template.with_values({"weight_spad.depth": 192})) is not None
    assert rival.pes == 168
    assert run.space.budget.admits(rival)


def test_equal_layers_are_one_with_their_repeats(tmp_path):
    run = load_run(write(tmp_path))
    assert [(layer.name, layer.repeat) for layer in run.layers] == [("first", 1), ("second", 2)]


def test_values_come_from_lists_ranges_and_powers_of_two(tmp_path):
    text = RUN.replace("values: [1, 2, 4, 8, 16]", "range: [3, 11], step: 4")
    choices = [parameter.choices for parameter in load_run(write(tmp_path, text)).space.parameters]
    assert len(choices[0]) == 6
    assert choices[1] == ((64,), (128,), (256,), (512,), (1024,))
    assert choices[2] == ((2,), (4,), (8,), (16,), (64,))
    assert choices[3] == ((3,), (7,), (11,))


def test_a_seed_given_apart_replaces_the_files_and_is_part_of_the_digest(tmp_path):
    path = write(tmp_path)
    assert load_run(path).seed == 1
    assert load_run(path, seed=7).seed == 7
    assert load_run(path, seed=7).document["seed"] == 7
    assert (
        load_run(path, seed=1).digest()
        == load_run(path).digest()
        != load_run(path, seed=7).digest()
    )


def test_the_digest_depends_on_what_decides_the_result_and_on_nothing_else(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    digest = load_run(write(here)).digest()
    assert load_run(write(there, RUN + "note: another\n")).digest() == digest
    for text, network in (
        (RUN.replace("storage: 8 KiB", "storage: 9 KiB"), NETWORK),
        (RUN.replace("samples: 2000", "samples: 2001"), NETWORK),
        (RUN.replace("population: 8", "population: 9"), NETWORK),
        (RUN + "objective: latency\n", NETWORK),
        (RUN, NETWORK.replace("out: 8, window: 3", "out: 4, window: 3")),
    ):
        assert load_run(write(there, text, network)).digest() != digest
    assert load_run(write(there, **{"glb.depth": 512})).digest() != digest


def test_defaults_are_written_out_in_the_document(tmp_path):
    document = load_run(write(tmp_path)).document
    assert document["objective"] == "edp"
    assert document["optimiser"]["sigma"] == 0.2
    assert document["optimiser"]["name"] == "genetic"
    assert document["architecture"] == "inputs/small.yaml"
    assert document["workload"] == "inputs/net.yaml"


@pytest.mark.parametrize(
    ("old", "new", "at", "rule"),
    [
                ("tiny", "tiny\nsetting: default", "setting: timeloop", "given twice"),
        ("timeloop", "timelop", "timelop", "unknown setting"),
        ("architecture: small.yaml", "architecture: none.yaml", "none.yaml", "does not exist"),
        ("architecture: small.yaml", "architecture: eyeris", "eyeris", "neither a preset"),
        ("architecture: small.yaml", "architecture: tpu-v1", "tpu-v1", "a systolic array has no"),
        ("net.yaml", "nets.yaml", "nets.yaml", "does not exist"),
        ("net.yaml", "net.yaml:fourth", "net.yaml:fourth", "no such layer"),
        ("net.yaml", "vgg61", "vgg61", "neither"),
        ("row_stationary", "row_stationry", "row_stationry", "neither"),
        ("row_stationary", "os", "os\n", "levels that small lacks"),
        ("glb.depth", "gbl.depth", "gbl.depth", "no level gbl"),
        ("glb.depth", "glb.colour", "glb.colour", "must be one of depth, width_bits"),
        ("glb.depth", "dram.depth", "dram.depth", "off-chip"),
        ("glb.depth", "depth", "depth, range", "must be level.field"),
        ("glb.depth", "psum_spad.depth", "psum_spad.depth, values", "is searched twice"),
        ("array.mesh_y", "array.depth", "array.depth", "must be one of mesh_x, mesh_y"),
        ("[64, 1024]", "[1024, 64]", "[1024, 64]", "[least, most]"),
        ("[64, 1024]", "[-64, 1024]", "-64", "at least 1"),
        ("[64, 1024], step: pow2", "[1, 1000000]", "[1, 1000000]", "more than 100,000 values"),
        ("range: [64, 1024], step: pow2", "step: 2", "{path: glb.depth", "exactly one of"),
        ("[64, 1024], step: pow2", "[64, 99999999], step: pow2", "{path: glb.depth", "has no cost"),
        ("[1, 2, 4, 8, 16]", "[0, 2]", "0, 2", "at least 1"),
        ("[1, 2, 4, 8, 16]", "[2, 2]", "[2, 2]", "each value once"),
        ("psum_spad.depth", "psum_spad.width_bits", "{path: psum", "not a multiple"),
        ("product: 12", "product: 0", "0, paths", "at least 1"),
        ("[64, 1024], step: pow2", "[64], step: pow2", "[64]", "must be [least, most]"),
        ("step: pow2", "step: 0", "0}\n  - {path: weight", "must be pow2, which"),
        ("timeloop", "timeloop\nobjective: []", "[]", "must name an objective"),
        ("storage: 8 KiB", "storage: 512 B", "512 B", "no design meets it: the smallest has"),
        ("storage: 8 KiB", "storage: -1 KiB", "-1 KiB", "must not be negative"),
        ("storage: 8 KiB", "storage: null", "null}", "value is missing"),
        ("pes: 12", "pes: 13", "13, storage", "must be exactly 13"),
        ("name: genetic", "name: genetik", "genetik", "must be one of annealing, cma"),
        ("population: 8", "population: -8", "-8", "at least 2"),
        ("population: 8", "popluation: 8", "popluation", "unknown key"),
        ("parents: 3", "parents: 30", "{name: genetic", "must be at most the population, 8"),
        ("samples: 20}", "samples: 20, mapping: no.yaml}", "no.yaml", "does not exist"),
        ("rescore: {top: 2}", "rescore: {top: 0}", "0}\nbase", "at least 1"),
        ("rescore", "weights: {cycles: 2}\nrescore", "weights", "no weights"),
        ("res", f"objective: poster\nweights: {NOTHING}\nres", NOTHING, "all weights are 0"),
        ("res", "compare: [{label: a, architecture: b, mapping: c}]\nres", "b, m", "neither"),
    ],
)  # fmt: skip
def test_every_wrong_field_is_named_with_its_place(tmp_path, old, new, at, rule):
    load_run(write(tmp_path))  # the file as it is has no fault
    assert RUN.count(old) >= 1
    text = RUN.replace(old, new, 1)
    path = write(tmp_path, text)
    found = [fault for fault in faults(path) if rule in fault.rule]
    assert found, [str(fault) for fault in faults(path)]
    assert found[0].file == str(path)
    assert (found[0].line, found[0].column) == place_of(text, at)


def test_all_faults_of_a_file_come_at_once_in_order(tmp_path):
    text = RUN.replace("timeloop", "tl").replace("row_st", "rst").replace("glb.depth", "glb.size")
    lines = [fault.line for fault in faults(write(tmp_path, text))]
    assert lines == sorted(lines)
    assert len(lines) == 3


def test_faults_of_form_do_not_hide_the_others(tmp_path):
    text = RUN.replace("timeloop", "tl").replace("row_st", "rst").replace("glb.depth", "glb.size")
    text = text.replace("pes: 12", "pes: 0").replace("parents: 3", "parents: 30")
    text = text.replace("[2, 4, 8, 16, 64]", "[0, 4]").replace("{top: 2}", "{most: 2}")
    told = [fault.field for fault in faults(write(tmp_path, text))]
    assert told == [
        "dataflow",
        "setting",
        "space[1].path",
        "space[2].values[0]",
        "budget.pes",
        "optimiser",
        "rescore.most",
    ]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("timeloop", "timeloop\nobjective: edq\nweights: {cycles: 2}", "objective"),
        ("timeloop", "timeloop\nobjective: [edp, edq]\nrank: edp", "objective"),
        ("genetic,", "genetik,", "optimiser.name"),
        ("path: glb.depth, range: [64, 1024]", "path: glb.depth, range: [64]", "space[1].range"),
        ("storage: 8 KiB", "storage: 8 kilo", "budget.storage"),
        ("rescore", "traces: some\nrescore", "traces"),
    ],
)
def test_what_stands_in_for_a_fault_makes_no_fault_of_its_own(tmp_path, old, new, field):
    assert [x.field for x in faults(write(tmp_path, RUN.replace(old, new)))] == [field]


def test_products_of_sizes_leave_out_what_is_no_shape(tmp_path):
    bits = {"width_bits": 16, "depth": 512}
    old = "{path: glb.depth, range: [64, 1024], step: pow2}"
    product = "{product: 8192, paths: [glb.depth, glb.width_bits]}"
    path = write(tmp_path, RUN.replace(old, product), **{f"glb.{k}": v for k, v in bits.items()})
    choices = load_run(path).space.parameters[1].choices
    assert (512, 16) in choices
    assert all(width % 8 == 0 for _, width in choices)
    assert 0 < len(choices) < 14


@pytest.mark.parametrize(
    ("new", "rule"),
    [
        ("{product: 7, paths: [glb.ports, glb.width_bits]}", "no factorisation of it is a legal"),
        ("{product: 4294967296, paths: [glb.latency_cycles, a.b]}", "has no level a"),
        ("{product: 4, paths: [glb.depth, glb.banks, a.b, a.c, a.d]}", "at most 4 entries"),
    ],
)
def test_products_without_a_legal_choice_are_refused(tmp_path, new, rule):
    old = "{path: glb.depth, range: [64, 1024], step: pow2}"
    assert rule in faults(write(tmp_path, RUN.replace(old, new)))[0].rule


def test_dataflows_of_the_space_are_looked_up_whatever_the_budget(tmp_path):
    old = "{path: psum_spad.depth, values: [1, 2, 4, 8, 16]}"
    text = RUN.replace(old, "{path: mapping.dataflow, names: [row_stationary, rows]}")
    told = [fault.field for fault in faults(write(tmp_path, text.replace("8 KiB", "512 B")))]
    assert told == ["space[3].names[1]", "budget.storage"]


def test_a_fault_inside_another_file_keeps_its_own_place(tmp_path):
    path = write(tmp_path, network=NETWORK.replace("window: 3", "window: 30", 1))
    assert faults(path)[0].file == str(tmp_path / "net.yaml")
    assert faults(path)[0].line == 5


def test_a_budget_that_no_design_meets_is_told_with_the_numbers(tmp_path):
    fault = faults(write(tmp_path, RUN.replace("8 KiB", "512 B")))[0]
    smallest = load_run(write(tmp_path)).space
    bits = smallest.architecture(smallest.smallest()[0]).storage_bits
    assert f"the smallest has {bits:,}" in fault.rule
    assert "at most 4,096" in fault.rule
    assert fault.field == "budget.storage"


def test_free_meshes_under_an_exact_number_of_macs_are_refused(tmp_path):
    old = "{product: 12, paths: [array.mesh_x, array.mesh_y]}"
    text = RUN.replace(old, "{path: array.mesh_x, values: [2, 4]}")
    fault = faults(write(tmp_path, text))[0]
    assert "fixes the number of MACs" in fault.rule
    assert "max_pes" in fault.hint
    load_run(write(tmp_path, text.replace("pes: 12", "max_pes: 12")))


def test_a_stated_mapping_is_checked_against_the_layer(tmp_path):
    text = ONE_LAYER.replace("samples: 20}", "mapping: m.yaml}")
    (tmp_path / "m.yaml").write_text(MAPPING)
    assert load_run(write(tmp_path, text)).baseline.mapping is not None
    (tmp_path / "m.yaml").write_text(MAPPING.replace("'C:1', ", ""))
    assert "innermost tile 2: coverage" in faults(write(tmp_path, text))[0].rule
    several = text.replace(":first", "")
    assert "a mapping is for one layer" in faults(write(tmp_path, several))[0].rule


def test_mapping_and_samples_of_the_baseline_exclude_each_other(tmp_path):
    (tmp_path / "m.yaml").write_text(MAPPING)
    text = ONE_LAYER.replace("samples: 20}", "samples: 20, mapping: m.yaml}")
    assert faults(write(tmp_path, text))[0].field == "baseline.samples"


def test_an_unknown_run_gets_the_names_that_are_near():
    fault = faults("postr")[0]
    assert "neither a built-in run nor a file" in fault.rule
    assert "poster" in fault.hint


def test_wrong_input_ends_with_code_2_and_leaves_no_folder(tmp_path, capsys):
    path = write(tmp_path, RUN.replace("8 KiB", "512 B"))
    assert command(["search", str(path), "--out", str(tmp_path / "out")]) == 2
    assert f"{path}:12:28: budget.storage: 512 B: no design meets it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_seed_that_no_run_file_may_hold_is_refused_on_the_command_line(tmp_path, capsys):
    path = write(tmp_path)
    out = tmp_path / "out"
    assert command(["search", str(path), "--out", str(out), "--seed", str(2**63)]) == 2
    assert "--seed" in capsys.readouterr().err
    assert not out.exists()
